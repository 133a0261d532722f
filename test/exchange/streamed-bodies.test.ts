import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Federation } from './federation.js';
import { heldByBoth, openRoad, type Road } from './fault-road.js';
import { HostilePeer } from './hostile-peer.js';
import {
  digestOfOctets,
  kept,
  MIB,
  octets,
  spools,
  stream,
  streamedService,
  type StreamedService,
} from './streamed-road.js';

let road: Road;
let service: StreamedService;

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
  service.readsBody = true;
});

const bothMessages = { consumer: { answer: 'message' }, provider: { answer: 'message' } };

test.each([
  ['just above what lies in memory', 256 * 1024 + 1, false],
  ['of 1 MiB', MIB, false],
  ['of 1 MiB, chunked', MIB, true],
  ['of 10 MiB', 10 * MIB, false],
  ['of 10 MiB, chunked', 10 * MIB, true],
] as const)(
  'a request %s reaches the service and both logs, octet for octet',
  async (_what, bytes, isChunked) => {
    const answer = await stream(road, service.id, bytes, { isChunked });
    expect(answer).toMatchObject({ status: 200, text: 'done' });
    const digest = digestOfOctets(bytes);
    expect(service.seen).toMatchObject([{ bytes, digest, headers: { 'content-length': String(bytes) } }]);
    expect(await kept(road.consumer, answer.id, 'out')).toEqual({ bytes, digest, isStreamed: true });
    expect(await kept(road.provider, answer.id, 'in')).toEqual({ bytes, digest, isStreamed: true });
    expect(await heldByBoth(road, answer.id)).toEqual(bothMessages);
    expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
  },
);

test.each([
  ['just above what lies in memory', 256 * 1024 + 1, false],
  ['of 1 MiB', MIB, false],
  ['of 10 MiB', 10 * MIB, false],
  ['of 10 MiB, chunked', 10 * MIB, true],
] as const)(
  'an answer %s reaches the client and both logs, octet for octet',
  async (_what, bytes, isChunked) => {
    service.answer = (response) => {
      if (!isChunked) response.setHeader('content-length', bytes);
      Readable.from(octets(bytes), { objectMode: false }).pipe(response);
    };
    const answer = await stream(road, service.id, null);
    const digest = digestOfOctets(bytes);
    expect(answer).toMatchObject({
      status: 200,
      bytes,
      digest,
      headers: { 'content-length': String(bytes) },
    });
    expect(await kept(road.consumer, answer.answerId, 'in')).toEqual({ bytes, digest, isStreamed: true });
    expect(await kept(road.provider, answer.answerId, 'out')).toEqual({ bytes, digest, isStreamed: true });
    expect(await heldByBoth(road, answer.id)).toEqual(bothMessages);
    expect([...spools(road.consumer), ...spools(road.provider)]).toEqual([]);
    // Asked for later, by its client or by the consumer's server, it is the same.
    const path = `/exchange/${answer.id}`;
    expect(await stream(road, service.id, null, { path })).toMatchObject({ status: 200, bytes, digest });
    const asked = await new HostilePeer(road.consumer, road.provider, road.client, service.id).get(path);
    expect(createHash('sha256').update(asked.body).digest('hex')).toBe(digest);
    expect(asked.headers).toMatchObject({ trailer: 'Exchange-Closing' });
  },
);

test('both ways at once', async () => {
  const bytes = 3 * MIB;
  service.answer = (response) => void Readable.from(octets(bytes), { objectMode: false }).pipe(response);
  const answer = await stream(road, service.id, bytes);
  const digest = digestOfOctets(bytes);
  expect(answer).toMatchObject({ status: 200, bytes, digest });
  expect(service.seen).toMatchObject([{ bytes, digest }]);
  for (const server of [road.consumer, road.provider]) await server.running.exchange.log.verify();
});

test('a service that answers before it has read the request is heard, and nothing hangs', async () => {
  service.readsBody = false;
  service.answer = (response) => response.writeHead(409, { connection: 'close' }).end('not now');
  expect(await stream(road, service.id, 10 * MIB)).toMatchObject({ status: 409, text: 'not now' });
});

test('64 MiB each way are never in memory', async () => {
  const bytes = 64 * MIB;
  service.answer = (response) => void Readable.from(octets(bytes), { objectMode: false }).pipe(response);
  const before = process.memoryUsage();
  let most = 0;
  const watch = setInterval(() => {
    const { arrayBuffers } = process.memoryUsage();
    most = Math.max(most, arrayBuffers - before.arrayBuffers);
  }, 20);
  const answer = await stream(road, service.id, bytes);
  clearInterval(watch);
  expect(answer).toMatchObject({ status: 200, bytes, digest: digestOfOctets(bytes) });
  expect(service.seen).toMatchObject([{ bytes }]);
  expect(most).toBeLessThan(bytes);
});
