// A small instance for tests, all in this process and all real: registry with its trust services and witness, security
// servers enrolled as an administrator would, mutual TLS on loopback. Leaves nothing behind.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseMemberId,
  parseSecurityServerId,
  parseServiceId,
  parseSubsystemId,
  type MemberId,
  type SecurityServerId,
  type ServiceId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { runRegistry, type RunningRegistry } from '@onceway/central-registry/main';
import { initInstance } from '@onceway/central-registry/publication/instance';
import { makeInternalKey } from '@onceway/security-server/keys/self-signed';
import { SoftwareToken } from '@onceway/security-server/keys/software-token';
import { runSecurityServer, type RunningServer, type RunOptions } from '@onceway/security-server/main';
import { createMessageLog, logOrigin } from '@onceway/security-server/message-log/sqlite-message-log';
import { enrolServer, registerClient } from '@onceway/security-server/registration/enrol';
import { ManagementRequests } from '@onceway/security-server/registration/management-requests';
import { httpRegistry } from '@onceway/security-server/registration/registry';
import { createState } from '@onceway/security-server/state/state-database';
import { freePort } from '#free-port';

export { freePort };

const DOMAIN = 'test.example';
export const PIN = 'correct horse battery staple';
const HOST = '127.0.0.1';

/** What time it is for whom it is given to. */
export class TestClock {
  offsetMs = 0;
  readonly now = (): number => Date.now() + this.offsetMs;
}

export interface ServerOptions {
  /** In place of the federation's, for a server whose clock is off. */
  readonly clock?: TestClock;
  readonly limits?: RunOptions['limits'];
  /** Port that peers are told; something there passes their connections on to `peerPort`. */
  readonly publicPort?: number;
  readonly peerPort?: number;
  /** A listener for information systems over HTTPS beside the plain one. */
  readonly clientTls?: boolean;
}

export interface TestServer {
  readonly id: SecurityServerId;
  readonly folder: string;
  running: RunningServer;
  readonly events: Record<string, unknown>[];
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
}

export interface TestService {
  readonly id: ServiceId;
  /** What reached the service. */
  readonly calls: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  handler: RequestListener;
}

export class Federation {
  readonly folder = mkdtempSync(join(tmpdir(), 'onceway-'));
  readonly #closers: (() => unknown)[] = [];
  /** Of the registry, its trust services, and the servers that have no other. */
  readonly clock: TestClock;
  registry!: RunningRegistry;

  constructor(clock: TestClock) {
    this.clock = clock;
  }

  static async start(
    policy: Partial<ReturnType<RunningRegistry['registry']['services']['policy']>> = {},
    lifetimeS = 3600,
    clock = new TestClock(),
  ): Promise<Federation> {
    const federation = new Federation(clock);
    const folder = join(federation.folder, 'registry');
    // Known before, so that a registry that comes back is found where it was.
    const free = async (): Promise<{ host: string; port: number }> => ({
      host: HOST,
      port: await freePort(),
    });
    const [distribution, witness] = [await freePort(), await freePort()];
    await initInstance({
      folder,
      settings: {
        v: 1,
        instance: 'TEST',
        domain: DOMAIN,
        organization: 'Test Registry',
        lifetimeS,
        listeners: {
          management: await free(),
          distribution: { host: HOST, port: distribution },
          authority: await free(),
          ocsp: await free(),
          timeStamping: await free(),
          witness: { host: HOST, port: witness },
        },
      },
      distribution: [`http://${HOST}:${distribution}`],
      witnesses: [],
      ownWitness: { name: `${DOMAIN}/witness`, url: `http://${HOST}:${witness}` },
      trustServices: true,
      clock: clock.now,
    });
    await federation.startRegistry();
    federation.#closers.push(() => federation.registry.stop());
    const { services } = federation.registry.registry;
    if (Object.keys(policy).length > 0) services.setPolicy({ ...services.policy(), ...policy });
    await federation.registry.registry.publication.changed();
    return federation;
  }

  /** Also after `registry.stop()`, at the same addresses. */
  async startRegistry(): Promise<void> {
    const folder = join(this.folder, 'registry');
    this.registry = await runRegistry({
      folder,
      trustServices: true,
      surroundings: { clock: this.clock.now },
    });
  }

  member(code: string): MemberId {
    const id = parseMemberId(`TEST/GOV/${code}`);
    this.registry.registry.members.add(id, { en: code, vi: code });
    return id;
  }

  /** Inits, enrols and starts a server of a member that is admitted already. */
  async server(member: MemberId, code: string, options: ServerOptions = {}): Promise<TestServer> {
    const clock = options.clock ?? this.clock;
    const id = parseSecurityServerId(`${member}/${code}`);
    const folder = join(this.folder, code);
    const [client, peer] = [await freePort(), options.peerPort ?? (await freePort())];
    const clientTls = options.clientTls === true ? await freePort() : undefined;
    const token = await this.#init(folder, id, { client, clientTls, peer, management: 0 });
    const state = createState(join(folder, 'state.db'));
    const call = httpRegistry(this.registry.addresses.distribution ?? '');
    const requests = new ManagementRequests({
      database: state,
      token,
      registry: call,
      server: id,
      clock: clock.now,
    });
    const origin = logOrigin(DOMAIN, id);
    const status = await enrolServer(
      { token, registry: call, requests, server: id, report: () => undefined },
      {
        address: `https://${HOST}:${options.publicPort ?? peer}`,
        dns: [HOST],
        enrolmentToken: this.#enrolmentToken(member, id),
        logs: [
          { origin, key: vkeyOf(origin, token.logKey('server')) },
          {
            origin: `${origin}/lane-0` as typeof origin,
            key: vkeyOf(`${origin}/lane-0`, token.logKey('lane-0')),
          },
        ],
      },
    );
    if (status.state !== 'waiting') throw new Error(`registration is ${status.state}`);
    await this.#approveAll();
    state.close();
    const events: Record<string, unknown>[] = [];
    const run = (): Promise<RunningServer> =>
      runSecurityServer({
        folder,
        pin: PIN,
        report: (event) => events.push(event),
        clock: clock.now,
        // Tests look at each refusal.
        limits: { refusalReportsMs: 0, ...options.limits },
      });
    let isRunning = true;
    const server: TestServer = {
      id,
      folder,
      running: await run(),
      events,
      async stop() {
        if (isRunning) await server.running.close();
        isRunning = false;
      },
      async start() {
        server.running = await run();
        isRunning = true;
      },
      async restart() {
        await server.stop();
        await server.start();
      },
    };
    this.#closers.push(() => server.stop());
    return server;
  }

  /** Registers a subsystem on a running server. */
  async client(server: TestServer, code: string): Promise<SubsystemId> {
    const member = server.id.split('/').slice(0, 3).join('/');
    const id = parseSubsystemId(`${member}/${code}`);
    const { enrolment, exchange } = server.running;
    await registerClient(enrolment, id, { isListed: () => true });
    await this.#approveAll();
    await exchange.configuration.refresh();
    return id;
  }

  /** A service of a registered subsystem, which this test answers itself. */
  async service(server: TestServer, provider: SubsystemId, code: string): Promise<TestService> {
    const service: TestService = {
      id: parseServiceId(`${provider}/${code}`),
      calls: [],
      handler: (_request, response) => response.end('ok'),
    };
    const http = createServer((request, response) => void this.#serve(service, request, response));
    await new Promise<void>((resolve) => http.listen(0, HOST, resolve));
    this.#closers.push(() => new Promise((resolve) => (http.close(resolve), http.closeAllConnections())));
    const { port } = http.address() as AddressInfo;
    await server.running.services.putService(service.id, {
      baseUrl: `http://${HOST}:${port}`,
      timeoutMs: 5_000,
    });
    return service;
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #serve(service: TestService, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    service.calls.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body,
    });
    service.handler(request, response);
  }

  async #init(
    folder: string,
    id: SecurityServerId,
    ports: Readonly<Record<string, number | undefined>>,
  ): Promise<SoftwareToken> {
    const listeners = Object.entries(ports).filter(([, port]) => port !== undefined);
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(this.folder, 'registry', 'anchor.json'), join(folder, 'anchor.json'));
    writeFileSync(
      join(folder, 'server.json'),
      JSON.stringify({
        v: 1,
        id,
        listeners: Object.fromEntries(listeners.map(([name, port]) => [name, { host: HOST, port }])),
      }),
    );
    const token = SoftwareToken.create(join(folder, 'token.json'), PIN);
    token.generateKey({ usage: 'log', name: 'server' });
    token.generateKey({ usage: 'log', name: 'lane-0' });
    if (ports['clientTls'] !== undefined) await makeInternalKey(token, [HOST], this.clock.now(), randomBytes);
    await createMessageLog(join(folder, 'log'), {
      origin: logOrigin(DOMAIN, id),
      keys: token,
      clock: this.clock.now,
    });
    return token;
  }

  #enrolmentToken(member: MemberId, server: SecurityServerId): string {
    return this.registry.registry.tokens.create(member, server, 10, 600).token;
  }

  async #approveAll(): Promise<void> {
    const { registration, publication } = this.registry.registry;
    for (const { id } of registration.list('waiting')) registration.approve(id, 'test');
    await publication.changed();
  }
}
