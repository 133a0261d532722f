// What changes while a body is on its way: the closing leaves by the trust of now, and the entries name what is in force
// when they are made, so that an auditor can prove years later that a certificate was good then.
import { setTimeout as pause } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { parseAnswerEnvelope, parseRequestEnvelope, type MessageEntry } from '@onceway/sdk/protocol';
import { heldByBoth, openRoad, until, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import { recordsOf } from './peer-records.js';
import { newest, spools, stream, streamedService, type StreamedService } from './streamed-road.js';

let road: Road;
let service: StreamedService;
let changes = 0;

beforeAll(async () => {
  road = await openRoad(await Federation.start());
  service = await streamedService(road, 'streams');
}, 30_000);
afterAll(async () => {
  await service.close();
  await road.federation.stop();
});
beforeEach(() => {
  service.seen.length = 0;
  service.answer = (response) => response.end('done');
});

/** A body that goes on, far above the pace that is wanted, until what is to happen meanwhile has happened. */
function bodyDuring(meanwhile: () => Promise<unknown>): Readable {
  let isOver = false;
  let failed: unknown;
  void meanwhile()
    .catch((error: unknown) => (failed = error))
    .then(() => (isOver = true));
  return Readable.from(
    (async function* () {
      yield Buffer.alloc(400_000, 'a');
      while (!isOver) {
        yield Buffer.alloc(20_000, 'b');
        await pause(10);
      }
      if (failed !== undefined) throw new Error('what was to happen did not', { cause: failed });
    })(),
    { objectMode: false },
  );
}

const isOnItsWay = (): Promise<void> =>
  until('the body is on its way', () => spools(road.provider).length === 1, 20_000);

/** Both servers take a configuration that is newer than the one they began with. */
async function publish(): Promise<number> {
  const { federation, consumer, provider } = road;
  federation.member(`LATER-${++changes}`);
  const { publication } = federation.registry.registry;
  await publication.changed();
  const seq = publication.current()?.seq ?? 0;
  for (const { configuration } of [consumer, provider].map(({ running }) => running.exchange))
    await until('the configuration is taken', async () => {
      await configuration.refresh();
      return configuration.current().reference.seq === seq;
    });
  return seq;
}

test('a request is entered on both sides under the configuration of when its body was whole', async () => {
  let seq = 0;
  const body = bodyDuring(async () => {
    await isOnItsWay();
    seq = await publish();
  });
  const answer = await stream(road, service.id, body);
  expect(answer).toMatchObject({ status: 200 });
  for (const server of [road.consumer, road.provider]) {
    const [entry] = (await newest(server, 2)) as [MessageEntry];
    expect(parseRequestEnvelope(entry.message).claims.cfg.seq).toBeLessThan(seq);
    expect(entry).toMatchObject({ type: 'message', cfg: { seq } });
    expect(entry.closing).toBeDefined();
  }
});

test('an answer is entered on both sides under the configuration of when its body was whole', async () => {
  let seq = 0;
  service.answer = (response) => {
    const body = bodyDuring(async () => {
      await until('the answer is on its way', () => spools(road.consumer).length === 1, 20_000);
      seq = await publish();
    });
    body.pipe(response);
  };
  expect(await stream(road, service.id, null)).toMatchObject({ status: 200 });
  for (const server of [road.consumer, road.provider]) {
    const [entry] = (await newest(server, 1)) as [MessageEntry];
    expect(parseAnswerEnvelope(entry.message).claims.cfg.seq).toBeLessThan(seq);
    expect(entry).toMatchObject({ type: 'message', cfg: { seq } });
    expect(entry.closing).toBeDefined();
  }
});

test('a client that may no longer speak as it does gets no closing for what it has sent', async () => {
  const { connections } = road.consumer.running;
  const records = recordsOf(road.consumer, road.provider);
  try {
    const body = bodyDuring(async () => {
      await isOnItsWay();
      connections.setType(road.client, 'mutual');
    });
    expect(await stream(road, service.id, body)).toMatchObject({
      status: 401,
      code: 'client_not_authenticated',
    });
  } finally {
    connections.setType(road.client, 'http');
  }
  await until('the provider says so', async () => (await records())[1]?.length === 2);
  expect(await records()).toEqual([[], ['refusal', 'outcome aborted']]);
  expect(service.seen).toEqual([]);
  expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
  const after = await stream(road, service.id, 1024 * 1024);
  expect(after).toMatchObject({ status: 200 });
  expect(await heldByBoth(road, after.id)).toMatchObject({ provider: { answer: 'message' } });
});
