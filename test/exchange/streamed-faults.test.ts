// What becomes of a streamed body when something on its way fails: nothing of it is kept or delivered, both logs say so,
// its client gets a code, and the exchange goes on.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClientInterface } from '@onceway/security-server/http/client-interface';
import { SPOOLS_OF_ONE_MAX } from '@onceway/security-server/limits';
import { createPeerInterface } from '@onceway/security-server/http/peer-interface';
import { askOutcome, call, held, heldByBoth, openRoad, until, type Road } from './fault-road.js';
import { Federation, PIN, type TestServer } from './federation.js';
import { HostilePeer, identityOf } from './hostile-peer.js';
import { listenOn, type Listening } from './listener.js';
import { recordsOf } from './peer-records.js';
import { closing, commitment, sendOpening } from './streamed-hostile.js';
import {
  kept,
  MIB,
  octets,
  spools,
  stream,
  streamedService,
  type Streamed,
  type StreamedService,
} from './streamed-road.js';

const BYTES_MAX = 16 * MIB;
/** More than the buffers between two ends of a connection take. */
const LONG = 12 * MIB;

let road: Road;
let service: StreamedService;
const open: Listening[] = [];
let child: ChildProcess | undefined;

beforeAll(async () => {
  const limits = { bodyIdleMs: 1_500, bodyBytesPerSMin: 64 * 1024, streamedBodyBytesMax: BYTES_MAX };
  road = await openRoad(await Federation.start(), {
    consumer: { limits: { ...limits, outcomeAskIntervalMs: 20, outcomeAskTotalMs: 15_000 } },
    provider: { limits: { ...limits, streamedBodyBytesMax: 2 * BYTES_MAX } },
  });
  service = await streamedService(road, 'streams');
}, 30_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await service.close();
  await road.federation.stop();
});
afterEach(async () => {
  for (const listening of open.splice(0)) await listening.stop();
});
beforeEach(() => {
  service.seen.length = 0;
  service.answer = (response) => response.end('done');
});

/** What the provider enters of a transfer that ended before its closing. */
const ABORTED = ['refusal', 'outcome aborted'];

async function expectDiscarded(records: () => Promise<string[][]>): Promise<void> {
  await until('both logs say so', async () => (await records())[1]?.length === 2);
  expect(await records()).toEqual([[], ABORTED]);
  expect(service.seen).toEqual([]);
  expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
  expect(await stream(road, service.id, MIB)).toMatchObject({ status: 200 });
}

async function* slowly(pieces: number, bytes: number, ms: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < pieces; piece++) {
    yield Buffer.alloc(bytes, piece);
    await pause(ms);
  }
}

describe('a client', () => {
  test('that breaks off its upload', async () => {
    const records = recordsOf(road.consumer, road.provider);
    const sending = request(`${road.consumer.running.addresses.client}/r1/${service.id}`, {
      method: 'POST',
      headers: { 'x-road-client': road.client },
    });
    sending.on('error', () => undefined);
    for (const piece of octets(MIB)) sending.write(piece);
    await until('the body is on its way', () => spools(road.provider).length === 1);
    sending.destroy();
    await expectDiscarded(records);
  });

  test('that falls silent', async () => {
    const records = recordsOf(road.consumer, road.provider);
    const body = Readable.from(
      (async function* () {
        yield* octets(MIB);
        await pause(5_000, undefined, { ref: false });
      })(),
      { objectMode: false },
    );
    expect(await stream(road, service.id, body)).toMatchObject({ status: 408, code: 'body_too_slow' });
    body.destroy();
    await expectDiscarded(records);
  });

  test('that is too slow on the whole', async () => {
    const records = recordsOf(road.consumer, road.provider);
    const body = Readable.from(
      (async function* () {
        yield* octets(300_000);
        yield* slowly(1_000, 100, 10);
      })(),
      { objectMode: false },
    );
    // 64 KiB a second are demanded; the first 300,000 octets are some seconds' worth.
    expect(await stream(road, service.id, body)).toMatchObject({ status: 408, code: 'body_too_slow' });
    body.destroy();
    await expectDiscarded(records);
  }, 15_000);

  test('that sends more than the bound', async () => {
    const records = recordsOf(road.consumer, road.provider);
    const sent = stream(road, service.id, BYTES_MAX + 1, { isChunked: true });
    expect(await sent).toMatchObject({ status: 413, code: 'body_too_large' });
    await expectDiscarded(records);
  });

  test('that says that it will send more than the bound', async () => {
    const records = recordsOf(road.consumer, road.provider);
    expect(await stream(road, service.id, BYTES_MAX + 1)).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect(await records()).toEqual([[], []]);
  });

  test('without a right learns it before its body is taken', async () => {
    const records = recordsOf(road.consumer, road.provider);
    const closed = `${road.offering}/closed` as typeof service.id;
    await road.provider.running.services.putService(closed, { baseUrl: 'http://127.0.0.1:9' });
    expect(await stream(road, closed, MIB)).toMatchObject({ status: 403, code: 'access_denied' });
    expect(await records()).toEqual([['refusal'], ['refusal']]);
    expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
  });

  test('that stops reading a streamed answer loses its connection, and can ask again', async () => {
    const bytes = LONG;
    service.answer = (response) => void Readable.from(octets(bytes), { objectMode: false }).pipe(response);
    const asking = request(`${road.consumer.running.addresses.client}/r1/${service.id}`, {
      headers: { 'x-road-client': road.client },
    }).end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    road.consumer.events.length = 0;
    await until('it is cut off', () => road.consumer.events.some(({ code }) => code === 'body_aborted'));
    // What was on its way is read, and then it breaks.
    await expect(
      (async () => {
        for await (const chunk of response) void chunk;
      })(),
    ).rejects.toThrow('aborted');
    const path = `/exchange/${String(response.headers['exchange-id'])}`;
    expect(await stream(road, service.id, null, { path })).toMatchObject({ status: 200, bytes });
  });
});

test('a body that comes at its pace may take longer than any other request', async () => {
  const server = createClientInterface({
    exchange: road.consumer.running.exchange,
    concurrentMax: 10,
    requestTimeoutMs: 200,
    uuid: () => 'for the test',
    failed: () => undefined,
  });
  open.push(await listenOn(server));
  const sending = request(`http://127.0.0.1:${open[0]?.port ?? 0}/r1/${service.id}`, {
    method: 'POST',
    headers: { 'x-road-client': road.client },
  });
  const body = Readable.from(
    (async function* () {
      yield* octets(300_000);
      yield* slowly(10, 30_000, 100);
    })(),
    { objectMode: false },
  );
  body.pipe(sending);
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(200);
  expect(service.seen).toMatchObject([{ bytes: 600_000 }]);
});

test('also between servers', async () => {
  const server = createPeerInterface({
    exchange: road.provider.running.exchange,
    identity: identityOf(road.provider),
    concurrentMax: 10,
    requestTimeoutMs: 200,
    refused: () => undefined,
  });
  open.push(await listenOn(server));
  const { consumer, provider, client } = road;
  const message = new HostilePeer(consumer, provider, client, service.id).message({
    body: Buffer.from('x'),
    unsigned: ({ claims }) => (claims['body'] = { follows: true }),
  });
  const body = Array.from({ length: 10 }, (_, piece) => Buffer.alloc(30_000, piece));
  const closed = closing(consumer, client, message.mid, commitment(message, body));
  const sending = sendOpening(
    consumer,
    provider,
    message,
    (outgoing) => {
      void (async () => {
        for (const piece of body) {
          outgoing.write(piece);
          await pause(100);
        }
        outgoing.addTrailers({ 'Exchange-Closing': closed });
        outgoing.end();
      })();
    },
    { expect: '100-continue' },
    open[0]?.port,
  );
  expect(await sending.reply).toMatchObject({ status: 200, body: Buffer.from('done') });
});

describe('a service', () => {
  test('that resets in mid-answer is refused under a signature, which the consumer asks for', async () => {
    const records = recordsOf(road.consumer, road.provider);
    service.answer = (response) => {
      response.write(Buffer.alloc(MIB));
      setTimeout(() => response.destroy(), 50);
    };
    const answer = await stream(road, service.id, null);
    expect(answer).toMatchObject({ status: 502, code: 'service_failed' });
    expect(await records()).toEqual([
      ['message out', 'refusal'],
      ['message in', 'refusal'],
    ]);
    expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
  });

  test('that falls silent in mid-answer', async () => {
    service.answer = (response) => void response.write(Buffer.alloc(MIB));
    const answer = await stream(road, service.id, null);
    expect(answer).toMatchObject({ status: 504, code: 'service_timeout' });
    expect(await held(road.provider, answer.id, 'in')).toEqual({
      answer: 'refusal',
      code: 'service_timeout',
    });
  });

  test('whose answer finds no place is not said to be busy: it was called', async () => {
    const { log } = road.provider.running.exchange;
    const writers = await Promise.all(
      Array.from({ length: SPOOLS_OF_ONE_MAX }, () => log.spool(road.consumer.id)),
    );
    service.answer = (response) => void response.end(Buffer.alloc(MIB));
    const answer = await stream(road, service.id, null);
    for (const writer of writers) await writer.discard();
    expect(answer).toMatchObject({ code: 'outcome_unknown' });
    expect(answer.headers['retry-after']).toBeUndefined();
    expect(service.seen).toHaveLength(1);
    expect(await held(road.provider, answer.id, 'in')).toEqual({
      answer: 'refusal',
      code: 'outcome_unknown',
    });
  });

  test('whose answer may not be given any more is not left waiting for a reader', async () => {
    const { services } = road.provider.running;
    let isClosed = false;
    service.answer = (response) => {
      response.once('close', () => (isClosed = true));
      void services.setDisabled(service.id, 'closed').then(() => response.write(Buffer.alloc(MIB)));
    };
    try {
      const answer = await stream(road, service.id, null);
      expect(answer).toMatchObject({ code: 'service_disabled' });
      await until('its connection is given up', () => isClosed);
    } finally {
      await services.setDisabled(service.id, undefined);
    }
  });

  test('that answers more than the bound', async () => {
    service.answer = (response) =>
      void Readable.from(octets(2 * BYTES_MAX + 1), { objectMode: false }).pipe(response);
    const answer = await stream(road, service.id, null);
    expect(answer).toMatchObject({ status: 502, code: 'answer_invalid' });
    await until('no spool is left', () => [...spools(road.consumer), ...spools(road.provider)].length === 0);
  });
});

describe('a process that dies', () => {
  /** The server goes on in a process that dies at this step. Resolves when it listens. */
  async function runUntil(server: TestServer, step: string) {
    await server.stop();
    const program = fileURLToPath(new URL('./fault-server.js', import.meta.url));
    const started = (child = spawn(process.execPath, [program, server.folder, PIN, step], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }));
    const died = once(started, 'close');
    await new Promise<void>((resolve, reject) => {
      started.once('close', () => reject(new Error('it never listened')));
      createInterface({ input: started.stdout }).on('line', (line) => {
        if (line.includes('ready')) resolve();
      });
    });
    return { died };
  }

  async function goesOn(server: TestServer): Promise<void> {
    expect(spools(server)).toEqual([]);
    await server.running.exchange.log.verify();
    expect(await stream(road, service.id, MIB)).toMatchObject({ status: 200 });
  }

  test('the provider, while a request comes: nothing is recorded anywhere', async () => {
    const { died } = await runUntil(road.provider, 'while a body is spooled');
    const records = recordsOf(road.consumer);
    expect(await stream(road, service.id, LONG)).toMatchObject({ code: 'body_aborted' });
    await died;
    expect(spools(road.provider)).toHaveLength(1);
    await road.provider.start();
    expect(await records()).toEqual([[]]);
    expect(service.seen).toEqual([]);
    await goesOn(road.provider);
  });

  test('the consumer, while a request leaves: the provider discards it', async () => {
    const { died } = await runUntil(road.consumer, 'while a body is spooled');
    const records = recordsOf(road.provider);
    await expect(stream(road, service.id, LONG)).rejects.toThrow();
    await died;
    expect(spools(road.consumer)).toHaveLength(1);
    await until('it is discarded', async () => (await records())[0]?.length === 2);
    expect(await records()).toEqual([ABORTED]);
    await road.consumer.start();
    expect(service.seen).toEqual([]);
    await goesOn(road.consumer);
  });

  test('the consumer, when all but the closing has left: it asks, and is told that it was discarded', async () => {
    const { died } = await runUntil(road.consumer, 'after the request is recorded');
    await expect(stream(road, service.id, MIB)).rejects.toThrow();
    await died;
    await road.consumer.start();
    const { log } = road.consumer.running.exchange;
    const last = JSON.parse((await log.entry(log.lane, log.counts().lane - 1)).toString()) as {
      re: Streamed['id'];
    };
    expect(await held(road.consumer, last.re, 'out')).toEqual({ answer: 'none', outcome: 'unknown' });
    expect(await kept(road.consumer, last.re, 'out')).toMatchObject({ bytes: MIB, isStreamed: true });
    expect(await askOutcome(road, last.re)).toMatchObject({ status: 400, code: 'body_aborted' });
    expect(service.seen).toEqual([]);
    await goesOn(road.consumer);
  });

  test('the provider, while an answer leaves: its outcome is not known', async () => {
    service.answer = (response) => void Readable.from(octets(LONG), { objectMode: false }).pipe(response);
    const { died } = await runUntil(road.provider, 'while a body is spooled');
    const calling = stream(road, service.id, null);
    await died;
    await road.provider.start();
    const answer = await calling;
    expect(answer).toMatchObject({ status: 504, code: 'outcome_unknown' });
    expect(await heldByBoth(road, answer.id)).toEqual({
      consumer: { answer: 'refusal', code: 'outcome_unknown' },
      provider: { answer: 'none', outcome: 'unknown' },
    });
    service.answer = (response) => response.end('done');
    await goesOn(road.provider);
  });

  test('the provider, when its answer is recorded: the consumer fetches it, streamed', async () => {
    service.answer = (response) => void Readable.from(octets(MIB), { objectMode: false }).pipe(response);
    const { died } = await runUntil(road.provider, 'after the answer is recorded');
    const calling = stream(road, service.id, null);
    await died;
    await road.provider.start();
    expect(await calling).toMatchObject({ status: 200, bytes: MIB });
    service.answer = (response) => response.end('done');
    await goesOn(road.provider);
  });
});

test('small bodies still go as they went', async () => {
  const called = await call(road, { body: 'ping' });
  expect(called).toMatchObject({ status: 200 });
  expect(await kept(road.consumer, called.id, 'out')).toMatchObject({ bytes: 4, isStreamed: false });
});
