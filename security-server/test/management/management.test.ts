// The management interface: who may do what, what is refused and how, and what the trail of acts holds.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import supertest from 'supertest';
import { digestOf, OncewayError, type Digest } from '@onceway/sdk/protocol';
import { selfSigned } from '../keys/openssl.js';
import { ClientConnections } from '../../src/clients/client-connections.js';
import type { Role } from '../../src/http/management-access.js';
import { CLIENT_CERTIFICATES_MAX } from '../../src/limits.js';
import { signStatement } from '../../src/keys/statement.js';
import { administration, owner, server, type Administration } from './administration.js';

const persons = 'VN/GOV/10006/population/persons';
const at = (id: string): string => encodeURIComponent(id);
let all: Administration;

beforeEach(async () => {
  all = await administration();
});
afterEach(() => all.close());

const as = (role: Role) => {
  const authorization = all.keyOf(role);
  const agent = supertest(all.http);
  return {
    get: (path: string) => agent.get(path).set({ authorization }),
    put: (path: string, body: object) => agent.put(path).set({ authorization }).send(body),
    post: (path: string, body?: object) => agent.post(path).set({ authorization }).send(body),
    delete: (path: string) => agent.delete(path).set({ authorization }),
  };
};
const openapi = {
  openapi: '3.1.0',
  info: { title: 'P' },
  servers: [{ url: 'http://10.0.0.1/a' }],
  paths: { '/persons/{id}': { get: {} } },
};
const offer = () =>
  as('service-administrator').put(`/services/${at(persons)}`, {
    baseUrl: 'http://127.0.0.1:1',
    description: openapi,
  });
const grant = { service: persons, subject: { client: 'VN/GOV/10007/civil-status' }, reason: 'Decree 1' };

describe('who may', () => {
  test('nobody without a key, and a guesser learns nothing', async () => {
    for (const authorization of [
      '',
      'Bearer ',
      'Bearer none',
      `Basic ${all.keyOf('auditor').slice(7)}`,
      `${all.keyOf('auditor')}x`,
    ]) {
      const { status, body, headers } = await supertest(all.http).get('/services').set({ authorization });
      expect(status).toBe(401);
      expect(body).toMatchObject({
        type: 'https://onceway.dev/problems#unauthenticated',
        code: 'unauthenticated',
      });
      expect(headers).toMatchObject({
        'www-authenticate': 'Bearer',
        'content-type': 'application/problem+json; charset=utf-8',
      });
    }
    // Counted, one line a minute.
    const strangers = all.audit.list(0, 100).filter(({ who }) => who === 'stranger');
    expect(strangers).toHaveLength(1);
    all.now.nowMs += 60_000;
    await supertest(all.http).get('/services');
    expect(all.audit.list(0, 100).at(-1)).toMatchObject({
      who: 'stranger',
      subject: expect.stringContaining(': 5'),
    });
  });

  test('nobody with a key of another role, and the trail says who tried', async () => {
    const { status, body } = await as('auditor').post('/rights', grant);
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'forbidden', rule: 'roles: service-administrator' });
    expect(all.audit.list(0, 10)).toMatchObject([
      { who: 'test-auditor', act: 'grantRight', outcome: 'forbidden' },
    ]);
  });

  test('a removed key no longer; the last one that can make keys stays', async () => {
    const made = await as('security-officer').post('/api-keys', {
      name: 'portal',
      roles: ['service-administrator'],
    });
    expect(made.status).toBe(201);
    const { key } = made.body as { key: string };
    const call = () =>
      supertest(all.http)
        .get('/services')
        .set({ authorization: `Bearer ${key}` });
    expect((await call()).status).toBe(200);
    const listed = await as('system-administrator').get('/api-keys');
    expect(JSON.stringify(listed.body)).not.toContain(key);
    expect(readFileSync(all.dir.file('state.db')).includes(key)).toBe(false);
    expect(
      (await as('security-officer').post('/api-keys', { name: 'portal', roles: ['auditor'] })).body,
    ).toMatchObject({ code: 'conflict' });
    expect((await as('security-officer').delete('/api-keys/portal')).status).toBe(204);
    expect((await call()).status).toBe(401);
    expect((await as('security-officer').delete('/api-keys/portal')).status).toBe(404);
    expect((await as('security-officer').delete('/api-keys/test-security-officer')).body).toMatchObject({
      code: 'conflict',
    });
  });
});

describe('what comes in', () => {
  test('is validated against the description that is published', async () => {
    const { body } = await supertest(all.http).get('/openapi.json');
    expect(body).toMatchObject({ openapi: '3.1.0' });
    const call = as('service-administrator');
    for (const answer of [
      await call.put(`/services/${at(persons)}`, {}),
      await call.put(`/services/${at(persons)}`, { baseUrl: 'http://a.test', unknown: 1 }),
      await call.put(`/services/${at(persons)}`, { baseUrl: 'http://a.test', timeoutMs: '5' }),
      await call.get('/rights?unknown=1'),
      await call.post('/rights', { ...grant, endpoint: { method: 'get', path: '/a' } }),
      await call.post('/rights', { ...grant, subject: { group: 'mine', localGroup: 'mine' } }),
      await as('auditor').get('/audit?limit=0'),
      await as('auditor').get('/audit?limit=many'),
      await as('auditor').get('/messages/short'),
    ]) {
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ code: 'request_invalid', rule: expect.any(String) });
    }
  });

  test('and does not fit a pattern is told what to write, not the pattern', async () => {
    const mid = 'A'.repeat(43);
    for (const [{ body }, text] of [
      [
        await as('auditor').get('/messages/short'),
        'path mid is not what it shall be: A SHA-256 in base64url',
      ],
      [
        await as('auditor').post(`/messages/${mid}/content`, { ground: 'Quyết định 12' }),
        'body/ground is not what it shall be: The number of the decision',
      ],
      [
        await as('security-officer').post('/api-keys', { name: 'A B', roles: ['auditor'] }),
        'body/name is not what it shall be: What it is for',
      ],
    ] as const) {
      expect(body).toMatchObject({ code: 'request_invalid', rule: expect.stringContaining(text) });
      expect(JSON.stringify(body)).not.toMatch(/pattern|\^\[/);
    }
  });

  test('is JSON, in bounds, and nothing else', async () => {
    const authorization = all.keyOf('service-administrator');
    const put = () =>
      supertest(all.http)
        .put(`/services/${at(persons)}`)
        .set({ authorization });
    expect((await put().set({ 'content-type': 'text/plain' }).send('a')).body).toMatchObject({
      code: 'request_invalid',
    });
    expect((await put().set({ 'content-type': 'application/json' }).send('{')).body).toMatchObject({
      code: 'request_invalid',
    });
    expect(
      (await put().set({ 'content-type': 'application/json', 'content-encoding': 'gzip' }).send('a')).body,
    ).toMatchObject({ code: 'request_invalid' });
    const large = await put().send({ baseUrl: 'x'.repeat(1_100_000) });
    expect([large.status, large.body]).toEqual([413, expect.objectContaining({ code: 'body_too_large' })]);
    expect((await supertest(all.http).get('/services/%zz').set({ authorization })).body).toMatchObject({
      code: 'request_invalid',
    });
    expect((await supertest(all.http).get('/nowhere').set({ authorization })).body).toMatchObject({
      code: 'not_found',
    });
    expect((await as('service-administrator').get(`/services/${at('VN/../x')}`)).body).toMatchObject({
      code: 'identifier_invalid',
    });
  });

  test('is answered in the caller’s language, with helmet’s headers', async () => {
    const { body, headers } = await supertest(all.http).get('/services').set({ 'accept-language': 'vi' });
    expect((body as { hint: string }).hint).toContain('khoá API');
    expect(headers).toMatchObject({ 'content-language': 'vi', 'x-content-type-options': 'nosniff' });
    expect(headers).not.toHaveProperty('x-powered-by');
  });

  test('that breaks something is told to the operator under an id, and to nobody else what', async () => {
    all.database.exec('DROP TABLE description');
    const { status, body } = await offer();
    expect(status).toBe(500);
    expect(body).toMatchObject({ code: 'broken', instance: expect.stringMatching(/^urn:uuid:/) });
    expect(JSON.stringify(body)).not.toContain('table');
    expect(all.broken).toHaveLength(1);
  });
});

describe('services and rights', () => {
  test('from publication to revocation, every act in the trail', async () => {
    const call = as('service-administrator');
    expect((await offer()).body).toMatchObject({ id: persons, type: 'OPENAPI', timeoutMs: 60_000 });
    expect((await offer()).status).toBe(200);
    expect((await as('auditor').get(`/services/${at(persons)}/description`)).body).toMatchObject({
      servers: [{ url: '/a' }],
    });
    const granted = await call.post('/rights', grant);
    expect(granted.status).toBe(201);
    const { id } = granted.body as { id: string };
    expect((await call.get(`/rights?service=${at(persons)}`)).body).toMatchObject([
      { id, subject: grant.subject },
    ]);
    expect((await call.get(`/rights?service=${at(`${persons}2`)}`)).body).toEqual([]);
    expect((await call.delete(`/services/${at(persons)}`)).body).toMatchObject({ code: 'conflict' });
    expect(
      (await call.put(`/services/${at(persons)}/notice`, { notice: 'until Monday' })).body,
    ).toMatchObject({ disabled: { notice: 'until Monday' } });
    expect((await call.delete(`/services/${at(persons)}/notice`)).body).not.toHaveProperty('disabled');
    expect((await call.post(`/rights/${id}/revocation`, { reason: 'over' })).status).toBe(204);
    expect((await call.get(`/rights/${id}`)).body).toMatchObject([
      { claims: { state: 'granted' } },
      { claims: { state: 'revoked', reason: 'over' } },
    ]);
    expect((await call.get('/rights/none')).body).toMatchObject({ code: 'not_found' });
    expect((await call.delete(`/services/${at(persons)}`)).status).toBe(204);
    expect((await call.get(`/services/${at(persons)}`)).body).toMatchObject({ code: 'service_unknown' });
    const trail = (await as('auditor').get('/audit?after=1')).body as { act: string; outcome: string }[];
    expect(trail.map(({ act, outcome }) => `${act} ${outcome}`)).toEqual([
      'putService done',
      'grantRight done',
      'removeService conflict',
      'disableService done',
      'enableService done',
      'revokeRight done',
      'getRight not_found',
      'removeService done',
      'getService service_unknown',
    ]);
    expect(all.audit.list(2, 1)).toMatchObject([{ subject: `${persons} to VN/GOV/10007/civil-status` }]);
    // Both decisions are entries of the server's log.
    expect(all.log.counts().server).toBe(3);
  });

  test('of a group that the provider keeps itself: made, filled, granted to, emptied, deleted', async () => {
    const call = as('service-administrator');
    const group = `/local-groups/${at('VN/GOV/10006/population')}/hospitals`;
    const member = `${group}/members/${at('VN/GOV/10007/civil-status')}`;
    const description = { en: 'Hospitals', vi: 'Bệnh viện' };
    await offer();
    const local = { ...grant, subject: { localGroup: 'hospitals' } };
    expect((await call.post('/rights', local)).body).toMatchObject({ code: 'subject_unknown' });
    expect((await call.put(member, {})).body).toMatchObject({ code: 'not_found' });
    expect((await call.put(group, { description })).status).toBe(204);
    expect((await call.put(member, {})).status).toBe(204);
    expect((await call.put(member, {})).status).toBe(204);
    expect((await as('auditor').get('/local-groups')).body).toEqual([
      {
        provider: 'VN/GOV/10006/population',
        code: 'hospitals',
        description,
        members: ['VN/GOV/10007/civil-status'],
      },
    ]);
    const granted = await call.post('/rights', local);
    expect(granted).toMatchObject({ status: 201, body: { subject: { localGroup: 'hospitals' } } });
    expect((await call.delete(group)).body).toMatchObject({ code: 'conflict' });
    expect((await call.delete(member)).status).toBe(204);
    expect((await call.delete(member)).body).toMatchObject({ code: 'not_found' });
    const { id } = granted.body as { id: string };
    await call.post(`/rights/${id}/revocation`, { reason: 'over' });
    expect((await call.delete(group)).status).toBe(204);
    expect((await call.delete(group)).body).toMatchObject({ code: 'not_found' });
  });

  test.each([
    ['of a provider that is not here', 'VN/GOV/10007/civil-status', 'g', undefined, 'client_unknown'],
    ['of what is no subsystem', 'VN/GOV', 'g', undefined, 'identifier_invalid'],
    ['with a code that is none', 'VN/GOV/10006/population', 'a b', undefined, 'request_invalid'],
    ['with a member that nobody knows', 'VN/GOV/10006/population', 'g', 'VN/GOV/1/x', 'subject_unknown'],
    ['with a member that is none', 'VN/GOV/10006/population', 'g', '!', 'identifier_invalid'],
  ])('of a group %s are refused', async (_, provider, name, member, code) => {
    const group = `/local-groups/${at(provider)}/${at(name)}`;
    const { body } = await as('service-administrator').put(
      member === undefined ? group : `${group}/members/${at(member)}`,
      member === undefined ? { description: { en: 'g', vi: 'n' } } : {},
    );
    expect(body).toMatchObject({ code });
  });

  test.each(['auditor', 'security-officer', 'registration-officer', 'system-administrator'] as const)(
    'of a group are no affair of a %s',
    async (role) => {
      const group = `/local-groups/${at('VN/GOV/10006/population')}/g`;
      const { status } = await as(role).put(group, { description: { en: 'g', vi: 'n' } });
      expect(status).toBe(403);
    },
  );

  test('that others granted to clients here are shown as the log holds them, and own ones with who took them', async () => {
    await offer();
    const { body } = await as('service-administrator').post('/rights', grant);
    const claims = {
      ...{ v: 1, id: '0199c82c-c000-701f-8690-41edb0af2da6', rev: 1, provider: 'VN/GOV/10007/civil-status' },
      consumer: { client: 'VN/GOV/10006/population' },
      service: 'VN/GOV/10007/civil-status/notices',
      ...{ attributes: [], endpoints: [], purposes: [], from: 1_760_000_000, state: 'granted' },
      ...{ reason: 'Decree 2', decidedBy: '2026-Q1.x' },
    };
    const right = await signStatement('right+jws', claims, all.token.signingKey(owner), Date.now());
    await all.log.appendToServerLog({ type: 'right', right });
    const held = (await as('auditor').get('/held-rights')).body as object[];
    expect(held).toEqual([
      {
        ...{ id: claims.id, rev: 1, provider: claims.provider, service: claims.service },
        ...{
          subject: claims.consumer,
          endpoints: [],
          from: claims.from,
          state: 'granted',
          reason: 'Decree 2',
        },
        digest: digestOf(Buffer.from(right)),
      },
    ]);
    const { id, digest } = body as { id: string; digest: Digest };
    all.services.deliveries.settle(digest, server, 'taken');
    expect((await as('auditor').get(`/rights/${id}`)).body).toMatchObject([
      { deliveries: [{ server, outcome: 'taken' }] },
    ]);
  });

  test('of who is not registered here are refused, with how to mend it', async () => {
    const put = (service: string) =>
      as('service-administrator').put(`/services/${at(service)}`, { baseUrl: 'http://a.test' });
    const elsewhere = await put('VN/GOV/10007/civil-status/notices');
    expect([elsewhere.status, elsewhere.body]).toEqual([
      404,
      expect.objectContaining({
        code: 'client_unknown',
        rule: expect.stringContaining('onceway-server client add VN/GOV/10007/civil-status'),
      }),
    ]);
    all.now.view = { ...all.now.view!, isRegistered: false };
    expect((await put(persons)).body).toMatchObject({
      code: 'client_unknown',
      rule: expect.stringContaining('VN/GOV/10006/ss1, is not registered yet'),
    });
    all.now.view = undefined;
    expect((await put(persons)).body).toMatchObject({
      code: 'configuration_missing',
      rule: expect.stringContaining('enrol'),
    });
    expect((await as('auditor').get('/services')).body).toEqual([]);
  });

  test('to whom the configuration does not name are not granted', async () => {
    await offer();
    const call = as('service-administrator');
    const to = (subject: object) => call.post('/rights', { ...grant, subject });
    const mistyped = await to({ client: 'VN/GOV/10007/civil-statsu' });
    expect([mistyped.status, mistyped.body]).toEqual([
      404,
      expect.objectContaining({
        code: 'subject_unknown',
        rule: 'there is no client VN/GOV/10007/civil-statsu',
      }),
    ]);
    expect((await to({ group: 'comunes' })).body).toMatchObject({
      code: 'subject_unknown',
      rule: 'there is no global group comunes',
    });
    expect((await to({ group: 'communes' })).status).toBe(201);
    expect((await call.post('/rights', grant)).status).toBe(201);
    all.now.view = undefined;
    expect((await to(grant.subject)).body).toMatchObject({ code: 'configuration_missing' });
    expect((await call.get('/rights')).body).toHaveLength(2);
  });

  test('without a description have none to show', async () => {
    await as('service-administrator').put(`/services/${at(persons)}`, { baseUrl: 'http://a.test' });
    expect((await as('auditor').get(`/services/${at(persons)}/description`)).body).toMatchObject({
      code: 'not_found',
    });
  });
});

describe('clients', () => {
  test('are asked for at the registry, and shown with what became of it', async () => {
    const call = as('registration-officer');
    const asked = await call.post('/clients', {
      client: 'VN/GOV/10007/civil-status',
      enrolmentToken: 'token',
    });
    expect([asked.status, asked.body]).toEqual([
      202,
      expect.objectContaining({ type: 'register-client', state: 'waiting' }),
    ]);
    const { seq } = asked.body as { seq: number };
    all.registry.state = 'declined';
    all.registry.reason = 'not a member of this ministry';
    expect((await call.get(`/requests/${seq}`)).body).toMatchObject({
      state: 'declined',
      reason: 'not a member of this ministry',
    });
    expect((await call.get('/clients')).body).toEqual([
      { client: 'VN/GOV/10006/population', state: 'registered', connection: 'mutual' },
      {
        ...{ client: 'VN/GOV/10007/civil-status', state: 'declined', connection: 'mutual' },
        reason: 'not a member of this ministry',
      },
    ]);
    expect((await call.get('/requests')).body).toHaveLength(1);
    expect((await call.get('/requests/1')).body).toMatchObject({ code: 'not_found' });
    const removal = await call.delete(`/clients/${at('VN/GOV/10006/population')}`);
    expect([removal.status, removal.body]).toEqual([202, expect.objectContaining({ type: 'remove-client' })]);
  });

  test('that can not be asked for say why', async () => {
    const call = as('registration-officer');
    expect((await call.post('/clients', { client: 'VN/GOV/10007/a' })).body).toMatchObject({
      code: 'enrolment_token_invalid',
    });
    expect((await call.post('/clients', { client: 'VN/GOV' })).body).toMatchObject({
      code: 'identifier_invalid',
    });
    expect((await call.post('/clients', { client: 'VN/GOV/10007/a/b' })).body).toMatchObject({
      code: 'identifier_invalid',
    });
    all.registry.fault = () => {
      throw new Error('away');
    };
    expect((await call.post('/clients', { client: 'VN/GOV/10006/a' })).body).toMatchObject({
      code: 'registry_unreachable',
    });
  });
});

describe('how information systems connect', () => {
  const client = 'VN/GOV/10006/population';
  const path = (more: string, of = client): string => `/clients/${at(of)}/${more}`;
  const pem = (name: string): string => readFileSync(all.dir.file(`${name}.pem`), 'utf8');

  test('is set, shown, and entered in the trail', async () => {
    const call = as('security-officer');
    for (const connection of ['http', 'https', 'mutual'])
      expect((await call.put(path('connection'), { connection })).body).toEqual({ client, connection });
    await call.put(path('connection'), { connection: 'https' });
    expect((await call.get('/clients')).body).toEqual([{ client, state: 'registered', connection: 'https' }]);
    expect(all.audit.list(0, 10).at(-1)).toMatchObject({
      ...{ who: 'test-security-officer', act: 'setConnection', outcome: 'done' },
      subject: `${client}: https`,
    });
    // Another process on the same database reads the same.
    const again = new ClientConnections({ database: all.database, servesTls: true, clock: Date.now });
    expect(again.of(client as never).type).toBe('https');
  });

  test('is not set to what there is not, for whom there is not, by whom may not', async () => {
    const call = as('security-officer');
    for (const body of [{}, { connection: 'ssl' }, { connection: null }, { connection: 'http', more: 1 }])
      expect((await call.put(path('connection'), body)).body).toMatchObject({ code: 'request_invalid' });
    for (const of of ['VN/GOV/10006/populatoin', 'VN/GOV/10007/civil-status'])
      expect((await call.put(path('connection', of), { connection: 'http' })).body).toMatchObject({
        code: 'client_unknown',
        rule: expect.stringContaining(of),
      });
    expect((await call.put(path('connection', 'no client'), { connection: 'http' })).body).toMatchObject({
      code: 'identifier_invalid',
    });
    // Keys of these are given to developers and to people who register clients: they must not open doors.
    for (const role of ['service-administrator', 'registration-officer', 'auditor'] as const) {
      expect((await as(role).put(path('connection'), { connection: 'http' })).status).toBe(403);
      expect((await as(role).post(path('certificates'), { certificate: 'x' })).status).toBe(403);
    }
    expect(all.connections.of(client as never).type).toBe('mutual');
  });

  test('their certificates are added once, listed and removed', async () => {
    for (const [name, key] of [
      ['a', 'ec'],
      ['b', 'p384'],
    ] as const)
      selfSigned(all.dir, name, key);
    const call = as('security-officer');
    const added = await call.post(path('certificates'), { certificate: pem('a') });
    expect(added.status).toBe(201);
    expect(added.body).toMatchObject({ subject: expect.stringContaining('CN=a'), pem: pem('a') });
    await call.post(path('certificates'), { certificate: pem('a') });
    await call.post(path('certificates'), { certificate: pem('b') + pem('a') });
    const list = async () =>
      ((await as('auditor').get(path('certificates'))).body as { pem: string }[]).map(({ pem }) => pem);
    expect(await list()).toEqual([pem('a'), pem('b')]);
    const { digest } = added.body as { digest: string };
    expect((await call.delete(path(`certificates/${digest}`))).status).toBe(204);
    expect(await list()).toEqual([pem('b')]);
    expect((await call.delete(path(`certificates/${digest}`))).body).toMatchObject({ code: 'not_found' });
    expect(all.audit.list(0, 10).map(({ act, outcome }) => `${act} ${outcome}`)).toEqual([
      ...Array<string>(3).fill('addClientCertificate done'),
      ...['removeClientCertificate done', 'removeClientCertificate not_found'],
    ]);
  });

  test('those of a client that left this server are there to be seen and removed', async () => {
    const call = as('security-officer');
    selfSigned(all.dir, 'a', 'ec');
    const { digest } = (await call.post(path('certificates'), { certificate: pem('a') })).body as {
      digest: string;
    };
    all.now.view = { ...all.now.view!, clients: [] };
    expect((await call.get(path('certificates'))).body).toMatchObject([{ digest }]);
    expect((await call.post(path('certificates'), { certificate: pem('a') })).body).toMatchObject({
      code: 'client_unknown',
    });
    expect((await call.delete(path(`certificates/${digest}`))).status).toBe(204);
    expect((await call.get(path('certificates'))).body).toEqual([]);
    expect((await call.get(path('certificates', 'VN/GOV/10006/never'))).body).toMatchObject({
      code: 'client_unknown',
    });
  });

  test('what is no certificate, too weak, or over is refused', async () => {
    const call = as('security-officer');
    selfSigned(all.dir, 'a', 'ec');
    selfSigned(all.dir, 'weak', 'rsa1024');
    const key = readFileSync(all.dir.file('a.key'), 'utf8');
    const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    for (const certificate of ['none', key, broken, pem('weak')])
      expect((await call.post(path('certificates'), { certificate })).body).toMatchObject({
        code: 'key_invalid',
      });
    all.now.nowMs += 31 * 86_400_000;
    expect((await call.post(path('certificates'), { certificate: pem('a') })).body).toMatchObject({
      code: 'key_invalid',
      rule: 'the certificate has ended',
    });
    expect(all.connections.of(client as never).certificates.size).toBe(0);
  });

  test('more certificates than a client may have are refused, the same again is not', () => {
    const insert = all.database.prepare('INSERT INTO client_certificate VALUES (?, ?, ?)');
    selfSigned(all.dir, 'a', 'ec');
    selfSigned(all.dir, 'b', 'ec');
    const { raw } = new X509Certificate(pem('a'));
    for (let n = 0; n < CLIENT_CERTIFICATES_MAX; n++) insert.run(client, `digest ${n}`, raw);
    const full = new ClientConnections({ database: all.database, servesTls: true, clock: Date.now });
    const { certificates } = full.of(client as never);
    // One octet string stands for all of them here.
    expect(certificates.size).toBe(1);
    Object.defineProperty(certificates, 'size', { value: CLIENT_CERTIFICATES_MAX });
    expect(() => full.addCertificate(client as never, pem('b'))).toThrow('at most');
    expect(() => full.addCertificate(client as never, pem('a'))).not.toThrow();
  });

  test('the server has a certificate of its own for them: made, shown, renewed, and never registered', async () => {
    const call = as('security-officer');
    expect((await as('auditor').get('/internal-certificate')).body).toMatchObject({
      code: 'signing_key_unavailable',
    });
    for (const names of [[], ['no name'], ['a', ''], ['https://a.test']])
      expect((await call.post('/keys/internal', { names })).body).toMatchObject({ code: 'request_invalid' });
    expect((await as('service-administrator').post('/keys/internal', { names: ['a.test'] })).status).toBe(
      403,
    );
    const made = await call.post('/keys/internal', { names: ['a.test', '10.0.0.1'] });
    expect([made.status, made.body]).toMatchObject([
      201,
      { usage: 'internal', certificates: [{ active: true, subject: 'CN=a.test', issuer: 'CN=a.test' }] },
    ]);
    const shown = (await as('auditor').get('/internal-certificate')).text;
    const certificate = new X509Certificate(shown);
    expect(certificate.subjectAltName).toBe('DNS:a.test, IP Address:10.0.0.1');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    // The next one waits until information systems have it.
    const next = await call.post('/keys/internal', { names: ['a.test'] });
    expect(next.body).toMatchObject({ certificates: [{ active: false }] });
    expect((await as('auditor').get('/internal-certificate')).text).toBe(shown);
    const { certificates } = next.body as { certificates: { digest: string; pem: string }[] };
    const [{ digest, pem }] = certificates as [{ digest: string; pem: string }];
    await call.put(`/certificates/${digest}`, { active: true });
    await call.put(`/certificates/${digestOf(certificate.raw)}`, { active: false });
    expect((await as('auditor').get('/internal-certificate')).text).toBe(pem);
    expect((await call.post(`/certificates/${digest}/registration`)).body).toMatchObject({
      code: 'not_found',
    });
  });

  test('or one of the member’s own authority, by request or import', async () => {
    const call = as('security-officer');
    const { id } = (await call.post('/keys', { usage: 'internal' })).body as { id: string };
    const { csr } = (await call.post(`/keys/${id}/request`, { subject: { CN: 'a' }, dns: ['a.test'] }))
      .body as { csr: string };
    await call.post('/certificates', { certificate: all.registry.certify(csr) });
    expect(all.token.internal().certificate.subjectAltName ?? '').not.toContain('b.test');
    selfSigned(all.dir, 'a', 'rsa');
    const content = pem('a') + readFileSync(all.dir.file('a.key'), 'utf8');
    const imported = await call.post('/keys/import', { usage: 'internal', format: 'pem', content });
    expect(imported.body).toMatchObject({ usage: 'internal', certificates: [{ active: false }] });
    // One key, one use.
    const again = { usage: 'signing', member: 'VN/GOV/10006', format: 'pem', content };
    expect((await call.post('/keys/import', again)).body).toMatchObject({ code: 'key_invalid' });
  });
});

describe('keys', () => {
  test('are made, certified, imported, and registered', async () => {
    const call = as('security-officer');
    const made = await call.post('/keys', { usage: 'signing', member: 'VN/GOV/10007' });
    const { id } = made.body as { id: string };
    const { csr } = (await call.post(`/keys/${id}/request`, { subject: { CN: 'a' } })).body as {
      csr: string;
    };
    const added = await call.post('/certificates', { certificate: all.registry.certify(csr) });
    const [certificate] = (added.body as { certificates: { digest: string; active: boolean }[] })
      .certificates;
    expect(certificate).toMatchObject({ active: true });
    const path = `/certificates/${certificate!.digest}`;
    expect((await call.put(path, { active: false })).body).toMatchObject({
      certificates: [{ active: false }],
    });
    await call.put(path, { active: true });
    expect((await call.post(`${path}/registration`)).body).toMatchObject({ type: 'register-certificate' });
    expect((await call.post(`/certificates/${'A'.repeat(43)}/registration`)).body).toMatchObject({
      code: 'not_found',
    });

    selfSigned(all.dir, 'in', 'ec');
    all.dir.openssl(
      'pkcs12',
      '-export',
      '-inkey',
      'in.key',
      '-in',
      'in.pem',
      '-passout',
      'pass:secret',
      '-out',
      'in.p12',
    );
    const file = readFileSync(all.dir.file('in.p12')).toString('base64');
    const order = { usage: 'signing', member: 'VN/GOV/10008', format: 'pkcs12', content: file };
    expect((await call.post('/keys/import', { ...order, passphrase: 'other' })).body).toMatchObject({
      code: 'pin_incorrect',
    });
    expect((await call.post('/keys/import', { ...order, passphrase: 'secret' })).status).toBe(201);
    const pem = readFileSync(all.dir.file('in.pem'), 'utf8') + readFileSync(all.dir.file('in.key'), 'utf8');
    expect((await call.post('/keys/import', { ...order, format: 'pem', content: pem })).status).toBe(201);
    expect(
      (await call.post('/keys/import', { format: 'pem', content: pem, usage: 'signing' })).body,
    ).toMatchObject({ code: 'request_invalid' });

    const { body } = await as('auditor').get('/keys');
    expect(JSON.stringify(body)).not.toMatch(/PRIVATE|sealed/);
    expect(JSON.stringify(all.audit.list(0, 100))).not.toMatch(/secret|PRIVATE/);
  });
});

describe('health', () => {
  const health = async () => {
    const { status: http, body } = await supertest(all.http).get('/health');
    return { http, ...(body as { findings: { code: string; stopsAt: number }[] }) };
  };

  test('is good, and says what will stop the exchange before it does', async () => {
    expect(await health()).toMatchObject({ http: 200, findings: [] });
    const expires = all.now.view!.expiresS;
    all.now.nowMs = expires * 1000 - 3_600_000;
    expect(await health()).toMatchObject({
      http: 200,
      findings: [{ code: 'configuration_expired', stopsAt: expires * 1000 }],
    });
    all.now.nowMs = expires * 1000;
    expect((await health()).http).toBe(503);
  });

  test('names what stops it now', async () => {
    all.now.failing = new OncewayError('configuration_fork', 'two of one number');
    expect(await health()).toMatchObject({ http: 503, findings: [{ code: 'configuration_fork' }] });
    all.now.failing = undefined;
    all.now.view = { ...all.now.view!, suspended: true };
    expect(await health()).toMatchObject({ http: 503, findings: [{ code: 'client_suspended' }] });
    all.now.view = undefined;
    expect(await health()).toMatchObject({ http: 503, findings: [{ code: 'configuration_missing' }] });
    expect((await as('auditor').get('/configuration')).body).toMatchObject({ code: 'configuration_missing' });
  });

  test('warns of an OCSP responder that is silent, with the end of the grace', async () => {
    all.now.statusAtMs = all.now.nowMs - 7_200_000;
    const { http, findings } = await health();
    expect(http).toBe(200);
    expect(findings).toMatchObject([
      { code: 'certificate_status_unknown', stopsAt: all.now.statusAtMs + 46_800_000 },
      {},
    ]);
    all.now.statusAtMs = all.now.nowMs - 46_800_000;
    expect((await health()).http).toBe(503);
  });

  test('warns of certificates between here and information systems and services, and does not fail for them', async () => {
    // Over long before those of the server itself.
    const options = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key -subj /CN=a -days 10';
    const certificate = all.dir.openssl('req', '-x509', ...options.split(' '));
    const client = 'VN/GOV/10006/population';
    await as('security-officer').post(`/clients/${at(client)}/certificates`, { certificate });
    await as('service-administrator').put(`/services/${at(persons)}`, {
      baseUrl: 'https://a.test',
      certificate,
    });
    const aboutThese = async () => {
      const { http, findings } = await health();
      return [http, findings.filter((each) => 'only' in each)];
    };
    expect(await aboutThese()).toEqual([200, []]);
    const end = Date.parse(new X509Certificate(certificate).validTo);
    for (const nowMs of [end - 6 * 86_400_000, end + 1]) {
      all.now.nowMs = nowMs;
      all.now.view = { ...all.now.view!, expiresS: Math.floor(nowMs / 1000) + 86_400 };
      expect(await aboutThese()).toMatchObject([
        200,
        [
          { code: 'client_not_authenticated', only: client, stopsAt: end },
          { code: 'service_unreachable', only: persons, stopsAt: end },
        ],
      ]);
    }
    await as('security-officer').put(`/clients/${at(client)}/connection`, { connection: 'https' });
    expect(await aboutThese()).toMatchObject([200, [{ only: persons }]]);
  });

  test('is also told to Prometheus', async () => {
    const { text, headers } = await supertest(all.http).get('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    expect(text).toContain('# TYPE onceway_server_healthy gauge\nonceway_server_healthy 1\n');
    expect(text).toContain('# TYPE onceway_server_requests_total counter\nonceway_server_requests_total 7\n');
    expect((await as('system-administrator').post('/configuration/refresh')).body).toEqual({ newer: true });
    expect((await as('auditor').get('/configuration')).body).toMatchObject({
      seq: 5,
      expired: false,
      registered: true,
    });
    expect(server).toBe('VN/GOV/10006/ss1');
  });
});
