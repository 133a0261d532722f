import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { PeerConnection } from '@onceway/security-server/transport/peer-transport';
import { TcpProxy } from './fault-proxy.js';
import {
  askOutcome,
  call,
  held,
  heldByBoth,
  openRoad,
  until,
  type Called,
  type CallOptions,
  type Road,
} from './fault-road.js';
import { Federation, freePort } from './federation.js';

const ASK_MS = 20_000;

let road: Road;
let proxy: TcpProxy;

beforeAll(async () => {
  const [publicPort, peerPort] = [await freePort(), await freePort()];
  proxy = await new TcpProxy(publicPort, peerPort).listen();
  road = await openRoad(await Federation.start(), {
    consumer: { limits: { outcomeAskIntervalMs: 20, outcomeAskTotalMs: ASK_MS, answerTimeoutMs: 1_000 } },
    provider: { publicPort, peerPort },
  });
});
afterAll(async () => {
  await road.federation.stop();
  proxy.close();
});
beforeEach(async () => {
  proxy.isOpen = true;
  proxy.isSwallowing = false;
  road.service.handler = (_request, response) => response.end('hello');
  expect(await call(road)).toMatchObject({ status: 200, body: 'hello' });
  road.service.calls.length = 0;
});

/** Calls while the provider can be reached no more once its service is called, until it was asked for long enough. */
async function callInVain(options: CallOptions = {}, body = ''): Promise<Called> {
  let acceptedBefore = Number.POSITIVE_INFINITY;
  road.service.handler = (_request, response) => {
    acceptedBefore = proxy.accepted;
    proxy.isOpen = false;
    proxy.cut();
    response.end(body);
  };
  const calling = call(road, options);
  await until('the provider is asked', () => proxy.accepted > acceptedBefore);
  road.federation.clock.offsetMs += ASK_MS;
  return calling;
}

test('a connection cut while the service works: the recorded answer is fetched, octet for octet', async () => {
  road.service.handler = (_request, response) => {
    proxy.cut();
    setTimeout(() => response.writeHead(201, { 'X-Own': 'yes' }).end('late'), 100);
  };
  const called = await call(road, { body: 'ping' });
  expect(called).toMatchObject({ status: 201, body: 'late', headers: { 'x-own': 'yes' } });
  expect(road.service.calls).toHaveLength(1);
  expect(await heldByBoth(road, called.id)).toEqual({
    consumer: { answer: 'message' },
    provider: { answer: 'message' },
  });
  const mids = await Promise.all(
    [road.consumer, road.provider].map(
      async (server, i) =>
        (await server.running.exchange.log.exchange(called.id, i === 0 ? 'out' : 'in'))?.answer?.mid,
    ),
  );
  expect(mids).toEqual([called.headers['exchange-answer'], called.headers['exchange-answer']]);
});

test('a message that was lost on its way is refused as not_recorded, and can never be taken later', async () => {
  proxy.isSwallowing = true;
  proxy.swallowed = () => {
    proxy.isSwallowing = false;
    proxy.cut();
  };
  const called = await call(road, { body: 'ping' });
  expect(called).toMatchObject({ status: 409, code: 'not_recorded', hop: 'provider-server' });
  expect(road.service.calls).toHaveLength(0);
  expect(await heldByBoth(road, called.id)).toEqual({
    consumer: { answer: 'refusal', code: 'not_recorded' },
    provider: undefined,
  });
  expect(
    await road.provider.running.exchange.log.declareNotRecorded(called.id, road.federation.clock.now()),
  ).toBe('void');
});

test('a provider that hangs is given up after the bound, and asked', async () => {
  proxy.isSwallowing = true;
  proxy.swallowed = () => (proxy.isSwallowing = false);
  const called = await call(road, { body: 'ping' });
  expect(called).toMatchObject({ status: 409, code: 'not_recorded' });
  expect(road.service.calls).toHaveLength(0);
});

test('while it stays open the client is told outcome_unknown, and later gets the answer by its id', async () => {
  const called = await callInVain({ body: 'ping' }, 'in the end');
  expect(called).toMatchObject({ status: 504, code: 'outcome_unknown', hop: 'consumer-server' });
  expect(await held(road.consumer, called.id, 'out')).toEqual({ answer: 'none', outcome: 'unknown' });
  expect((await askOutcome(road, called.id)).code).toBe('provider_unreachable');
  proxy.isOpen = true;
  expect(await askOutcome(road, called.id)).toMatchObject({ status: 200, body: 'in the end', id: called.id });
  expect(await held(road.consumer, called.id, 'out')).toMatchObject({ answer: 'message' });
  // Now it stands in the own log, and nobody is asked.
  proxy.isOpen = false;
  expect(await askOutcome(road, called.id)).toMatchObject({ status: 200, body: 'in the end' });
  expect(road.service.calls).toHaveLength(1);
});

test('an X-Road client is told so by the fault Server.ClientProxy.IOError', async () => {
  const called = await callInVain({ headers: { accept: 'application/json' } });
  expect(called.status).toBe(500);
  expect(called.headers['x-road-error']).toBe('Server.ClientProxy.IOError');
  expect(JSON.parse(called.body)).toMatchObject({ type: 'Server.ClientProxy.IOError' });
  expect(called.id).toMatch(/^[\w-]{43}$/);
});

test('a provider that can not be reached at all is provider_unreachable, and nothing is recorded', async () => {
  proxy.isOpen = false;
  proxy.cut();
  await until('the idle connections are gone', () => proxy.connections === 0);
  const before = road.consumer.running.exchange.log.counts().lane;
  const called = await call(road);
  expect(called).toMatchObject({ status: 502, code: 'provider_unreachable', hop: 'consumer-server' });
  expect(called.headers['exchange-id']).toBeUndefined();
  expect(road.consumer.running.exchange.log.counts().lane).toBe(before);
});

test('an idle connection that the peer closed is not used', async () => {
  proxy.end();
  await until('the connection is gone', () => proxy.connections === 0);
  expect(await call(road)).toMatchObject({ status: 200 });
  expect(road.service.calls).toHaveLength(1);
});

test('a connection that goes before the first octet: not_sent, and a new message over a new one', async () => {
  const { log, peers } = road.consumer.running.exchange;
  let connection: PeerConnection | undefined;
  let first: string | undefined;
  const acquire = peers.acquire.bind(peers);
  const appendRequest = log.appendRequest.bind(log);
  peers.acquire = async (...args) => (connection = await acquire(...args));
  log.appendRequest = async (...args) => {
    const recorded = await appendRequest(...args);
    log.appendRequest = appendRequest;
    first = args[1];
    proxy.cut();
    await until('the connection is gone', () => connection?.alive === false);
    return recorded;
  };
  const called = await call(road, { body: 'ping' });
  peers.acquire = acquire;
  expect(called).toMatchObject({ status: 200, body: 'hello' });
  expect(called.id).not.toBe(first);
  expect(road.service.calls).toHaveLength(1);
  expect(await held(road.consumer, first as never, 'out')).toEqual({ answer: 'none', outcome: 'not_sent' });
  expect(await held(road.provider, first as never, 'in')).toBeUndefined();
  expect(await heldByBoth(road, called.id)).toEqual({
    consumer: { answer: 'message' },
    provider: { answer: 'message' },
  });
});

test('stopping waits for a message in flight, and its answer arrives', async () => {
  let stopped: Promise<void> | undefined;
  road.service.handler = (_request, response) => {
    stopped = road.provider.stop();
    setTimeout(() => response.end('at last'), 100);
  };
  const called = await call(road, { body: 'ping' });
  expect(called).toMatchObject({ status: 200, body: 'at last' });
  const began = Date.now();
  await stopped;
  // Not as long as a connection may be idle.
  expect(Date.now() - began).toBeLessThan(20_000);
  await road.provider.start();
  expect(await held(road.provider, called.id, 'in')).toEqual({ answer: 'message' });
});
