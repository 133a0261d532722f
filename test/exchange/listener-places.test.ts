// The places of both listeners: who may hold how many, for how long, and that none is ever lost.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { createClientInterface } from '@onceway/security-server/http/client-interface';
import { createPeerInterface } from '@onceway/security-server/http/peer-interface';
import { request } from 'undici';
import { call, openRoad, until, type Road } from './fault-road.js';
import { Federation, type TestServer } from './federation.js';
import { HostilePeer, identityOf, type Identity } from './hostile-peer.js';
import { connection, ended, listenOn, ownCredential, type Listening } from './listener.js';

/** For reading an answer; no other timer takes as long. */
const READ_MS = 54_320;

let road: Road;
/** A second server of the consumer's member: another peer. */
let spare: TestServer;
let peer: HostilePeer;
const open: Listening[] = [];
/** Calls that the service has not answered yet. */
const held: ServerResponse[] = [];

beforeAll(async () => {
  road = await openRoad(await Federation.start());
  spare = await road.federation.server(road.federation.member('OTHER'), 'SS3');
  await road.provider.running.exchange.configuration.refresh();
  peer = new HostilePeer(road.consumer, road.provider, road.client, road.service.id);
}, 30_000);
afterAll(() => road.federation.stop());
afterEach(async () => {
  letGo();
  road.service.handler = (_request, response) => response.end('ok');
  for (const listening of open.splice(0)) await listening.stop();
});

function hold(): void {
  road.service.calls.length = 0;
  road.service.handler = (_request, response) => void held.push(response);
}

function letGo(): void {
  for (const response of held.splice(0)) response.end('ok');
}

async function clientListener(concurrentMax: number): Promise<number> {
  const server = createClientInterface({
    exchange: road.consumer.running.exchange,
    concurrentMax,
    uuid: () => 'for the test',
    failed: () => undefined,
  });
  open.push(await listenOn(server));
  return open.at(-1)?.port ?? 0;
}

function isCut(): Promise<void> {
  return until('the listener knows', async () => (await open.at(-1)?.connections()) === 0);
}

async function peerListener(concurrentMax: number, requestTimeoutMs?: number): Promise<number> {
  const server = createPeerInterface({
    exchange: road.provider.running.exchange,
    identity: identityOf(road.provider),
    concurrentMax,
    refused: () => undefined,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  });
  open.push(await listenOn(server));
  return open.at(-1)?.port ?? 0;
}

async function listClients(port: number): Promise<number> {
  const headers = { accept: 'application/problem+json' };
  const answer = await request(`http://127.0.0.1:${port}/listClients`, { headers, reset: true });
  await answer.body.dump();
  return answer.statusCode;
}

async function ask(port: number, identity: Partial<Identity>): Promise<number> {
  return (await peer.ask({ port, path: ownCredential(road.provider) }, null, identity)).status;
}

const callOctets = (path = ''): string =>
  `GET /r1/${road.service.id}${path} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${road.client}\r\n\r\n`;

test('a client that sends many requests ahead loses its connection, and the listener no place', async () => {
  hold();
  const port = await clientListener(2);
  const socket = await connection(port);
  socket.write(callOctets());
  await until('the service is called', () => held.length === 1);
  socket.write(callOctets().repeat(100));
  await ended(socket);
  letGo();
  await until('all places are free', async () => (await listClients(port)) === 200);
  expect(road.service.calls).toHaveLength(1);
});

test('a request sent ahead of the answer before it waits; cut off, it is not served', async () => {
  hold();
  const port = await clientListener(2);
  const socket = await connection(port);
  socket.write(callOctets('/first') + callOctets('/second'));
  await until('the service is called', () => held.length === 1);
  expect(await listClients(port)).toBe(200);
  socket.destroy();
  await isCut();
  letGo();
  const another = await connection(port);
  another.write(callOctets('/third'));
  await until('the service is called', () => road.service.calls.at(-1)?.url === '/third');
  await until('the other place is free', async () => (await listClients(port)) === 200);
  expect(road.service.calls.map(({ url }) => url)).toEqual(['/first', '/third']);
  another.destroy();
});

test('what is still being served has its place, even where nobody waits for it any more', async () => {
  hold();
  const port = await clientListener(1);
  const socket = await connection(port);
  socket.write(callOctets());
  await until('the service is called', () => held.length === 1);
  socket.destroy();
  await isCut();
  expect(await listClients(port)).toBe(503);
  letGo();
  await until('the place is free', async () => (await listClients(port)) === 200);
});

test('a stranger that sends many requests and cuts its connection takes no place', async () => {
  const port = await peerListener(2);
  for (let i = 0; i < 3; i++) {
    const socket = await connection(port, {});
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_500));
    socket.once('data', () => socket.destroy());
    await ended(socket);
  }
  expect(await ask(port, identityOf(road.consumer))).toBe(200);
  // ... and is told the same where there is none.
  expect(await ask(await peerListener(0), {})).toBe(403);
});

test('a peer that does not read its answers has no more than its share, and not for long', async () => {
  const port = await peerListener(2, READ_MS);
  const timers = jest.spyOn(globalThis, 'setTimeout');
  const { configuration } = road.provider.running.exchange;
  // More than the buffers of any connection.
  const large = { head: 'x'.repeat(64 * 1024 * 1024), delegations: [] };
  const bundle = jest.spyOn(configuration, 'bundle').mockReturnValue(large as never);
  const socket = await connection(port, identityOf(road.consumer));
  socket.pause();
  socket.write(`GET /credentials/${configuration.current().reference.digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until('the peer has its share', async () => (await ask(port, identityOf(road.consumer))) === 503);
  bundle.mockRestore();
  expect(await ask(port, identityOf(spare))).toBe(200);
  // Its time is over.
  const [end] = timers.mock.calls.filter(([, ms]) => ms === READ_MS);
  timers.mockRestore();
  end?.[0]();
  await until('the place is free', async () => (await ask(port, identityOf(road.consumer))) === 200);
  socket.destroy();
});

test('a provider without a free place is said to be busy, by its own name', async () => {
  const { provider, consumer } = road;
  const file = join(provider.folder, 'server.json');
  const settings = readFileSync(file, 'utf8');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(settings), limits: { concurrentExchangesMax: 2 } }));
  await provider.restart();
  expect(await call(road)).toMatchObject({ status: 200 });
  hold();
  const first = call(road);
  await until('the service is called', () => held.length === 1);
  const second = await call(road);
  expect(second).toMatchObject({ status: 503, code: 'busy', hop: 'provider-server' });
  expect(second.headers['retry-after']).toBe('1');
  expect(await consumer.running.exchange.log.exchange(second.id, 'out')).toMatchObject({
    outcome: 'unknown',
  });
  letGo();
  expect(await first).toMatchObject({ status: 200 });
  writeFileSync(file, settings);
  await provider.restart();
});
