// What the tests of faults share: two members with a server each, a client that may call a service, and how a call and
// the logs are looked at. Holds no expectations.
import { request } from 'undici';
import type { MessageId, SubsystemId } from '@onceway/sdk/protocol';
import type { Federation } from './federation.js';
import { type ServerOptions, type TestServer, type TestService } from './federation.js';

export interface Road {
  readonly federation: Federation;
  readonly consumer: TestServer;
  readonly provider: TestServer;
  readonly client: SubsystemId;
  readonly offering: SubsystemId;
  readonly service: TestService;
}

export async function openRoad(
  federation: Federation,
  options: { readonly consumer?: ServerOptions; readonly provider?: ServerOptions } = {},
): Promise<Road> {
  const consumer = await federation.server(federation.member('CONSUMER'), 'SS1', options.consumer);
  const provider = await federation.server(federation.member('PROVIDER'), 'SS2', options.provider);
  const client = await federation.client(consumer, 'CLIENT');
  const offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  const service = await federation.service(provider, offering, 'echo');
  await provider.running.services.grant(
    { service: service.id, subject: { client }, reason: 'for the test' },
    'test',
  );
  return { federation, consumer, provider, client, offering, service };
}

export interface Called {
  readonly status: number;
  readonly body: string;
  /** Of the problem, where the call failed. */
  readonly code: string | undefined;
  readonly hop: string | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  /** Message id of the recorded request. */
  readonly id: MessageId;
}

export interface CallOptions {
  readonly service?: string;
  readonly path?: string;
  readonly method?: 'GET' | 'POST';
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
}

async function ask(
  url: string,
  method: string,
  headers: Record<string, string>,
  body?: string | Buffer,
): Promise<Called> {
  const answer = await request(url, {
    method: method as 'GET',
    headers: { accept: 'application/problem+json', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.body.text();
  const problem = String(answer.headers['content-type']).startsWith('application/problem+json')
    ? (JSON.parse(text) as { code: string; hop: string })
    : undefined;
  return {
    status: answer.statusCode,
    body: text,
    code: problem?.code,
    hop: problem?.hop,
    headers: answer.headers,
    id: String(answer.headers['exchange-id']) as MessageId,
  };
}

/** Over the consumer's client listener. */
export function call({ consumer, client, service }: Road, options: CallOptions = {}): Promise<Called> {
  return ask(
    `${consumer.running.addresses.client}/r1/${options.service ?? service.id}${options.path ?? ''}`,
    options.method ?? (options.body === undefined ? 'GET' : 'POST'),
    { 'X-Road-Client': client, ...options.headers },
    options.body,
  );
}

/** What became of an earlier call, asked as its client. */
export function askOutcome({ consumer, client }: Road, id: MessageId): Promise<Called> {
  return ask(`${consumer.running.addresses.client}/exchange/${id}`, 'GET', { 'X-Road-Client': client });
}

/** What one party's log holds of an exchange. */
export async function held(
  server: TestServer,
  id: MessageId,
  dir: 'in' | 'out',
): Promise<{ answer: 'none' | 'message' | 'refusal'; code?: string; outcome?: string } | undefined> {
  const state = await server.running.exchange.log.exchange(id, dir);
  if (state === undefined) return undefined;
  const entry = state.answer?.entry;
  const code =
    entry?.type === 'refusal'
      ? (
          JSON.parse(Buffer.from(entry.refusal.split('.')[1] ?? '', 'base64url').toString()) as {
            code: string;
          }
        ).code
      : undefined;
  return {
    answer: entry?.type ?? 'none',
    ...(code === undefined ? {} : { code }),
    ...(state.outcome === undefined ? {} : { outcome: state.outcome }),
  };
}

/** Both parties' entries. */
export async function heldByBoth({ consumer, provider }: Road, id: MessageId) {
  return { consumer: await held(consumer, id, 'out'), provider: await held(provider, id, 'in') };
}

/** Codes of what the provider's server answered unsigned. */
export function refused(server: TestServer): unknown[] {
  return server.events.filter(({ event }) => event === 'refused').map(({ code }) => code);
}

/** Looks again until it is so; there is nothing to listen to. */
export async function until(what: string, isSo: () => unknown, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`in ${timeoutMs} ms it never was so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
