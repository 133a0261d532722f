// Two servers that exchanged messages, a country.json for the auditor's program, and proxies that stand between
// the program and the management interfaces and may alter what passes.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ServiceId, SubsystemId } from '@onceway/sdk/protocol';
import { ApiKeys } from '@onceway/security-server/http/management-access';
import { openState } from '@onceway/security-server/state/state-database';
import { request } from 'undici';
import { Federation, TestClock, type TestServer } from '../exchange/federation.js';

const PROGRAM = join(import.meta.dirname, '../../../scripts/dist/src/verify-messages/main.js');

/** What came back from a server's management interface, as JSON; what is returned is passed on, undefined as 404. */
export type Alteration = (answer: Answer, path: string, from: 'consumer' | 'provider') => unknown;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape of the answers is what the tests alter
export type Answer = any;

export interface Verdict {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Audited {
  readonly federation: Federation;
  /** Of the consumer's server alone. */
  readonly clock: TestClock;
  readonly consumer: TestServer;
  readonly provider: TestServer;
  readonly client: SubsystemId;
  readonly offering: SubsystemId;
  readonly service: ServiceId;
  readonly country: string;
  alter: Alteration = (answer) => answer as unknown;
  readonly #keys: ReadonlyMap<string, string>;
  readonly #proxies: readonly Server[];

  private constructor(parts: {
    readonly federation: Federation;
    readonly clock: TestClock;
    readonly consumer: TestServer;
    readonly provider: TestServer;
    readonly client: SubsystemId;
    readonly offering: SubsystemId;
    readonly service: ServiceId;
  }) {
    this.federation = parts.federation;
    this.clock = parts.clock;
    this.consumer = parts.consumer;
    this.provider = parts.provider;
    this.client = parts.client;
    this.offering = parts.offering;
    this.service = parts.service;
    this.country = join(this.federation.folder, 'country.json');
    this.#keys = new Map([this.consumer, this.provider].map((server) => [server.id, auditorKey(server)]));
    this.#proxies = (['consumer', 'provider'] as const).map((from) =>
      createServer((incoming, response) => void this.#pass(from, incoming, response)),
    );
  }

  static async start(): Promise<Audited> {
    const federation = await Federation.start();
    const clock = new TestClock();
    const consumer = await federation.server(federation.member('CONSUMER'), 'SS1', { clock });
    const provider = await federation.server(federation.member('PROVIDER'), 'SS2');
    const client = await federation.client(consumer, 'CLIENT');
    const offering = await federation.client(provider, 'OFFERING');
    await consumer.running.exchange.configuration.refresh();
    const service = await federation.service(provider, offering, 'echo');
    const grant = { service: service.id, subject: { client }, reason: 'for the test' };
    await provider.running.services.grant(grant, 'test');
    const audited = new Audited({
      federation,
      clock,
      consumer,
      provider,
      client,
      offering,
      service: service.id,
    });
    for (const proxy of audited.#proxies)
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    audited.#writeCountry();
    return audited;
  }

  async stop(): Promise<void> {
    for (const proxy of this.#proxies)
      await new Promise((resolve) => {
        proxy.close(resolve);
        proxy.closeAllConnections();
      });
    await this.federation.stop();
  }

  /** One exchange; the mids of request and answer. */
  async exchange(body: string | undefined, service: string = this.service): Promise<[string, string]> {
    const answer = await request(`${this.consumer.running.addresses.client}/r1/${service}/a?b=c`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'X-Road-Client': this.client, 'content-type': 'text/plain' },
      ...(body === undefined ? {} : { body }),
    });
    await answer.body.dump();
    return [String(answer.headers['exchange-id']), String(answer.headers['exchange-answer'])];
  }

  /** One exchange of which the consumer's server hosts both parties. */
  async exchangeWithinConsumer(): Promise<{ mids: [string, string]; id: string }> {
    const { federation, consumer, client } = this;
    const service = await federation.service(consumer, await federation.client(consumer, 'OWN'), 'own');
    const grant = { service: service.id, subject: { client }, reason: 'for the test' };
    await consumer.running.services.grant(grant, 'test');
    return { mids: await this.exchange('ping', service.id), id: consumer.id };
  }

  /** Runs the program with another anchor. */
  async verifyUnder(change: (anchor: Answer) => unknown, ...options: readonly string[]): Promise<Verdict> {
    const { folder } = this.federation;
    const anchor = JSON.parse(readFileSync(join(folder, 'registry', 'anchor.json'), 'utf8')) as unknown;
    change(anchor);
    writeFileSync(join(folder, 'other-anchor.json'), JSON.stringify(anchor));
    const country = JSON.parse(readFileSync(this.country, 'utf8')) as object;
    const other = join(folder, 'other-country.json');
    // A path that is not there from here is taken from the folder of the file.
    writeFileSync(other, JSON.stringify({ ...country, registry: { anchor: 'other-anchor.json' } }));
    return this.#run(other, options);
  }

  /** Asks a management interface as its auditor, past the proxy. */
  async ask(server: TestServer, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    const answer = await request(new URL(path, server.running.addresses.management), {
      method,
      headers: { authorization: `Bearer ${this.#keys.get(server.id)}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.body.json();
  }

  /** Runs the program to its end. */
  verify(...options: readonly string[]): Promise<Verdict> {
    return this.#run(this.country, options);
  }

  #run(country: string, options: readonly string[]): Promise<Verdict> {
    const child = spawn(process.execPath, [PROGRAM, '--country', country, ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (text.stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (text.stderr += String(chunk)));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...text })));
  }

  async #pass(
    from: 'consumer' | 'provider',
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { url = '/', method = 'GET', headers } = incoming;
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    const answer = await request(new URL(url, this[from].running.addresses.management), {
      method: method as 'GET',
      headers: { authorization: headers.authorization, 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body }),
    });
    const given = await answer.body.json();
    const passed = answer.statusCode === 200 ? this.alter(given, url, from) : given;
    response.statusCode = passed === undefined ? 404 : answer.statusCode;
    response.end(JSON.stringify(passed ?? {}));
  }

  #writeCountry(): void {
    const addresses = this.#proxies.map((proxy) => (proxy.address() as AddressInfo).port);
    const members = [this.consumer, this.provider].map(({ id, folder }, i) => {
      const keys = join(folder, 'keys');
      mkdirSync(keys);
      writeFileSync(join(keys, 'api-key-auditor.txt'), `${this.#keys.get(id)}\n`);
      return { keys, servers: [{ id, management: `http://127.0.0.1:${addresses[i]}` }] };
    });
    const registry = { anchor: join(this.federation.folder, 'registry', 'anchor.json') };
    writeFileSync(this.country, JSON.stringify({ registry, members }));
  }
}

function auditorKey({ folder }: TestServer): string {
  const state = openState(join(folder, 'state.db'));
  try {
    return new ApiKeys(state, Date.now, randomBytes).create('auditor', ['auditor']).key;
  } finally {
    state.close();
  }
}
