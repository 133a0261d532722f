// Calls of services over TLS: whom the server believes to be the service, and what it says of itself. What is not
// proven is not called.
import { createServer, type Server } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '@onceway/sdk/protocol';
import { ServiceTransport, type Pin } from '../../src/transport/service-transport.js';
import { folder, selfSigned, type Folder } from '../keys/openssl.js';

let dir: Folder;
let service: Server;
let url: string;
let nowMs: number;
let identity: { key: string; cert: string } | undefined;
let transport: ServiceTransport;
/** Of each request that reached the service: the certificate that came with it. */
let callers: (string | undefined)[];

const identityOf = (name: string) => ({
  key: readFileSync(dir.file(`${name}.key`), 'utf8'),
  cert: readFileSync(dir.file(`${name}.pem`), 'utf8'),
});

function pinOf(name: string): Pin {
  const { raw, validFrom, validTo } = new X509Certificate(identityOf(name).cert);
  return { digest: digestOf(raw), from: Date.parse(validFrom) / 1000, until: Date.parse(validTo) / 1000 };
}

beforeAll(() => {
  dir = folder();
  for (const name of ['service', 'renewed', 'own']) selfSigned(dir, name, 'ec');
});
afterAll(() => dir.remove());

beforeEach(async () => {
  nowMs = Date.now();
  identity = undefined;
  callers = [];
  service = createServer(
    { ...identityOf('service'), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      callers.push((request.socket as TLSSocket).getPeerX509Certificate()?.subject);
      response.end('served');
    },
  );
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(service.address() as AddressInfo).port}/`;
  transport = new ServiceTransport({ identity: () => identity, clock: () => nowMs });
});
afterEach(async () => {
  await transport.close();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});

const call = async (pin?: Pin, at = url): Promise<string> => {
  const { body } = await transport.call(at, 'GET', [], null, { timeoutMs: 5_000, bytesMax: 1_000, pin });
  return body instanceof Buffer ? body.toString() : 'null';
};
const unreachable = { code: 'service_unreachable' };

test('a service is called that shows its pinned certificate, whatever the name in it', async () => {
  expect(await call(pinOf('service'))).toBe('served');
  expect(callers).toEqual([undefined]);
});

test('one that shows another certificate is not', async () => {
  await expect(call(pinOf('renewed'))).rejects.toMatchObject(unreachable);
  expect(callers).toEqual([]);
});

test('without a pin only a certificate of a public authority counts, whatever the environment says', async () => {
  await expect(call()).rejects.toMatchObject(unreachable);
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await expect(call()).rejects.toMatchObject(unreachable);
  } finally {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  }
  expect(callers).toEqual([]);
});

test('a connection that one pin proved serves no other, nor none', async () => {
  expect(await call(pinOf('service'))).toBe('served');
  await expect(call(pinOf('renewed'))).rejects.toMatchObject(unreachable);
  await expect(call()).rejects.toMatchObject(unreachable);
  expect(callers).toHaveLength(1);
});

test('a service that changes its certificate is called again once that is pinned', async () => {
  expect(await call(pinOf('service'))).toBe('served');
  service.setSecureContext(identityOf('renewed'));
  service.closeAllConnections();
  await expect(call(pinOf('service'))).rejects.toMatchObject({ code: expect.stringMatching(/^service_/) });
  await expect(call(pinOf('service'))).rejects.toMatchObject(unreachable);
  expect(await call(pinOf('renewed'))).toBe('served');
  expect(callers).toHaveLength(2);
});

test('a certificate counts in its time only, also on an open connection', async () => {
  expect(await call(pinOf('service'))).toBe('served');
  const { from, until } = pinOf('service');
  for (const atMs of [until * 1000, from * 1000 - 1]) {
    nowMs = atMs;
    await expect(call(pinOf('service'))).rejects.toMatchObject(unreachable);
  }
  expect(callers).toHaveLength(1);
});

test('what does not speak TLS is not called', async () => {
  await expect(call(pinOf('service'), url.replace('https', 'http'))).rejects.toMatchObject({
    code: expect.stringMatching(/^service_/),
  });
  expect(callers).toEqual([]);
});

test('a service that asks is shown the certificate of the server, where there is one', async () => {
  await call(pinOf('service'));
  identity = identityOf('own');
  service.closeAllConnections();
  await call(pinOf('service')).catch(() => undefined);
  await call(pinOf('service'));
  expect([callers.at(0), callers.at(-1)]).toEqual([undefined, expect.stringContaining('CN=own')]);
});
