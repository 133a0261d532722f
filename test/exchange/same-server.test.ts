// Two members may share a security server. It then connects to itself and is consumer and provider of one exchange.
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import {
  OncewayError,
  parseEntry,
  type LogEntry,
  type MessageId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { fetchOutcome } from '@onceway/security-server/exchange/forward';
import { request } from 'undici';
import { Federation, type TestServer, type TestService } from './federation.js';

let federation: Federation;
let server: TestServer;
let client: SubsystemId;
let service: TestService;

beforeAll(async () => {
  federation = await Federation.start();
  server = await federation.server(federation.member('SHARED'), 'SS1');
  client = await federation.client(server, 'CLIENT');
  const offering = await federation.client(server, 'OFFERING');
  service = await federation.service(server, offering, 'echo');
  service.handler = (_request, response) => response.end('hello');
  await server.running.services.grant(
    { service: service.id, subject: { client }, reason: 'for the test' },
    'test',
  );
});
afterAll(() => federation.stop());
afterEach(() => void jest.restoreAllMocks());

interface Answered {
  readonly status: number;
  readonly id: MessageId;
  readonly answer: string | undefined;
  readonly body: string;
}

async function ask(path: string, speaking: SubsystemId = client): Promise<Answered> {
  const { statusCode, headers, body } = await request(`${server.running.addresses.client}${path}`, {
    headers: { 'X-Road-Client': speaking, Accept: 'application/problem+json' },
  });
  return {
    status: statusCode,
    id: String(headers['exchange-id']) as MessageId,
    answer: headers['exchange-answer']?.toString(),
    body: await body.text(),
  };
}
const call = (): Promise<Answered> => ask(`/r1/${service.id}/persons/1`);
const outcome = ({ id }: Answered): Promise<Answered> => ask(`/exchange/${id}`);
const codeOf = ({ body }: Answered): unknown => (JSON.parse(body) as { code?: unknown }).code;

const log = () => server.running.exchange.log;

/** The lane's entries from here on that are no material. */
async function entriesFrom(index: number): Promise<LogEntry[]> {
  const found = [];
  for (let at = index; at < log().counts().lane; at += 1)
    found.push(parseEntry(await log().entry(log().lane, at)));
  return found.filter(({ type }) => type !== 'material');
}

/** As a peer asks: over its own connection, with its own certificate. */
async function askAsPeer(mid: MessageId): Promise<number> {
  const { exchange } = server.running;
  const trust = exchange.configuration.current();
  const provider = trust.server(server.id);
  if (provider === undefined) throw new TypeError('the server is not listed');
  return (await fetchOutcome({ mid, provider }, trust, exchange)).status;
}

/** The next append of this kind by one of the two parties fails, as if the disk were full for a moment. */
function failing(append: 'appendRequest' | 'appendAnswer', dir: 'in' | 'out'): void {
  const real = log()[append].bind(log()) as (entry: { dir: string }, ...rest: unknown[]) => Promise<never>;
  jest.spyOn(log(), append).mockImplementation((...args: unknown[]) => {
    const [entry, ...rest] = args as [{ dir: string }, ...unknown[]];
    if (entry.dir !== dir) return real(entry, ...rest);
    return Promise.reject(new OncewayError('log_unavailable', 'no space left'));
  });
}

test('an exchange of a server with itself is four entries in one lane, and both parties have it', async () => {
  const before = log().counts().lane;
  const answered = await call();
  expect(answered).toMatchObject({ status: 200, body: 'hello' });
  const entries = await entriesFrom(before);
  expect(entries).toMatchObject(
    ['out', 'in', 'out', 'in'].map((dir) => ({ type: 'message', dir, peer: server.id })),
  );
  expect((await log().messages(answered.id)).length).toBe(2);
  for (const dir of ['out', 'in'] as const)
    expect(await log().exchange(answered.id, dir)).toMatchObject({ answer: { mid: answered.answer } });
  expect(await log().unanswered()).toEqual([]);
});

test('its outcome is told to the client from the consumer’s record, and to the server from the provider’s', async () => {
  const answered = await call();
  expect(await outcome(answered)).toEqual(answered);
  expect(await askAsPeer(answered.id)).toBe(200);
  const calls = service.calls.length;
  await server.restart();
  expect(await outcome(answered)).toEqual(answered);
  expect(await askAsPeer(answered.id)).toBe(200);
  expect(service.calls.length).toBe(calls);
});

test('a refusal is an entry of each party', async () => {
  const before = log().counts().lane;
  const refused = await ask(`/r1/${service.id.replace(/echo$/, 'nothing')}/x`);
  expect(codeOf(refused)).toBe('service_unknown');
  expect(await entriesFrom(before)).toMatchObject([
    { type: 'message', dir: 'out' },
    { type: 'refusal', dir: 'in' },
    { type: 'refusal', dir: 'out' },
  ]);
  for (const dir of ['out', 'in'] as const)
    expect(await log().exchange(refused.id, dir)).toMatchObject({ answer: { mid: refused.answer } });
  const again = await outcome(refused);
  expect([codeOf(again), again.answer]).toEqual(['service_unknown', refused.answer]);
});

test('an answer that only the provider could record is fetched from it, octet for octet', async () => {
  failing('appendAnswer', 'in');
  const failed = await call();
  expect(codeOf(failed)).toBe('log_unavailable');
  expect(await log().exchange(failed.id, 'out')).toMatchObject({ outcome: 'unknown' });
  const given = (await log().exchange(failed.id, 'in'))?.answer;
  jest.restoreAllMocks();
  const calls = service.calls.length;
  expect(await outcome(failed)).toMatchObject({ status: 200, body: 'hello', answer: given?.mid });
  expect((await log().exchange(failed.id, 'out'))?.answer?.content).toEqual(given?.content);
  expect(service.calls.length).toBe(calls);
});

test('a request that the provider could not record is declared not recorded, once and for ever', async () => {
  failing('appendRequest', 'in');
  const failed = await call();
  expect(codeOf(failed)).toBe('peer_refused');
  jest.restoreAllMocks();
  const settled = await outcome(failed);
  expect(codeOf(settled)).toBe('not_recorded');
  expect(await log().exchange(failed.id, 'in')).toBeUndefined();
  expect(await log().exchange(failed.id, 'out')).toMatchObject({
    answer: { mid: settled.answer, entry: { type: 'refusal', dir: 'out' } },
  });
});

test('another subsystem of the same server does not learn of it', async () => {
  const answered = await call();
  const stranger = await federation.client(server, 'STRANGER');
  expect(codeOf(await ask(`/exchange/${answered.id}`, stranger))).toBe('not_found');
});
