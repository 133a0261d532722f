import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { digestOf, type SecurityServerRecord } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { PeerSockets } from '../../src/transport/peer-sockets.js';
import { PeerTransport, type PeerLimits } from '../../src/transport/peer-transport.js';

let key: string;
let cert: string;
let server: Server;
let inbound: PeerSockets;
let peer: SecurityServerRecord;
let handshakes: boolean[];
let isListed: boolean;
let respond: RequestListener;
let transport: PeerTransport;
/** The one authority is the certificate itself. */
let trust: TrustView;

function open(limits: PeerLimits = {}): PeerTransport {
  return (transport = new PeerTransport({ identity: () => ({ key, cert }), clock: () => 0, limits }));
}

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-'));
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=peer -keyout key -out cert';
  execFileSync('openssl', args.split(' '), { cwd: folder, stdio: 'pipe' });
  key = readFileSync(join(folder, 'key'), 'utf8');
  cert = readFileSync(join(folder, 'cert'), 'utf8');
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  handshakes = [];
  isListed = true;
  respond = (request, response) => response.end(request.url);
  server = createServer(
    { key, cert, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' },
    (request, response) => respond(request, response),
  );
  server.on('secureConnection', (socket: TLSSocket) => handshakes.push(socket.isSessionReused()));
  inbound = new PeerSockets(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { raw } = new X509Certificate(cert);
  peer = {
    id: 'TEST/GOV/A/SS',
    address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
  } as SecurityServerRecord;
  trust = {
    authorities: [{ certificates: [raw.toString('base64')] }],
    serverOfCertificate: (digest: string) => (isListed && digest === digestOf(raw) ? peer : undefined),
  } as unknown as TrustView;
});
afterEach(() => {
  transport.close();
  server.closeAllConnections();
  server.close();
});

async function send(over: Awaited<ReturnType<PeerTransport['acquire']>>): Promise<string> {
  return (await over.send('GET', '/x', {}, null, 100)).body.toString();
}

async function until(isSo: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!isSo() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isSo()).toBe(true);
}

test('a connection is used again, and a new one resumes the session', async () => {
  open();
  const first = await transport.acquire(peer, trust);
  expect(await send(first)).toBe('/x');
  transport.release(first, true);
  expect(await transport.acquire(peer, trust)).toBe(first);
  const second = await transport.acquire(peer, trust);
  expect(await send(second)).toBe('/x');
  expect(handshakes).toEqual([false, true]);
  expect(second.certificate).toBe(first.certificate);
  for (const one of [first, second]) transport.release(one, true);
});

test('a resumed session is judged as a new one: not listed any more, not used', async () => {
  open();
  const first = await transport.acquire(peer, trust);
  await send(first);
  transport.release(first, false);
  isListed = false;
  await expect(transport.acquire(peer, trust)).rejects.toMatchObject({ code: 'peer_not_authenticated' });
});

test('an idle connection whose certificate is not listed any more is closed at once, on both sides', async () => {
  open();
  const first = await transport.acquire(peer, trust);
  transport.release(first, true);
  transport.prune(trust);
  expect(first.alive).toBe(true);
  isListed = false;
  transport.prune(trust);
  expect(first.alive).toBe(false);
  await until(() => inbound.size === 0);
});

test('the listening side closes idle ones at once and those in use after their reply', async () => {
  open();
  let answer: (() => void) | undefined;
  respond = (_request, response) => (answer = () => response.end('ok'));
  const [idle, inUse] = [await transport.acquire(peer, trust), await transport.acquire(peer, trust)];
  const reply = send(inUse);
  await until(() => answer !== undefined && inbound.size === 2);
  inbound.prune(() => true);
  expect(inbound.size).toBe(2);
  inbound.prune(() => false);
  await until(() => !idle.alive && inbound.size === 1);
  answer?.();
  expect(await reply).toBe('ok');
  await until(() => !inUse.alive && inbound.size === 0);
});

test('beyond the bound messages wait in turn for a connection that is given back', async () => {
  open({ connectionsMax: 2 });
  const [a, b] = [await transport.acquire(peer, trust), await transport.acquire(peer, trust)];
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (turn) => {
    const got = await transport.acquire(peer, trust);
    order.push(turn);
    return got;
  });
  transport.release(a, true);
  expect(await waiting[0]).toBe(a);
  // A broken one makes place for a new one.
  transport.release(b, false);
  expect(await waiting[1]).not.toBe(b);
  transport.release(a, true);
  expect(await waiting[2]).toBe(a);
  expect(order).toEqual([1, 2, 3]);
});

test('who waits too long is told busy and leaves the queue; an urgent question does not wait', async () => {
  open({ connectionsMax: 1, waitMs: 30 });
  const only = await transport.acquire(peer, trust);
  await expect(transport.acquire(peer, trust)).rejects.toMatchObject({ code: 'busy', retrySeconds: 1 });
  const urgent = await transport.acquire(peer, trust, true);
  expect(await send(urgent)).toBe('/x');
  transport.release(urgent, false);
  transport.release(only, true);
  expect(await transport.acquire(peer, trust)).toBe(only);
});

test('the queue itself is bounded', async () => {
  open({ connectionsMax: 0, waitMs: 50 });
  const waiting = Array.from({ length: 256 }, () => transport.acquire(peer, trust));
  let isOver = false;
  const first = Promise.race(waiting).catch(() => (isOver = true));
  const all = Promise.allSettled(waiting);
  // One more is told so while all of them still wait.
  await expect(transport.acquire(peer, trust)).rejects.toMatchObject({ code: 'busy' });
  expect(isOver).toBe(false);
  await first;
  expect((await all).every(({ status }) => status === 'rejected')).toBe(true);
});

test('failed connections free their places', async () => {
  open({ connectionsMax: 1 });
  isListed = false;
  for (let attempt = 0; attempt < 3; attempt++)
    await expect(transport.acquire(peer, trust)).rejects.toMatchObject({ code: 'peer_not_authenticated' });
  const failing = transport.acquire(peer, trust);
  const next = transport.acquire(peer, trust);
  await expect(failing).rejects.toMatchObject({ code: 'peer_not_authenticated' });
  isListed = true;
  expect((await next).alive).toBe(true);
});

test('a certificate of no approved authority is not authenticated; where nobody listens is unreachable', async () => {
  open();
  const nobody = { authorities: [] } as unknown as TrustView;
  await expect(transport.acquire(peer, nobody)).rejects.toMatchObject({ code: 'peer_not_authenticated' });
  const gone = { ...peer, address: 'https://127.0.0.1:1' };
  await expect(transport.acquire(gone, trust)).rejects.toMatchObject({ code: 'provider_unreachable' });
});

test('a reply above its bound, and a peer that does not answer in time, are errors of their own', async () => {
  open();
  const over = await transport.acquire(peer, trust);
  await expect(over.send('GET', '/long', {}, null, 2)).rejects.toMatchObject({ code: 'answer_invalid' });
  transport.release(over, false);
  respond = () => undefined;
  const mute = await transport.acquire(peer, trust);
  await expect(mute.send('GET', '/x', {}, null, 100, 50)).rejects.toMatchObject({
    code: 'UND_ERR_HEADERS_TIMEOUT',
  });
  transport.release(mute, false);
});
