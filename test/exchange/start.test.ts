// A server that can not start leaves nothing open behind it: no listener, no log, no job.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listen, stop } from '@onceway/security-server/http/listening';
import { Federation, freePort, type TestServer } from './federation.js';

let federation: Federation;
let server: TestServer;
let ports: Record<string, number>;

beforeAll(async () => {
  federation = await Federation.start();
  server = await federation.server(federation.member('OWNER'), 'SS1', { clientTls: true });
  await server.stop();
  const file = join(server.folder, 'server.json');
  const settings = JSON.parse(readFileSync(file, 'utf8')) as {
    listeners: Record<string, { port: number }>;
  };
  (settings.listeners['management'] as { port: number }).port = await freePort();
  writeFileSync(file, JSON.stringify(settings));
  ports = Object.fromEntries(Object.entries(settings.listeners).map(([name, { port }]) => [name, port]));
}, 30_000);
afterAll(() => federation.stop());

function take(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const taking: Server = createServer()
      .once('error', reject)
      .listen(port, '127.0.0.1', () => resolve(taking));
  });
}

const release = (taken: Server) => new Promise((resolve) => taken.close(resolve));

/** Files of the server that this process has open, its threads included. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${descriptor}`);
      return file.startsWith(server.folder) ? [file] : [];
    } catch {
      return [];
    }
  });
}

test.each(['client', 'clientTls', 'peer', 'management'])(
  'where the port of %s is taken, the others are let go, and log and state are closed',
  async (name) => {
    const taken = await take(ports[name] ?? 0);
    try {
      await expect(server.start()).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(`127.0.0.1:${ports[name]}`),
      });
      for (const [other, port] of Object.entries(ports)) if (other !== name) await release(await take(port));
      if (process.platform === 'linux') expect(openFiles()).toEqual([]);
    } finally {
      await release(taken);
    }
  },
);

test('where state.db is of a later version, the log is closed again', async () => {
  const { default: Database } = await import('better-sqlite3');
  const version = (to?: number): unknown => {
    const database = new Database(join(server.folder, 'state.db'));
    const found = database.pragma(to === undefined ? 'user_version' : `user_version = ${to}`, {
      simple: true,
    });
    database.close();
    return found;
  };
  const before = version() as number;
  version(1_000);
  try {
    await expect(server.start()).rejects.toMatchObject({ code: 'conflict' });
    if (process.platform === 'linux') expect(openFiles()).toEqual([]);
  } finally {
    version(before);
  }
});

const hasIpv6 = Object.values(networkInterfaces()).some((of) => of?.some(({ address }) => address === '::1'));

// Containers are often without IPv6.
(hasIpv6 ? test : test.skip)('an address of IPv6 is said in the form in which it can be called', async () => {
  const http = createHttp((_request, response) => response.end('here'));
  const address = await listen(http, { host: '::1', port: 0 });
  expect(address).toMatch(/^\[::1\]:\d+$/);
  expect(await (await fetch(`http://${address}`)).text()).toBe('here');
  await stop(http);
});

test('and once the port is free, the same process starts it', async () => {
  await server.start();
  if (process.platform === 'linux') expect(openFiles()).not.toEqual([]);
  await server.stop();
  if (process.platform === 'linux') expect(openFiles()).toEqual([]);
});
