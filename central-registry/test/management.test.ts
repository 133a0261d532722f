import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openCheckpoint, verifyConsistency } from '@onceway/sdk/verify';
import supertest from 'supertest';
import { ROLES, type Role } from '../src/audit/audit-trail.js';
import { createManagementInterface } from '../src/http/management-interface.js';
import { initInstance } from '../src/publication/instance.js';
import { loadSettings } from '../src/config.js';
import { openRegistry } from '../src/registry.js';
import { temporaryFolder } from './trust-services/pilot.js';
import { createPilotRegistry, FREE_PORTS, sha256, type PilotRegistry } from './pilot-registry.js';

let pilot: PilotRegistry;
beforeAll(async () => {
  pilot = await createPilotRegistry();
});
afterAll(() => pilot.end());

const name = { en: 'Ministry of Justice', vi: 'Bộ Tư pháp' };
const trail = async (): Promise<Record<string, unknown>[]> => {
  const { body } = await pilot.manage('auditor', 'GET', '/audit');
  return (body.entries as { entry: string }[]).map(
    ({ entry }) => JSON.parse(entry) as Record<string, unknown>,
  );
};

describe('roles', () => {
  const description = JSON.parse(
    readFileSync(
      join(
        createRequire(import.meta.url).resolve('@onceway/schemas'),
        '../../../openapi/registry-management.json',
      ),
      'utf8',
    ),
  ) as { paths: Record<string, Record<string, { operationId: string; security: { apiKey?: Role[] }[] }>> };
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, security }]) => ({
      path: path.replace(/\{(\w+)\}/g, 'x'),
      method: method.toUpperCase(),
      operationId,
      roles: security[0]?.apiKey,
    })),
  );

  test('of the description are the roles that are asked for: every other key is refused, and the refusal entered', async () => {
    for (const { path, method, operationId, roles } of operations) {
      if (roles === undefined) continue;
      for (const role of ROLES.filter((one) => !roles.includes(one))) {
        const answer = await pilot.manage(role, method, path, method === 'GET' ? undefined : {});
        expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden', hop: 'registry' } });
        expect((await trail()).at(-1)).toMatchObject({ role, act: operationId, outcome: 'forbidden' });
      }
    }
  });

  test('without a key, with a wrong one and with a malformed one everything but health is refused alike', async () => {
    for (const { path, method, roles } of operations) {
      const answer = await pilot.manage(undefined, method, path, method === 'GET' ? undefined : {});
      if (roles === undefined) expect(answer.status).toBe(200);
      else expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
    }
    const app = supertest(createManagementInterface(pilot.running.registry));
    for (const authorization of ['Bearer owk_guess', 'Basic dXNlcjpwYXNz', 'Bearer', pilot.key('auditor')]) {
      const answer = await app.get('/members').set('Authorization', authorization);
      expect(answer.status).toBe(401);
      expect(answer.body).toMatchObject({ code: 'unauthenticated' });
    }
  });

  test('strangers are counted in the trail, and can not fill it', async () => {
    const size = pilot.running.registry.audit.log.size;
    for (let i = 0; i < 30; i += 1) await pilot.manage(undefined, 'POST', '/members', {});
    expect(pilot.running.registry.audit.log.size - size).toBeLessThanOrEqual(1);
    pilot.clockMs += 61_000;
    await pilot.manage(undefined, 'POST', '/members', {});
    expect((await trail()).at(-1)).toMatchObject({
      type: 'strangers',
      act: 'addMember',
      outcome: 'unauthenticated',
    });
    expect((await trail()).at(-1)?.['count']).toBeGreaterThanOrEqual(30);
  });

  test('keys are stored as hashes, made and ended by the security officer, who keeps one', async () => {
    const { body } = await pilot.manage('security-officer', 'POST', '/api-keys', {
      role: 'auditor',
      name: 'SIEM',
    });
    const stored = JSON.stringify(pilot.running.registry.db.prepare('SELECT * FROM api_key').all());
    expect(stored).toContain(sha256(body.key as string));
    expect(stored).not.toContain(body.key);
    const app = supertest(createManagementInterface(pilot.running.registry));
    const list = () => app.get('/members').set('Authorization', `Bearer ${body.key}`);
    expect((await list()).status).toBe(200);
    await pilot.manage('security-officer', 'DELETE', `/api-keys/${body.id}`);
    expect((await list()).status).toBe(401);
    const keys = (await pilot.manage('auditor', 'GET', '/api-keys')).body as {
      id: string;
      role: Role;
      key?: string;
    }[];
    expect(keys.some((key) => 'key' in key)).toBe(false);
    const last = keys.find(({ role }) => role === 'security-officer');
    expect(await pilot.manage('security-officer', 'DELETE', `/api-keys/${last?.id}`)).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
  });
});

describe('input', () => {
  const officer = (body: unknown) => pilot.manage('registration-officer', 'POST', '/members', body);

  test('that does not fit the description is refused with the rule that it broke', async () => {
    for (const [body, rule] of [
      [{ class: 'GOV', code: 'MOJ' }, /name/],
      [{ class: 'GOV', code: 'MOJ', name, extra: 1 }, /extra/],
      [{ class: 'GOV', code: '', name }, /\/code/],
      [{ class: 'GOV', code: 'MOJ', name: { en: 'only one' } }, /vi/],
      [{ class: 'GOV', code: 'MOJ', name: { ...name, fr: 'x' } }, /fr/],
      ['{"class":"GOV","code":"MOJ","__proto__":{},"name":{"en":"a","vi":"b"}}', /__proto__/],
      [[], /object/],
      ['null', /body/],
      ['{', /JSON/],
    ] as const) {
      const answer = await officer(body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
      expect(answer.headers['content-type']).toMatch('application/problem+json');
      expect(answer.body.rule).toMatch(rule);
    }
  });

  test('with identifiers that are not in their one form is refused', async () => {
    expect(await officer({ class: 'GOV', code: '..', name })).toMatchObject({
      status: 400,
      body: { code: 'identifier_invalid' },
    });
    expect(await officer({ class: 'GOV', code: 'a\u0000b', name })).toMatchObject({
      body: { code: 'identifier_invalid' },
    });
    for (const id of ['VN', 'VN%2FGOV%2F..', 'VN%2FGOV%2FMOJ%2FX%2FY', 'VN%2FGOV%2F%2541'])
      expect(await pilot.manage('auditor', 'GET', `/members/${id}`)).toMatchObject({
        status: 400,
        body: { code: expect.stringMatching(/identifier_invalid|request_invalid/) },
      });
    expect(await pilot.manage('auditor', 'GET', '/members/%E0%A4%A')).toMatchObject({ status: 400 });
  });

  test('beyond the bounds is refused', async () => {
    const huge = { class: 'GOV', code: 'MOJ', name: { en: 'x'.repeat(70_000), vi: 'y' } };
    expect(await officer(huge)).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
    const body = { request: ['x'.repeat(600_000), 'y'.repeat(600_000)], certificates: ['a', 'b'] };
    expect(await pilot.ask('POST', '/management-requests', body)).toMatchObject({
      status: 413,
      body: { code: 'body_too_large' },
    });
  });

  test('in another media type, or compressed, is refused', async () => {
    const app = supertest(createManagementInterface(pilot.running.registry));
    const send = () =>
      app.post('/members').set('Authorization', `Bearer ${pilot.key('registration-officer')}`);
    expect((await send().type('text/plain').send('{}')).body).toMatchObject({ code: 'request_invalid' });
    expect((await send().type('json').set('Content-Encoding', 'gzip').send('{}')).body).toMatchObject({
      code: 'request_invalid',
    });
    expect((await send()).body).toMatchObject({ code: 'request_invalid' });
  });

  test('on unknown paths, methods and parameters is refused', async () => {
    expect(await pilot.manage('auditor', 'GET', '/nowhere')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect(await pilot.manage('auditor', 'PUT', '/members', {})).toMatchObject({ status: 404 });
    expect(await pilot.manage('auditor', 'GET', '/members?x=1')).toMatchObject({
      status: 400,
      body: { code: 'request_invalid' },
    });
    for (const query of ['from=-1', 'from=1.5', 'from=0x1', 'count=0', 'count=501', 'from=1&from=2'])
      expect(await pilot.manage('auditor', 'GET', `/audit?${query}`)).toMatchObject({ status: 400 });
  });

  test('is answered in Vietnamese where that is asked for', async () => {
    const app = supertest(createManagementInterface(pilot.running.registry));
    const answer = await app.get('/members').set('Accept-Language', 'vi,en;q=0.5');
    expect(answer.headers['content-language']).toBe('vi');
    expect(answer.body.hint).toMatch('khoá API');
  });

  test('that breaks something here shows an id, and nothing else', async () => {
    const { registry } = pilot.running;
    const told: unknown[] = [];
    const app = supertest(
      createManagementInterface({
        ...registry,
        broke: (error) => void told.push(error),
        members: new Proxy(registry.members, {
          get: () => () => {
            throw new Error('secret detail');
          },
        }),
      }),
    );
    const answer = await app.get('/members').set('Authorization', `Bearer ${pilot.key('auditor')}`);
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    expect(told).toEqual([expect.objectContaining({ message: answer.body.instance })]);
  });

  test('answers carry the headers of helmet', async () => {
    const { headers } = await pilot.manage(undefined, 'GET', '/health');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' });
    expect(headers['x-powered-by']).toBeUndefined();
  });
});

describe('members', () => {
  test('are admitted once, renamed, suspended with a reason, and lifted', async () => {
    const path = '/members/VN%2FGOV%2FMOJ';
    const add = () =>
      pilot.manage('registration-officer', 'POST', '/members', { class: 'GOV', code: 'MOJ', name });
    expect(await add()).toMatchObject({ status: 200, body: { id: 'VN/GOV/MOJ', name, subsystems: [] } });
    expect(await add()).toMatchObject({ status: 409, body: { code: 'already_registered' } });
    const renamed = { name: { en: 'Justice', vi: 'Tư pháp' } };
    expect((await pilot.manage('registration-officer', 'PUT', path, renamed)).body).toMatchObject(renamed);
    const suspend = () =>
      pilot.manage('security-officer', 'POST', `${path}/suspension`, { reason: 'audit finding 7' });
    expect((await suspend()).body).toMatchObject({ suspended: 'audit finding 7' });
    expect(await suspend()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(
      (await pilot.manage('security-officer', 'DELETE', `${path}/suspension`)).body.suspended,
    ).toBeUndefined();
    expect(await pilot.manage('security-officer', 'DELETE', `${path}/suspension`)).toMatchObject({
      status: 409,
    });
    expect(await pilot.manage('auditor', 'GET', '/members/VN%2FGOV%2FNONE')).toMatchObject({
      status: 404,
      body: { code: 'member_unknown' },
    });
  });

  test('have subsystems, whose codes may be any text', async () => {
    const path = '/members/VN%2FGOV%2FMOJ/subsystems';
    const { body } = await pilot.manage('registration-officer', 'POST', path, { code: 'hộ tịch', name });
    const id = 'VN/GOV/MOJ/h%E1%BB%99%20t%E1%BB%8Bch';
    expect(body.subsystems).toEqual([{ id, name }]);
    const gone = () =>
      pilot.manage('registration-officer', 'DELETE', `/subsystems/${encodeURIComponent(id)}`);
    expect((await gone()).status).toBe(204);
    expect(await gone()).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('form groups, made whole and ended', async () => {
    const group = { description: name, members: ['VN/GOV/MOJ'] };
    expect((await pilot.manage('registration-officer', 'PUT', '/groups/courts', group)).status).toBe(200);
    expect((await pilot.manage('auditor', 'GET', '/groups')).body).toMatchObject([
      { code: 'courts', members: ['VN/GOV/MOJ'] },
    ]);
    const unknown = { description: name, members: ['VN/GOV/NONE'] };
    expect(await pilot.manage('registration-officer', 'PUT', '/groups/courts', unknown)).toMatchObject({
      status: 404,
      body: { code: 'member_unknown' },
    });
    expect((await pilot.manage('auditor', 'GET', '/groups')).body).toMatchObject([
      { members: ['VN/GOV/MOJ'] },
    ]);
    expect((await pilot.manage('registration-officer', 'DELETE', '/groups/courts')).status).toBe(204);
  });
});

describe('trust', () => {
  test('services and policy are changed by the security officer, in their form only', async () => {
    const { body: policy } = await pilot.manage('auditor', 'GET', '/policy');
    const seq = pilot.running.registry.publication.current()?.seq ?? 0;
    const answer = await pilot.manage('security-officer', 'PUT', '/policy', { ...policy, clockSkewMs: 5000 });
    expect(answer).toMatchObject({ status: 200, headers: { 'configuration-seq': String(seq + 1) } });
    for (const wrong of [
      { ...policy, clockSkewMs: 60_001 },
      { ...policy, algorithms: [] },
      { ...policy, more: 1 },
    ])
      expect(await pilot.manage('security-officer', 'PUT', '/policy', wrong)).toMatchObject({
        status: 400,
        body: { code: 'request_invalid' },
      });
    const [service] = (await pilot.manage('auditor', 'GET', '/trust-services')).body as { name: string }[];
    const more = { ...service, name: 'National CA' };
    expect((await pilot.manage('security-officer', 'PUT', '/trust-services', more)).status).toBe(200);
    const path = '/trust-services/certification-authority/National%20CA';
    expect((await pilot.manage('security-officer', 'DELETE', path)).status).toBe(204);
    expect(await pilot.manage('security-officer', 'DELETE', path)).toMatchObject({ status: 404 });
    expect(
      await pilot.manage('security-officer', 'PUT', '/trust-services', { ...more, type: 'oracle' }),
    ).toMatchObject({
      status: 400,
    });
  });

  test('a certificate that nobody knows can not be revoked', async () => {
    const path = `/certificates/${'A'.repeat(43)}/revocation`;
    expect(await pilot.manage('security-officer', 'POST', path, { reason: 'keyCompromise' })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });
});

describe('the audit trail', () => {
  test('holds who did what, in which role, and what became of it', async () => {
    const reason = 'reorganised';
    await pilot.manage('security-officer', 'POST', '/members/VN%2FGOV%2FMOJ/suspension', { reason });
    await pilot.manage('security-officer', 'POST', '/members/VN%2FGOV%2FMOJ/suspension', { reason });
    const acts = (await trail()).slice(-2);
    expect(acts).toMatchObject([
      {
        act: 'suspendMember',
        what: 'VN/GOV/MOJ',
        role: 'security-officer',
        reason,
        outcome: 'done',
        at: pilot.clockMs,
      },
      { act: 'suspendMember', what: 'VN/GOV/MOJ', outcome: 'conflict' },
    ]);
    expect(acts[0]?.['who']).toMatch(/^api-key:[0-9a-f]{16}$/);
  });

  test('is signed, and proves that it only grew', async () => {
    const { body: old } = await pilot.manage('auditor', 'GET', '/audit/checkpoint');
    await pilot.manage('security-officer', 'DELETE', '/members/VN%2FGOV%2FMOJ/suspension');
    const before = openCheckpoint(old.checkpoint as string, old.key as string);
    const { body } = await pilot.manage('auditor', 'GET', `/audit/checkpoint?from=${before.size}`);
    const after = openCheckpoint(body.checkpoint as string, body.key as string);
    expect(after.size).toBe(before.size + 1);
    verifyConsistency({
      from: before.size,
      to: after.size,
      fromRoot: before.root,
      toRoot: after.root,
      proof: (body.consistency as string[]).map((hash) => Buffer.from(hash, 'base64')),
    });
    expect(await pilot.manage('auditor', 'GET', '/audit/checkpoint?from=999999')).toMatchObject({
      status: 404,
    });
  });

  test('is read in pages', async () => {
    const { body } = await pilot.manage('auditor', 'GET', '/audit?from=1&count=2');
    expect((body.entries as { place: number }[]).map(({ place }) => place)).toEqual([1, 2]);
  });

  test('survives a restart', async () => {
    const { body } = await pilot.manage('auditor', 'GET', '/audit?count=5');
    await pilot.restart();
    expect((await pilot.manage('auditor', 'GET', '/audit?count=5')).body.entries).toEqual(body.entries);
  });
});

describe('an instance', () => {
  test('keeps its keys for its owner only, and one key for each role', () => {
    for (const role of ROLES)
      expect(statSync(join(pilot.folder, 'keys', `api-key-${role}.txt`)).mode & 0o777).toBe(0o600);
    for (const key of ['root', 'configuration', 'registry-log', 'audit-log'])
      expect(statSync(join(pilot.folder, 'keys', `${key}.pem`)).mode & 0o777).toBe(0o600);
  });

  test('is not begun twice in one folder', async () => {
    const settings = loadSettings(readFileSync(join(pilot.folder, 'registry.json'), 'utf8'));
    await expect(
      initInstance({
        folder: pilot.folder,
        settings,
        distribution: ['http://127.0.0.1:1'],
        witnesses: [],
        trustServices: false,
        clock: Date.now,
      }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });

  test('that is refused leaves nothing behind', async () => {
    const { folder, remove } = temporaryFolder();
    const settings = loadSettings(readFileSync(join(pilot.folder, 'registry.json'), 'utf8'));
    const options = { folder: join(folder, 'new'), settings, trustServices: false, clock: Date.now };
    const distribution = ['http://127.0.0.1:1'];
    await expect(
      initInstance({ ...options, distribution, witnesses: [], threshold: 1 }),
    ).rejects.toMatchObject({
      code: 'request_invalid',
    });
    const witnesses = [{ key: 'none' as never, url: 'http://127.0.0.1:1' }];
    await expect(initInstance({ ...options, distribution, witnesses })).rejects.toMatchObject({
      code: 'configuration_invalid',
    });
    expect(readdirSync(folder)).toEqual([]);
    await initInstance({ ...options, distribution, witnesses: [] });
    expect(readdirSync(folder)).toEqual(['new']);
    expect(() => openRegistry(join(folder, 'elsewhere'))).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
    rmSync(join(folder, 'new', 'keys', 'configuration.pem'));
    expect(() => openRegistry(join(folder, 'new'))).toThrow(expect.objectContaining({ code: 'key_invalid' }));
    remove();
  });

  test('refuses settings with all their mistakes at once', () => {
    const wrong = { v: 2, instance: 'a b', domain: 'X Y', lifetimeS: 0, listeners: FREE_PORTS, more: true };
    expect(() => loadSettings(JSON.stringify(wrong))).toThrow(
      /additional.*|organization.*|\/v.*|\/instance.*|\/domain.*|\/lifetimeS/,
    );
    expect(() => loadSettings('{')).toThrow('not JSON');
  });
});

test('nothing broke on the way', () => expect(pilot.broken).toEqual([]));
