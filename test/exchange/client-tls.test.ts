// How information systems must connect: each connection type against each way to come, on real listeners with real TLS.
// What was proven is looked up for each request; connections and resumed sessions remember no trust.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as requestHttps } from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConnectionType } from '@onceway/security-server/clients/client-connections';
import { makeInternalKey } from '@onceway/security-server/keys/self-signed';
import { createClient } from '@onceway/sdk/client';
import type { MessageId, SubsystemId } from '@onceway/sdk/protocol';
import { answered, sendOctets } from './client-wire.js';
import { call, openRoad, until, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import { stranger, type Identity } from './hostile-peer.js';
import { ended } from './listener.js';
import { recordsOf } from './peer-records.js';

let road: Road;
/** What information systems trust: the server's own certificate, as it is exported. */
let ca: string;
const [own, another] = [stranger(), stranger()];
let other: SubsystemId;
let port: number;

beforeAll(async () => {
  road = await openRoad(await Federation.start(), { consumer: { clientTls: true } });
  const { consumer, federation, provider, service } = road;
  ca = consumer.running.exchange.token.internal().certificate.toString();
  port = Number(new URL(consumer.running.addresses.clientTls ?? '').port);
  other = await federation.client(consumer, 'OTHER');
  await provider.running.exchange.configuration.refresh();
  await provider.running.services.grant(
    { service: service.id, subject: { client: other }, reason: 'for the test' },
    'test',
  );
  connections().addCertificate(other, another.cert);
}, 30_000);
afterAll(() => road.federation.stop());
beforeEach(() => {
  road.service.calls.length = 0;
});

const connections = () => road.consumer.running.connections;

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly code: string | undefined;
  readonly rule: string | undefined;
}

/** Over TLS, trusting nobody but the server's certificate; another connection for each call, where none is given. */
function ask(
  options: ConnectionOptions & {
    readonly client?: SubsystemId;
    readonly path?: string;
    readonly socket?: TLSSocket;
  },
): Promise<Asked> {
  const { client = road.client, path = `/r1/${road.service.id}`, socket, ...tls } = options;
  return new Promise((resolve, reject) => {
    const request = requestHttps({
      ...{ host: '127.0.0.1', port, path, ca, ...tls },
      ...(socket === undefined ? { agent: false as const } : { createConnection: () => socket }),
      headers: {
        'X-Road-Client': client,
        accept: 'application/problem+json',
        connection: socket === undefined ? 'close' : 'keep-alive',
      },
    });
    request.on('error', reject).on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => {
        const isProblem = response.headers['content-type'] === 'application/problem+json';
        const problem = (isProblem ? JSON.parse(body) : {}) as { code?: string; rule?: string };
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body, code: problem.code, rule: problem.rule });
      });
    });
    request.end();
  });
}

/** A connection that is open and was proven; its session, as the server last offered it. */
async function open(
  options: ConnectionOptions,
): Promise<{ socket: TLSSocket; session: () => Buffer | undefined }> {
  const socket = connect({ host: '127.0.0.1', port, ca, ...options });
  let session: Buffer | undefined;
  socket.on('session', (offered) => (session = offered));
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return { socket, session: () => session };
}

const WAYS: Readonly<Record<string, (path?: string) => Promise<Pick<Asked, 'status' | 'code'>>>> = {
  'plain HTTP': (path) => plain(path),
  'TLS without a certificate': (path) => ask(withPath(path)),
  'TLS with its certificate': (path) => ask({ ...own, ...withPath(path) }),
  'TLS with a certificate of another client': (path) => ask({ ...another, ...withPath(path) }),
  'TLS with one that nobody knows': (path) => ask({ ...stranger(), ...withPath(path) }),
  "TLS with the server's own": (path) => ask({ ...serversOwn(), ...withPath(path) }),
};

const withPath = (path: string | undefined) => (path === undefined ? {} : { path });

async function plain(
  path?: string,
  client = road.client,
): Promise<{ status: number; code: string | undefined }> {
  const url = road.consumer.running.addresses.client + (path ?? `/r1/${road.service.id}`);
  const answer = await fetch(url, {
    headers: { 'X-Road-Client': client, accept: 'application/problem+json' },
  });
  const text = await answer.text();
  return { status: answer.status, code: answer.ok ? undefined : (JSON.parse(text) as { code: string }).code };
}

function serversOwn(): Identity {
  const { key, certificate } = road.consumer.running.exchange.token.internal();
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate.toString() };
}

const ways = Object.keys(WAYS);
const LET_IN: Readonly<Record<ConnectionType, readonly string[]>> = {
  http: ways,
  https: ways.filter((way) => way !== 'plain HTTP'),
  mutual: ['TLS with its certificate'],
};

describe.each(Object.keys(LET_IN) as ConnectionType[])('a subsystem set to %s', (type) => {
  let asked: MessageId;
  beforeAll(async () => {
    connections().addCertificate(road.client, own.cert);
    connections().setType(road.client, type);
    asked = String((await ask(own)).headers['exchange-id']) as MessageId;
  });

  test.each(ways)('over %s', async (way) => {
    const records = recordsOf(road.consumer, road.provider);
    const answer = await WAYS[way]?.();
    if (LET_IN[type].includes(way)) {
      expect(answer).toMatchObject({ status: 200 });
      expect(road.service.calls).toHaveLength(1);
      return;
    }
    expect(answer).toMatchObject({ status: 401, code: 'client_not_authenticated' });
    expect(road.service.calls).toHaveLength(0);
    expect(await records()).toEqual([[], []]);
  });

  test.each(ways)('asks over %s what became of a request', async (way) => {
    // Also of one that never was: who is refused learns not even that.
    for (const [path, found] of [
      [`/exchange/${asked}`, { status: 200 }],
      [`/exchange/${'A'.repeat(43)}`, { status: 404, code: 'not_found' }],
    ] as const)
      expect(await WAYS[way]?.(path)).toMatchObject(
        LET_IN[type].includes(way) ? found : { status: 401, code: 'client_not_authenticated' },
      );
  });
});

describe('a refusal', () => {
  beforeAll(() => connections().setType(road.client, 'mutual'));

  test('names the type that was set; why stands in the log of the server only', async () => {
    const { rule, body } = await ask(another);
    expect(rule).toBe('connection: mutual');
    expect(body).not.toMatch(/is not one of its own/);
    expect(road.consumer.events.at(-1)).toMatchObject({
      code: 'client_not_authenticated',
      why: expect.stringMatching(/is not one of its own/),
    });
  });

  test("is X-Road's fault for X-Road's clients", async () => {
    const { client, consumer, service } = road;
    const octets = `GET /r1/${service.id} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${client}\r\nConnection: close\r\n\r\n`;
    const answer = answered(await sendOctets(consumer.running.addresses.client, octets));
    expect(answer).toMatchObject({
      status: 500,
      headers: { 'x-road-error': 'Server.ClientProxy.SslAuthenticationFailed' },
    });
    expect(Object.keys(JSON.parse(answer.body) as object)).toEqual(['type', 'message', 'detail']);
  });

  test('comes for a subsystem that speaks with the certificate of another one', async () => {
    expect(await ask({ ...own, client: other })).toMatchObject({ code: 'client_not_authenticated' });
    expect(await ask({ ...another, client: other })).toMatchObject({ status: 200 });
  });

  test('is not to be had by X-Road-Client twice: the one that is signed is the one that is proven', async () => {
    const lines = `X-Road-Client: ${other}\r\nX-Road-Client: ${road.client}\r\n`;
    const { socket } = await open(another);
    socket.write(`GET /r1/${road.service.id} HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    await ended(socket);
    expect(answered(text).headers['x-road-error']).toBe('Server.ClientProxy.SslAuthenticationFailed');
  });
});

describe('a subsystem of which nothing was said', () => {
  test('is set to mutual, as in X-Road, where there is a listener for TLS', async () => {
    const unset = await road.federation.client(road.consumer, 'UNSET');
    expect(connections().of(unset).type).toBe('mutual');
    expect(await plain(undefined, unset)).toMatchObject({ code: 'client_not_authenticated' });
    expect(await ask({ ...own, client: unset })).toMatchObject({ code: 'client_not_authenticated' });
  });

  test('and to http where there is none; set to more, nobody speaks for it there', async () => {
    const { provider, offering } = road;
    expect(provider.running.addresses.clientTls).toBeUndefined();
    expect(provider.running.connections.of(offering).type).toBe('http');
    const listMethods = async () => {
      const answer = await fetch(`${provider.running.addresses.client}/r1/${offering}/listMethods`, {
        headers: { 'X-Road-Client': offering, accept: 'application/problem+json' },
      });
      return [answer.status, ((await answer.json()) as { code?: string }).code];
    };
    expect(await listMethods()).toEqual([200, undefined]);
    for (const type of ['https', 'mutual'] as const) {
      provider.running.connections.setType(offering, type);
      expect(await listMethods()).toEqual([401, 'client_not_authenticated']);
    }
  });
});

describe('trust ends at once', () => {
  beforeEach(() => {
    connections().setType(road.client, 'mutual');
    connections().addCertificate(road.client, own.cert);
  });
  const remove = (): void => {
    const [digest] = connections().of(road.client).certificates.keys();
    connections().removeCertificate(road.client, digest as NonNullable<typeof digest>);
  };

  test('on a connection that is open, when the certificate is removed', async () => {
    const { socket } = await open(own);
    expect(await ask({ socket })).toMatchObject({ status: 200 });
    remove();
    expect(await ask({ socket })).toMatchObject({ status: 401, code: 'client_not_authenticated' });
    connections().addCertificate(road.client, own.cert);
    expect(await ask({ socket })).toMatchObject({ status: 200 });
    socket.destroy();
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('in a resumed session of %s', async (version) => {
    const versions = { minVersion: version, maxVersion: version };
    const first = await open({ ...own, ...versions });
    expect(await ask({ socket: first.socket })).toMatchObject({ status: 200 });
    await until('a session was offered', () => first.session() !== undefined);
    const session = first.session() as Buffer;
    const resume = () => open({ ...own, ...versions, session });
    const again = await resume();
    expect(again.socket.isSessionReused()).toBe(true);
    expect(await ask({ socket: again.socket })).toMatchObject({ status: 200 });
    remove();
    const late = await resume();
    expect(late.socket.isSessionReused()).toBe(true);
    expect(await ask({ socket: late.socket })).toMatchObject({
      status: 401,
      code: 'client_not_authenticated',
    });
    for (const { socket } of [first, again, late]) socket.destroy();
  });

  test('a session that began without a certificate gets none by being resumed', async () => {
    const versions = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
    const first = await open(versions);
    expect(await ask({ socket: first.socket })).toMatchObject({ code: 'client_not_authenticated' });
    await until('a session was offered', () => first.session() !== undefined);
    const again = await open({ ...own, ...versions, session: first.session() });
    expect(again.socket.isSessionReused()).toBe(true);
    expect(await ask({ socket: again.socket })).toMatchObject({ code: 'client_not_authenticated' });
    for (const { socket } of [first, again]) socket.destroy();
  });

  test('when the certificate ends, also on an open connection; and it is none before it begins', async () => {
    const { exchange } = road.consumer.running;
    const [certificate] = connections().of(road.client).certificates.values();
    const { from, until: end } = certificate as NonNullable<typeof certificate>;
    const { clock } = exchange;
    const { socket } = await open(own);
    expect(await ask({ socket })).toMatchObject({ status: 200 });
    try {
      for (const nowMs of [end * 1000, from * 1000 - 1]) {
        Object.assign(exchange, { clock: () => nowMs });
        expect(await ask({ socket })).toMatchObject({ code: 'client_not_authenticated' });
      }
      Object.assign(exchange, { clock });
      expect(await ask({ socket })).toMatchObject({ status: 200 });
    } finally {
      Object.assign(exchange, { clock });
      socket.destroy();
    }
  });

  test('and who the other end is can not change on a connection', async () => {
    const { socket } = await open({ ...own, maxVersion: 'TLSv1.2' });
    const outcome = new Promise((resolve) => {
      socket.on('error', resolve).on('close', () => resolve('closed'));
      if (socket.renegotiate({}, (error) => resolve(error ?? 'renegotiated')) === false) resolve('refused');
    });
    expect(await outcome).not.toBe('renegotiated');
    // Left half-open, as a hostile one would: the server ends it.
    await ended(socket);
  });
});

describe('the listener', () => {
  beforeAll(() => {
    connections().addCertificate(road.client, own.cert);
    connections().setType(road.client, 'mutual');
  });

  test('is reached by the SDK with its options for TLS, and not without', async () => {
    const server = road.consumer.running.addresses.clientTls ?? '';
    const good = createClient({ server, client: road.client, tls: { ca, ...own } });
    expect((await good.call(road.service.id)).status).toBe(200);
    await good.close();
    const nameless = createClient({ server, client: road.client, tls: { ca } });
    await expect(nameless.call(road.service.id)).rejects.toMatchObject({
      code: 'client_not_authenticated',
      outcome: 'not_sent',
    });
    await nameless.close();
    const trustless = createClient({ server, client: road.client, tls: own });
    await expect(trustless.call(road.service.id)).rejects.toMatchObject({ code: 'server_unreachable' });
    await trustless.close();
  });

  test('speaks TLS 1.2 and 1.3, nothing older and nothing plain', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
      expect(await ask({ ...own, maxVersion })).toMatchObject({ status: 200 });
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(ask({ ...own, ...old })).rejects.toMatchObject({
      code: expect.stringMatching(/EPROTO|SSL|ECONNRESET/),
    });
    const text = await sendOctets(`http://127.0.0.1:${port}`, 'GET /listClients HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(text).not.toContain('HTTP/1.1');
    expect(await ask(own)).toMatchObject({ status: 200 });
  });

  test('shows another certificate as soon as that is the active one', async () => {
    const { token } = road.consumer.running.exchange;
    const keys = road.consumer.running.enrolment.token;
    const before = token.internal();
    const made = await makeInternalKey(keys, ['127.0.0.1'], Date.now(), randomBytes);
    const [renewed] = made.certificates;
    // It waits until information systems know it.
    expect(await ask(own)).toMatchObject({ status: 200 });
    keys.setActive((renewed as NonNullable<typeof renewed>).digest, true);
    keys.setActive(before.certificateDigest, false);
    await expect(ask(own)).rejects.toMatchObject({ code: expect.stringMatching(/CERT|SELF_SIGNED/) });
    ca = renewed?.pem ?? '';
    expect(await ask(own)).toMatchObject({ status: 200 });
  });

  test('keeps what was set over a restart', async () => {
    connections().setType(other, 'https');
    await road.consumer.restart();
    expect(connections().of(other).type).toBe('https');
    expect(await ask({ client: other })).toMatchObject({ status: 200 });
    expect(await ask({})).toMatchObject({ code: 'client_not_authenticated' });
    expect(await ask(own)).toMatchObject({ status: 200 });
    expect((await call(road)).code).toBe('client_not_authenticated');
  });

  test('does not open without a certificate to show', async () => {
    const keys = road.consumer.running.enrolment.token;
    const { certificateDigest } = keys.internal();
    keys.setActive(certificateDigest, false);
    // Running, it keeps the one that it has.
    expect(await ask(own)).toMatchObject({ status: 200 });
    await road.consumer.stop();
    await expect(road.consumer.start()).rejects.toMatchObject({ code: 'signing_key_unavailable' });
    keys.setActive(certificateDigest, true);
    await road.consumer.start();
    expect(await ask(own)).toMatchObject({ status: 200 });
  });
});
