// An instance that asks for two officers: what one of them can not do alone.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSettings } from '../src/config.js';
import { hashOf, newKey } from '../src/access/api-key.js';
import {
  createPilotRegistry,
  officersPath,
  SigningServer,
  type Answer,
  type PilotRegistry,
} from './pilot-registry.js';

const FIRST = 'registration-officer';
const SECOND = 'registration-officer-2';
let pilot: PilotRegistry;
let server: SigningServer;
beforeAll(async () => {
  pilot = await createPilotRegistry({ officers: 2 });
  server = await SigningServer.create(pilot, 'VN/GOV/MOH/ss1');
});
afterAll(() => pilot.end());

const idOf = async (role: Parameters<PilotRegistry['key']>[0]): Promise<string> => {
  const { keys } = pilot.running.registry;
  return `api-key:${keys.byHash(hashOf(pilot.key(role)))?.id}`;
};
const lastActs = async (count: number): Promise<Record<string, unknown>[]> => {
  const { log } = pilot.running.registry.audit;
  return log
    .entries(log.size - count, count)
    .map(({ entry }) => JSON.parse(entry) as Record<string, unknown>);
};
const conflict = { status: 409, body: { code: 'conflict' } };

test('stands in registry.json, and is shown with the configuration and in health', async () => {
  const settings = readFileSync(join(pilot.folder, 'registry.json'), 'utf8');
  expect(loadSettings(settings).officers).toBe(2);
  expect((await pilot.manage('auditor', 'GET', '/configuration')).body).toMatchObject({ officers: 2 });
  expect((await pilot.manage(undefined, 'GET', '/health')).body.configuration).toMatchObject({ officers: 2 });
  const three = { ...(JSON.parse(settings) as object), officers: 3 };
  expect(() => loadSettings(JSON.stringify(three))).toThrow(
    expect.objectContaining({ code: 'request_invalid' }),
  );
});

describe('the registration of a server', () => {
  /** `GET` it there as an officer. */
  const submit = async (): Promise<string> => officersPath(pilot, await server.submit(server.registration()));
  const approve = (officer: typeof FIRST | typeof SECOND, path: string): Promise<Answer> =>
    pilot.manage(officer, 'POST', `${path}/approval`);

  test('is applied by the second officer, and not by the first one twice', async () => {
    const submitted = await server.submit(server.registration());
    const path = officersPath(pilot, submitted);
    const waiting = { state: 'waiting', approvals: '1 of 2' };
    const { seq } = pilot.running.registry.publication.current() ?? {};
    expect(await approve(FIRST, path)).toMatchObject({ status: 200, body: waiting });
    expect(await approve(FIRST, path)).toMatchObject(conflict);
    expect(pilot.running.registry.servers.find(server.id)).toBeUndefined();
    expect(pilot.running.registry.publication.current()?.seq).toBe(seq);
    expect((await pilot.ask('GET', `/management-requests/${submitted.body.id}`)).body).toMatchObject(waiting);

    const approved = { state: 'approved', approvals: '2 of 2' };
    expect(await approve(SECOND, path)).toMatchObject({ status: 200, body: approved });
    expect(pilot.running.registry.servers.find(server.id)).toBeDefined();
    const [first, second] = [await idOf(FIRST), await idOf(SECOND)];
    expect((await pilot.manage('auditor', 'GET', path)).body).toMatchObject({
      approvedBy: [first, second],
    });
    expect(await lastActs(3)).toMatchObject([
      {
        act: 'approveRequest',
        what: path.split('/').at(-1),
        who: first,
        outcome: 'done',
        approvedBy: [first],
      },
      { act: 'approveRequest', what: path.split('/').at(-1), who: first, outcome: 'conflict' },
      { who: second, outcome: 'done', approvals: '2 of 2', approvedBy: [first, second] },
    ]);
  });

  test('is all that needs two: other requests are for one', async () => {
    const submitted = await server.submit(server.payload('register-client', { client: 'VN/GOV/MOH/birth' }));
    expect(submitted.body.approvals).toBeUndefined();
    expect(await approve(SECOND, officersPath(pilot, submitted))).toMatchObject({
      body: { state: 'approved' },
    });
  });

  test('is declined by one, also after the other has approved', async () => {
    server = await SigningServer.create(pilot, 'VN/GOV/MOJ/ss2');
    const path = await submit();
    await approve(FIRST, path);
    const declined = await pilot.manage(SECOND, 'POST', `${path}/refusal`, {
      reason: 'not known to me',
    });
    expect(declined.body).toMatchObject({ state: 'declined', approvals: '1 of 2' });
    expect(await approve(SECOND, path)).toMatchObject(conflict);
  });

  test('that is no longer possible keeps the first approval, and takes no second', async () => {
    const path = await submit();
    await approve(FIRST, path);
    const suspension = '/members/VN%2FGOV%2FMOJ/suspension';
    await pilot.manage('security-officer', 'POST', suspension, { reason: 'test' });
    expect(await approve(SECOND, path)).toMatchObject({ status: 403, body: { code: 'client_suspended' } });
    expect((await pilot.manage('auditor', 'GET', path)).body).toMatchObject({
      state: 'waiting',
      approvals: '1 of 2',
    });
    await pilot.manage('security-officer', 'DELETE', suspension);
    expect(await approve(SECOND, path)).toMatchObject({ body: { state: 'approved' } });
  });
});

describe('trust services', () => {
  const national = async (): Promise<object> => {
    const [service] = (await pilot.manage('auditor', 'GET', '/trust-services')).body as object[];
    return { ...service, name: 'National CA' };
  };
  const put = async (officer: 'security-officer' | 'security-officer-2'): Promise<Answer> =>
    pilot.manage(officer, 'PUT', '/trust-services', await national());
  const path = '/trust-services/certification-authority/National%20CA';
  const waiting = async (): Promise<{ id: string }[]> =>
    (await pilot.manage('auditor', 'GET', '/trust-changes')).body as { id: string }[];

  test('are approved by two officers who ask for the same', async () => {
    expect(await put('security-officer')).toMatchObject({
      status: 202,
      body: { state: 'waiting', approvals: '1 of 2', change: { act: 'putTrustService' } },
    });
    expect(await put('security-officer')).toMatchObject(conflict);
    expect(await waiting()).toMatchObject([{ approvedBy: [await idOf('security-officer')] }]);
    expect(await pilot.manage('security-officer', 'DELETE', path)).toMatchObject({ status: 404 });
    expect(await put('security-officer-2')).toMatchObject({ status: 200, body: { name: 'National CA' } });
    expect(await waiting()).toEqual([]);
    expect(pilot.running.registry.services.authorities()).toHaveLength(2);
  });

  test('are removed by the second approval of the change that waits', async () => {
    const { body } = await pilot.manage('security-officer-2', 'DELETE', path);
    expect(body).toMatchObject({ state: 'waiting', approvals: '1 of 2' });
    const change = `/trust-changes/${body.id}`;
    expect(await pilot.manage('security-officer-2', 'POST', `${change}/approval`)).toMatchObject(conflict);
    expect(pilot.running.registry.services.authorities()).toHaveLength(2);
    const officers = [await idOf('security-officer-2'), await idOf('security-officer')];
    expect(await pilot.manage('security-officer', 'POST', `${change}/approval`)).toMatchObject({
      status: 200,
      body: { state: 'applied', approvals: '2 of 2', approvedBy: officers },
    });
    expect(pilot.running.registry.services.authorities()).toHaveLength(1);
    expect(await lastActs(1)).toMatchObject([
      { act: 'approveChange', what: 'certification-authority National CA', approvedBy: officers },
    ]);
    expect(await pilot.manage('security-officer', 'POST', `${change}/approval`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });

  test('stay as they are where a change is withdrawn, and its approval does not count later', async () => {
    const { body } = await put('security-officer');
    expect((await pilot.manage('security-officer-2', 'DELETE', `/trust-changes/${body.id}`)).status).toBe(
      204,
    );
    expect(await put('security-officer-2')).toMatchObject({ status: 202, body: { approvals: '1 of 2' } });
    await pilot.manage('security-officer-2', 'DELETE', `/trust-changes/${body.id}`);
  });

  test('of the pilot that officers removed do not come back with the next start', async () => {
    const name = 'time-stamping-authority/C%C6%A1%20quan%20%C4%91%C4%83ng%20k%C3%BD%20TSA';
    for (const officer of ['security-officer', 'security-officer-2'] as const)
      await pilot.manage(officer, 'DELETE', `/trust-services/${name}`);
    const types = () => pilot.running.registry.services.list().map(({ type }) => type);
    expect(types()).toEqual(['certification-authority']);
    await pilot.restart();
    expect(types()).toEqual(['certification-authority']);
  });
});

describe('keys of officers', () => {
  const enter = (officer: 'security-officer' | 'security-officer-2', body: object): Promise<Answer> =>
    pilot.manage(officer, 'POST', '/api-keys', { name: 'the third', ...body });
  const key = newKey(randomBytes);
  const third = { role: 'security-officer', hash: hashOf(key) };

  test('are not made by the registry for one of them: two enter the hash of a key that its holder made', async () => {
    for (const role of ['security-officer', 'registration-officer'])
      expect(await enter('security-officer', { role })).toMatchObject({
        status: 400,
        body: { code: 'request_invalid', rule: expect.stringContaining('hash') },
      });
    expect((await enter('security-officer', { role: 'auditor' })).body).toMatchObject({
      key: expect.stringMatching(/^owk_/),
    });
    expect(await enter('security-officer', third)).toMatchObject({ status: 202 });
    expect(() => pilot.running.registry.keys.authenticate(`Bearer ${key}`)).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    );
    expect(await enter('security-officer-2', third)).toMatchObject({
      status: 200,
      body: { role: 'security-officer', name: 'the third' },
    });
    expect(pilot.running.registry.keys.authenticate(`Bearer ${key}`)).toMatchObject({
      role: 'security-officer',
    });
    expect(await enter('security-officer', { ...third, role: 'auditor' })).toMatchObject({
      status: 409,
      body: { code: 'already_registered' },
    });
  });

  test('take their approvals with them when they end, and two stay', async () => {
    const { keys } = pilot.running.registry;
    const asThird = (method: string, path: string): Promise<Response> =>
      fetch(`${pilot.running.addresses.management}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}` },
      });
    const [{ type, name } = { type: '', name: '' }] = pilot.running.registry.services.authorities();
    const path = `/trust-services/${type}/${encodeURIComponent(name)}`;
    expect((await asThird('DELETE', path)).status).toBe(202);
    const id = keys.byHash(hashOf(key))?.id;
    expect((await pilot.manage('security-officer', 'DELETE', `/api-keys/${id}`)).status).toBe(204);
    expect(await pilot.manage('security-officer', 'DELETE', path)).toMatchObject({
      status: 202,
      body: { approvals: '1 of 2' },
    });
    const other = (await idOf('security-officer-2')).replace('api-key:', '');
    expect(await pilot.manage('security-officer', 'DELETE', `/api-keys/${other}`)).toMatchObject(conflict);
  });
});

test('where one officer is enough, one call does it', async () => {
  const alone = await createPilotRegistry();
  try {
    const one = await SigningServer.create(alone, 'VN/GOV/MOH/ss1');
    const submitted = await one.submit(one.registration());
    expect(submitted.body).toMatchObject({ approvals: '0 of 1' });
    expect(
      (await alone.manage(FIRST, 'POST', `${officersPath(alone, submitted)}/approval`)).body,
    ).toMatchObject({ state: 'approved', approvals: '1 of 1' });
    expect((await alone.manage(undefined, 'GET', '/health')).body.configuration).toMatchObject({
      officers: 1,
    });
    const entered = await alone.manage('security-officer', 'POST', '/api-keys', {
      role: 'security-officer',
      name: 'brought along',
      hash: hashOf(newKey(randomBytes)),
    });
    expect(entered).toMatchObject({ status: 200, body: { name: 'brought along' } });
    expect(entered.body.key).toBeUndefined();
  } finally {
    await alone.end();
  }
});

test('nothing broke on the way', () => expect(pilot.broken).toEqual([]));
