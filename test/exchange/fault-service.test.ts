import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { parseServiceId } from '@onceway/sdk/protocol';
import { call, heldByBoth, openRoad, type Road } from './fault-road.js';
import { Federation, freePort } from './federation.js';

let road: Road;
/** A service that speaks TCP by itself, and what reached it. */
let calls = 0;
let behave: (socket: Socket) => void;
let notHttp: (socket: Socket) => void = () => undefined;
const sockets = new Set<Socket>();
const raw = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('data', (octets) => {
    if (!octets.toString('latin1').startsWith('POST ')) return notHttp(socket);
    calls++;
    behave(socket);
  });
});

async function addService(code: string, baseUrl: string, timeoutMs: number): Promise<string> {
  const id = parseServiceId(`${road.offering}/${code}`);
  await road.provider.running.services.putService(id, { baseUrl, timeoutMs });
  await road.provider.running.services.grant(
    { service: id, subject: { client: road.client }, reason: 'for the test' },
    'test',
  );
  return id;
}

let rawService: string;
/** The same one, given up soon. */
let hastyService: string;

beforeAll(async () => {
  road = await openRoad(await Federation.start());
  raw.listen(0, '127.0.0.1');
  await once(raw, 'listening');
  const baseUrl = `http://127.0.0.1:${(raw.address() as AddressInfo).port}`;
  rawService = await addService('raw', baseUrl, 20_000);
  hastyService = await addService('hasty', baseUrl, 500);
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  raw.close();
  await road.federation.stop();
});
beforeEach(() => {
  calls = 0;
  road.service.calls.length = 0;
});

test.each([
  ['stays silent', 'service_timeout', 504, () => undefined],
  ['sends half a head', 'service_timeout', 504, (s: Socket) => s.write('HTTP/1.1 200 OK\r\nA: ')],
  [
    'hangs after its head',
    'service_timeout',
    504,
    (s: Socket) => s.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
  ],
  [
    'drips without end',
    'service_timeout',
    504,
    (s: Socket) => {
      s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const drip = setInterval(() => s.write('1\r\nx\r\n'), 20);
      s.on('close', () => clearInterval(drip));
    },
  ],
  [
    'sends nothing but interim answers',
    'service_timeout',
    504,
    (s: Socket) => s.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
  ],
  ['resets before its head', 'service_failed', 502, (s: Socket) => s.resetAndDestroy()],
  ['closes before its head', 'service_failed', 502, (s: Socket) => s.end()],
  [
    'resets in its body',
    'service_failed',
    502,
    (s: Socket) =>
      s.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', () =>
        setImmediate(() => s.resetAndDestroy()),
      ),
  ],
  [
    'closes before its body is whole',
    'service_failed',
    502,
    (s: Socket) => s.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
  ],
  ['answers something else than HTTP', 'service_failed', 502, (s: Socket) => s.end('SSH-2.0-x\r\n')],
  ['answers status 99', 'service_failed', 502, (s: Socket) => s.end('HTTP/1.1 99 Odd\r\n\r\n')],
  [
    'sends two lengths',
    'service_failed',
    502,
    (s: Socket) => s.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
  ],
  [
    'sends more lines than a head may have',
    'service_answer_invalid',
    502,
    (s: Socket) => s.end(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(200)}Content-Length: 0\r\n\r\n`),
  ],
  [
    'switches protocols',
    'service_failed',
    502,
    (s: Socket) => s.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
  ],
  [
    'resets in a body that is streamed',
    'service_failed',
    502,
    (s: Socket) =>
      s.write(
        Buffer.concat([
          Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n'),
          Buffer.alloc(400_000),
        ]),
        () => setTimeout(() => s.resetAndDestroy(), 50),
      ),
  ],
  [
    'closes before a body that is streamed is whole',
    'service_failed',
    502,
    (s: Socket) =>
      s.end(
        Buffer.concat([
          Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n'),
          Buffer.alloc(0x50000),
        ]),
      ),
  ],
] as const)(
  'a service that %s is called once and refused as %s, under signature, in both logs',
  async (_, code, status, misbehave) => {
    behave = misbehave;
    const service = code === 'service_timeout' ? hastyService : rawService;
    const called = await call(road, { service, body: 'ping' });
    expect(called).toMatchObject({ status, code, hop: 'service' });
    expect(calls).toBe(1);
    expect(await heldByBoth(road, called.id)).toEqual({
      consumer: { answer: 'refusal', code },
      provider: { answer: 'refusal', code },
    });
  },
);

test('a service where nobody listens is service_unreachable', async () => {
  const id = await addService('closed', `http://127.0.0.1:${await freePort()}`, 20_000);
  const called = await call(road, { service: id });
  expect(called).toMatchObject({ status: 502, code: 'service_unreachable', hop: 'service' });
  expect(await heldByBoth(road, called.id)).toMatchObject({ provider: { code: 'service_unreachable' } });
});

test('a service whose name does not resolve is service_unreachable', async () => {
  const id = await addService('nowhere', 'http://nowhere.invalid', 20_000);
  expect(await call(road, { service: id })).toMatchObject({ status: 502, code: 'service_unreachable' });
});

test('a service that speaks no TLS where TLS is wanted is not called', async () => {
  notHttp = (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const id = await addService('plain', `https://127.0.0.1:${(raw.address() as AddressInfo).port}`, 20_000);
  expect(await call(road, { service: id })).toMatchObject({ status: 502, code: 'service_unreachable' });
});

test('a service that takes the connection and then says nothing is given up in its time', async () => {
  notHttp = () => undefined;
  const id = await addService('mute', `https://127.0.0.1:${(raw.address() as AddressInfo).port}`, 200);
  expect(await call(road, { service: id })).toMatchObject({ status: 504, code: 'service_timeout' });
});

test('an answer that comes before the body was read is taken', async () => {
  behave = (socket) =>
    socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
  const called = await call(road, { service: rawService, body: Buffer.alloc(256 * 1024, 'x') });
  expect(called).toMatchObject({ status: 413, body: 'no', code: undefined });
  expect(calls).toBe(1);
});

test('interim answers before the final one are dropped', async () => {
  behave = (socket) =>
    socket.end(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    );
  const called = await call(road, { service: rawService, body: 'ping' });
  expect(called).toMatchObject({ status: 200, body: 'ok' });
  expect(called.headers['link']).toBeUndefined();
});

test('a redirect passes as it is and is not followed', async () => {
  road.service.handler = (_request, response) => {
    response.writeHead(302, { Location: 'http://127.0.0.1:1/elsewhere' });
    response.end();
  };
  expect(await call(road)).toMatchObject({
    status: 302,
    headers: { location: 'http://127.0.0.1:1/elsewhere' },
  });
  expect(road.service.calls).toHaveLength(1);
});

test("a service's own error passes as it is", async () => {
  road.service.handler = (_request, response) => {
    response.writeHead(500, { 'Content-Type': 'text/plain' });
    response.end('its own trouble');
  };
  expect(await call(road)).toMatchObject({ status: 500, body: 'its own trouble', code: undefined });
});

test('a body of exactly the bound is carried', async () => {
  road.service.handler = (_request, response) => response.end(Buffer.alloc(256 * 1024, 'x'));
  const called = await call(road);
  expect(called.status).toBe(200);
  expect(called.body.length).toBe(256 * 1024);
});
