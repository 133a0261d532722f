// Services and rights: what is decided, what is signed, and what a crash leaves.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { compactVerify } from 'jose';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import {
  digestOf,
  memberOf,
  OncewayError,
  parseClientId,
  parseJws,
  parseRight,
  parseServiceId,
  parseSubsystemId,
  signOctets,
  subsystemOf,
  type Digest,
  type MemberId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { folder as testFolder, selfSigned, type Folder } from '../keys/openssl.js';
import type { SigningKey } from '../../src/keys/signer.js';
import { ServiceStore } from '../../src/services/service-store.js';
import { createState, openState, type StateDatabase } from '../../src/state/state-database.js';

const persons = parseServiceId('VN/GOV/10006/population/persons');
const consumer = parseClientId('VN/GOV/10007/civil-status');
const other = parseClientId('VN/GOV/10008/portal');
const none: ReadonlySet<string> = new Set();
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let folder: string;
let database: StateDatabase;
let entered: string[];
let logDown: boolean;
let nowMs: number;
let store: ServiceStore;

const token = {
  signingKey: (member: MemberId): SigningKey => ({
    alg: 'ES256',
    member,
    certificate: undefined as unknown as X509Certificate,
    certificateDigest: 'A'.repeat(43) as Digest,
    sign: (input) => signOctets('ES256', privateKey, input),
  }),
  pseudonymKey: () => Buffer.alloc(32, 1),
};

const load = (): ServiceStore =>
  new ServiceStore({
    database,
    token,
    clock: () => nowMs,
    enterRight: async (signed) => {
      if (logDown) throw new OncewayError('log_unavailable', 'disk full');
      entered.push(signed);
    },
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'services-'));
  database = createState(join(folder, 'state.db'));
  entered = [];
  logDown = false;
  nowMs = 1_760_000_000_000;
  store = load();
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const call = (
  method = 'GET',
  path = '/persons/1',
  client = consumer,
  groups = none,
  of = store,
): ReturnType<typeof store.directory.authorize> =>
  of.directory.authorize({ client, service: persons, method, path, groups });

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const openapi = {
  openapi: '3.1.0',
  info: { title: 'Persons', version: '1' },
  servers: [{ url: 'https://10.1.2.3:8443/api/v1?x=1' }, { url: 'https://{host}/{base}' }, { url: '/rel' }],
  paths: {
    '/persons/{id}': { get: { operationId: 'person', servers: [{ url: 'http://secret/x' }] }, put: {} },
    '/persons/me': { get: {} },
    '/files/{name}.{type}': { get: {} },
    'x-note': 'an extension',
  },
};

async function offer(): Promise<void> {
  await store.putService(persons, { baseUrl: 'http://127.0.0.1:8080/api', description: openapi });
}
const everything = { service: persons, subject: { client: consumer }, reason: 'Decree 1' };

describe('the certificate of a service', () => {
  const base = { baseUrl: 'https://service.test' };
  let dir: Folder;
  let pem: string;
  beforeEach(() => {
    dir = testFolder();
    selfSigned(dir, 'service', 'ec');
    pem = readFileSync(dir.file('service.pem'), 'utf8');
  });
  afterEach(() => dir.remove());

  test('is pinned, stays when nothing is said of it, also over a restart, and goes when that is said', async () => {
    const digest = digestOf(new X509Certificate(pem).raw);
    await store.putService(persons, { ...base, certificate: pem });
    await store.putService(persons, { ...base, timeoutMs: 5 });
    expect(store.directory.find(persons)?.certificate).toMatchObject({ digest, pem });
    expect(load().directory.find(persons)?.certificate?.digest).toBe(digest);
    await store.setDisabled(persons, 'down');
    expect(store.directory.find(persons)?.certificate?.digest).toBe(digest);
    await store.putService(persons, { ...base, certificate: null });
    expect(store.directory.find(persons)).not.toHaveProperty('certificate');
    expect(load().directory.find(persons)).not.toHaveProperty('certificate');
  });

  test('is of an https base URL, and a certificate', async () => {
    const http = { baseUrl: 'http://service.test' };
    await expect(store.putService(persons, { ...http, certificate: pem })).rejects.toEqual(
      code('request_invalid'),
    );
    for (const wrong of ['', 'none', readFileSync(dir.file('service.key'), 'utf8')])
      await expect(store.putService(persons, { ...base, certificate: wrong })).rejects.toEqual(
        code('key_invalid'),
      );
    expect(store.directory.find(persons)).toBeUndefined();
    // A slip in the scheme does not take the pin away silently.
    await store.putService(persons, { ...base, certificate: pem });
    await expect(store.putService(persons, http)).rejects.toEqual(code('request_invalid'));
    expect(store.directory.find(persons)).toMatchObject(base);
    expect((await store.putService(persons, { ...http, certificate: null })).baseUrl).toBe(http.baseUrl);
  });
});

describe('a decision', () => {
  beforeEach(offer);

  test('denies by default, and does not know what is not there', () => {
    expect(() => call()).toThrow(code('access_denied'));
    const unknown = parseServiceId('VN/GOV/10006/population/other');
    expect(() =>
      store.directory.authorize({
        client: consumer,
        service: unknown,
        method: 'GET',
        path: '',
        groups: none,
      }),
    ).toThrow(code('service_unknown'));
    expect(store.directory.find(unknown)).toBeUndefined();
  });

  test('names the right and the endpoint as its description has it', async () => {
    const right = await store.grant(everything, 'officer');
    expect(call()).toEqual({ rule: right.id, op: 'GET /persons/{id}', right: right.digest });
    expect(call('GET', '/persons/me').op).toBe('GET /persons/me');
    expect(call('GET', '/files/a.b').op).toBe('GET /files/{name}.{type}');
    expect(call('DELETE', '/persons/1').op).toBe('DELETE *');
    expect(call('POST', '').op).toBe('POST *');
    expect(() => call('GET', '/persons/1', other)).toThrow(code('access_denied'));
  });

  test('of an endpoint reaches no further than that', async () => {
    const { id } = await store.grant(
      { ...everything, endpoint: { method: 'GET', path: '/persons/*' } },
      'officer',
    );
    expect(call().rule).toBe(id);
    for (const [method, path] of [
      ['PUT', '/persons/1'],
      ['HEAD', '/persons/1'],
      ['GET', '/persons'],
      ['GET', '/persons/1/x'],
      ['GET', '/persons/1%2Fx'],
      ['GET', '/admin'],
    ] as const)
      // The right that is there is named: it is what the caller has to have widened.
      expect(() => call(method, path)).toThrow(expect.objectContaining({ code: 'access_denied', rule: id }));
    expect(() => call('GET', '/persons/../admin')).toThrow(code('request_target_invalid'));
  });

  test('climbing out of the base URL is refused whatever the right', async () => {
    await store.grant(everything, 'officer');
    for (const path of ['/../admin', '/%2e%2e/admin', '/a/..;/..;/admin', '/..%2Fadmin'])
      expect(() => call('GET', path)).toThrow(code('request_target_invalid'));
  });

  test('counts global groups', async () => {
    await store.grant({ ...everything, subject: { group: 'hospitals' } }, 'officer');
    expect(call('GET', '/x', other, new Set(['hospitals'])).op).toBe('GET *');
    expect(() => call('GET', '/x', other, new Set(['schools']))).toThrow(code('access_denied'));
  });

  test('counts the provider’s own groups: who is in one, from then on, and no longer than that', async () => {
    const provider = subsystemOf(persons);
    const { localGroups } = store;
    const mine = { ...everything, subject: { localGroup: 'mine' } };
    await expect(store.grant(mine, 'officer')).rejects.toMatchObject({ code: 'subject_unknown' });
    localGroups.put(provider, 'mine', { en: 'Mine', vi: 'Của tôi' });
    // Another provider's group of that name is another group.
    const stranger = `${provider}-2` as SubsystemId;
    localGroups.put(stranger, 'mine', { en: 'Theirs', vi: 'Của họ' });
    localGroups.addMember(stranger, 'mine', other);
    await store.grant(mine, 'officer');
    // A global group of that name is another one, too.
    expect(() => call('GET', '/x', other, new Set(['mine']))).toThrow(code('access_denied'));
    localGroups.addMember(provider, 'mine', other);
    expect(call('GET', '/x', other).op).toBe('GET *');
    // Groups and their rights outlive a restart.
    const again = load();
    expect(again.localGroups.list()).toEqual(localGroups.list());
    expect(call('GET', '/x', other, none, again).op).toBe('GET *');
    localGroups.removeMember(provider, 'mine', other);
    expect(() => call('GET', '/x', other)).toThrow(code('access_denied'));
  });

  test('has groups within bounds, and deletes none that has a right', async () => {
    const provider = subsystemOf(persons);
    const { localGroups } = store;
    const names = { en: 'g', vi: 'n' };
    localGroups.put(provider, 'mine', names);
    const right = await store.grant({ ...everything, subject: { localGroup: 'mine' } }, 'officer');
    await expect(store.removeLocalGroup(provider, 'mine')).rejects.toMatchObject({ code: 'conflict' });
    await store.revoke(right.id, 'over', 'officer');
    await store.removeLocalGroup(provider, 'mine');
    await expect(store.removeLocalGroup(provider, 'mine')).rejects.toMatchObject({ code: 'not_found' });
    expect(localGroups.list()).toEqual([]);
    expect(() => localGroups.addMember(provider, 'mine', other)).toThrow(code('not_found'));
    localGroups.put(provider, 'g', names);
    expect(() => localGroups.removeMember(provider, 'g', other)).toThrow(code('not_found'));
    database.transaction(() => {
      for (let n = 0; n < 4_096; n++) localGroups.addMember(provider, 'g', `${other}-${n}` as typeof other);
    })();
    expect(() => localGroups.addMember(provider, 'g', other)).toThrow(code('conflict'));
    database.transaction(() => {
      for (let n = 0; n < 1_023; n++) localGroups.put(provider, `g${n}`, names);
    })();
    expect(() => localGroups.put(provider, 'more', names)).toThrow(code('conflict'));
    localGroups.put(provider, 'g', names);
  });

  test('ends with its day', async () => {
    await store.grant({ ...everything, until: nowMs / 1000 + 60 }, 'officer');
    nowMs += 59_999;
    call();
    nowMs += 1;
    expect(() => call()).toThrow(code('access_denied'));
  });

  test('of a service that is switched off says so to those who have a right, and to nobody else', async () => {
    const { id } = await store.grant(everything, 'officer');
    await store.setDisabled(persons, 'until Monday');
    expect(() => call()).toThrow(
      expect.objectContaining({ code: 'service_disabled', rule: id, message: 'until Monday' }),
    );
    expect(() => call('GET', '/', other)).toThrow(code('access_denied'));
    // A provider's program that publishes itself at start must not switch it on.
    await offer();
    expect(() => call()).toThrow(code('service_disabled'));
    await store.setDisabled(persons, undefined);
    call();
  });

  test('takes microseconds', async () => {
    await store.grant(everything, 'officer');
    const before = process.cpuUsage();
    for (let round = 0; round < 1000; round++) call();
    expect(process.cpuUsage(before).user / 1000 / 1000).toBeLessThan(0.2);
  });
});

describe('a granted right', () => {
  beforeEach(offer);

  test('is a statement of the provider member that another JOSE implementation verifies', async () => {
    const right = await store.grant(
      { ...everything, endpoint: { method: 'GET', path: '/persons/*' } },
      'officer',
    );
    const { payload, protectedHeader } = await compactVerify(entered[0] ?? '', createPublicKey(privateKey));
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'right+jws', iat: nowMs / 1000 });
    const claims = JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
    expect(claims).toMatchObject({
      v: 1,
      id: right.id,
      rev: 1,
      provider: 'VN/GOV/10006/population',
      consumer: { client: consumer },
      service: persons,
      attributes: [],
      endpoints: [{ method: 'GET', path: '/persons/*' }],
      state: 'granted',
      from: nowMs / 1000,
    });
    expect(JSON.stringify(claims)).not.toContain('officer');
    expect(store.directory.right(right.digest)).toEqual({
      right: entered[0],
      provider: 'VN/GOV/10006/population',
      subject: { client: consumer },
    });
    expect(store.directory.right('B'.repeat(43) as Digest)).toBeUndefined();
  });

  test('granted again is the same; with another day it is changed, and then revoked: one chain', async () => {
    const first = await store.grant(everything, 'officer');
    expect(await store.grant(everything, 'officer')).toEqual(first);
    const second = await store.grant({ ...everything, until: nowMs / 1000 + 60 }, 'officer');
    expect(second).toMatchObject({ id: first.id, rev: 2 });
    await store.revoke(first.id, 'no longer needed', 'officer');
    expect(() => call()).toThrow(code('access_denied'));
    const claims = entered.map((signed) => parseRight(parseJws(signed).payload));
    expect(claims.map(({ rev, state, prev }) => [rev, state, prev])).toEqual([
      [1, 'granted', undefined],
      [2, 'changed', first.digest],
      [3, 'revoked', second.digest],
    ]);
    expect(store.history(first.id).map(({ signed }) => signed)).toEqual(entered);
    await expect(store.revoke(first.id, 'again', 'officer')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('is not in force without its entry; a revoked one is not, entry or no', async () => {
    logDown = true;
    await expect(store.grant(everything, 'officer')).rejects.toMatchObject({ code: 'log_unavailable' });
    expect(() => call()).toThrow(code('access_denied'));
    // Killed here, and started with a log that works.
    logDown = false;
    store = load();
    expect(() => call()).toThrow(code('access_denied'));
    await store.recover();
    const { rule } = call();
    expect(entered).toHaveLength(1);

    logDown = true;
    await expect(store.revoke(rule, 'at once', 'officer')).rejects.toMatchObject({ code: 'log_unavailable' });
    expect(() => call()).toThrow(code('access_denied'));
    logDown = false;
    store = load();
    expect(() => call()).toThrow(code('access_denied'));
    await store.recover();
    expect(() => call()).toThrow(code('access_denied'));
    expect(entered).toHaveLength(2);
  });

  test('for a service that is not there, or with a reason or pattern that is none, is refused', async () => {
    const unknown = parseServiceId('VN/GOV/10006/population/other');
    await expect(store.grant({ ...everything, service: unknown }, 'officer')).rejects.toMatchObject({
      code: 'service_unknown',
    });
    for (const wrong of [
      { ...everything, reason: '' },
      { ...everything, endpoint: { method: 'get', path: '/a' } },
      { ...everything, subject: { group: '' } },
    ])
      await expect(store.grant(wrong, 'officer')).rejects.toMatchObject({ code: 'request_invalid' });
    expect(entered).toHaveLength(0);
  });

  test('with an endpoint that is no pattern leaves nothing behind', async () => {
    await expect(
      store.grant({ ...everything, endpoint: { method: 'GET', path: '/a/../b' } }, 'officer'),
    ).rejects.toMatchObject({ code: 'request_invalid' });
    expect(entered).toHaveLength(0);
    expect(() => load()).not.toThrow();
  });

  test('two at once do not get one revision', async () => {
    const rights = await Promise.all(
      [1, 2, 3].map((minutes) =>
        store.grant({ ...everything, until: nowMs / 1000 + minutes * 60 }, 'officer'),
      ),
    );
    expect(rights.map(({ rev }) => rev)).toEqual([1, 2, 3]);
  });
});

describe('services', () => {
  test('are there after a restart, with rights', async () => {
    await offer();
    const right = await store.grant(everything, 'officer');
    database.close();
    database = openState(join(folder, 'state.db'));
    store = load();
    expect(call().right).toBe(right.digest);
    expect(store.directory.list(parseSubsystemId('VN/GOV/10006/population'))).toEqual([
      expect.objectContaining({ id: persons, type: 'OPENAPI', timeoutMs: 60_000 }),
    ]);
  });

  test('show each client what it may call', async () => {
    await offer();
    await store.grant({ ...everything, endpoint: { method: 'GET', path: '/persons/*' } }, 'officer');
    const subsystem = parseSubsystemId('VN/GOV/10006/population');
    const [allowed] = store.directory.allowed(consumer, none, subsystem);
    expect(allowed?.endpoints.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /persons/*',
      'GET /persons/me',
    ]);
    expect(store.directory.allowed(other, none, subsystem)).toEqual([]);
  });

  test('hide where they stand', async () => {
    await offer();
    const description = JSON.parse(store.directory.description(persons) ?? '') as typeof openapi;
    expect(description.servers.map(({ url }) => url)).toEqual(['/api/v1?x=1', '/{base}', '/rel']);
    expect(JSON.stringify(description)).not.toMatch(/10\.1\.2\.3|secret/);
    expect(store.directory.description(parseServiceId('VN/GOV/10006/population/other'))).toBeUndefined();
  });

  test('may have endpoints without a description, but not beside one', async () => {
    const change = { baseUrl: 'https://service', endpoints: [{ method: 'GET', path: '/a' }], timeoutMs: 5 };
    expect(await store.putService(persons, change)).toMatchObject({ type: 'REST', timeoutMs: 5 });
    await offer();
    await expect(store.putService(persons, change)).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('are published once for each description that differs', async () => {
    await offer();
    const [first] = store.unpublished();
    expect(first).toMatchObject({ service: persons });
    store.markPublished(first!);
    await offer();
    expect(store.unpublished()).toEqual([]);
    await store.putService(persons, {
      baseUrl: 'http://a',
      description: { ...openapi, info: {} },
      names: { en: 'P', vi: 'D' },
    });
    const [second] = store.unpublished();
    expect(second?.rev).toBeGreaterThan(first!.rev);
    expect(second?.names).toEqual({ en: 'P', vi: 'D' });
  });

  test('are removed only when nobody has a right to them', async () => {
    await offer();
    const { id } = await store.grant(everything, 'officer');
    await expect(store.removeService(persons)).rejects.toMatchObject({ code: 'conflict' });
    await store.revoke(id, 'closing', 'officer');
    await store.removeService(persons);
    expect(store.directory.find(persons)).toBeUndefined();
    expect(load().directory.services()).toEqual([]);
    await expect(store.removeService(persons)).rejects.toMatchObject({ code: 'service_unknown' });
    await expect(store.setDisabled(persons, 'x')).rejects.toMatchObject({ code: 'service_unknown' });
  });

  test('that is refused says why', async () => {
    await expect(store.putService(persons, { baseUrl: 'ftp://a' })).rejects.toMatchObject({
      code: 'request_invalid',
      rule: 'a base URL is http(s), without user, query and fragment',
    });
  });

  test.each([
    { baseUrl: 'ftp://a' },
    { baseUrl: 'no url' },
    { baseUrl: 'http://user:secret@a' },
    { baseUrl: 'http://a?x' },
    { baseUrl: 'http://a#x' },
    { baseUrl: 'http://a', timeoutMs: 0 },
    { baseUrl: 'http://a', timeoutMs: 300_001 },
    { baseUrl: 'http://a', timeoutMs: 1.5 },
    { baseUrl: 'http://a', endpoints: [{ method: 'GET', path: 'a' }] },
    { baseUrl: 'http://a', description: { swagger: '2.0' } },
    { baseUrl: 'http://a', description: { openapi: '3.0.0' } },
    { baseUrl: 'http://a', description: 'text' },
    { baseUrl: 'http://a', description: { openapi: '3.0.0', paths: { '/d ữ': { get: {} } } } },
    { baseUrl: 'http://a', description: { openapi: '3.0.0', paths: { '/%zz': { get: {} } } } },
    { baseUrl: 'http://a', description: { openapi: '3.0.0', paths: { '/a/%2e%2e': { get: {} } } } },
    { baseUrl: 'http://a', description: { openapi: '3.0.0', paths: {}, x: 'a'.repeat(1_100_000) } },
    {
      baseUrl: 'http://a',
      description: {
        openapi: '3.0.0',
        paths: Object.fromEntries(Array.from({ length: 5001 }, (_, index) => [`/${index}`, { get: {} }])),
      },
    },
  ])('are refused when malformed (%#)', async (change) => {
    await expect(store.putService(persons, change)).rejects.toMatchObject({ code: 'request_invalid' });
    expect(store.directory.find(persons)).toBeUndefined();
    expect(load().directory.services()).toEqual([]);
  });

  test('never take a name that the server answers itself', async () => {
    const reserved = parseServiceId('VN/GOV/10006/population/listMethods');
    await expect(store.putService(reserved, { baseUrl: 'http://a' })).rejects.toMatchObject({
      code: 'request_invalid',
    });
  });
});

describe('state.db', () => {
  test('is its owner’s only, never made twice, and must be there', () => {
    expect(statSync(join(folder, 'state.db')).mode & 0o777).toBe(0o600);
    expect(() => createState(join(folder, 'state.db'))).toThrow(code('conflict'));
    expect(() => openState(join(folder, 'none.db'))).toThrow(code('not_found'));
  });

  test('of a later version is not touched', () => {
    const later = join(folder, 'later.db');
    const made = new Database(later);
    made.pragma('user_version = 99');
    made.close();
    expect(() => openState(later)).toThrow(code('conflict'));
  });

  test('with a right that was altered by hand does not load', async () => {
    await offer();
    await store.grant(everything, 'officer');
    database.prepare("UPDATE access_right SET signed = 'none'").run();
    expect(() => load()).toThrow(code('broken'));
  });
});

test('the member of a service signs its rights', () => {
  expect(memberOf(persons)).toBe('VN/GOV/10006');
});
