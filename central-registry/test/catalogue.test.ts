import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fold } from '../src/catalogue/catalogue.js';
import {
  createPilotRegistry,
  signJws,
  SigningServer,
  type Answer,
  type PilotRegistry,
} from './pilot-registry.js';

const SERVICE = 'VN/GOV/MOJ/civil/registrations';
let pilot: PilotRegistry;
let server: SigningServer;
let other: SigningServer;
beforeAll(async () => {
  pilot = await createPilotRegistry();
  server = await SigningServer.create(pilot, 'VN/GOV/MOJ/ss1');
  await server.carry(server.registration());
  await server.carry(server.payload('register-client', { client: 'VN/GOV/MOJ/civil' }));
  other = await SigningServer.create(pilot, 'VN/GOV/MOH/ss2');
  await other.carry(other.registration());
});
afterAll(() => pilot.end());

const document = JSON.stringify({
  openapi: '3.1.0',
  info: { title: 'Civil registrations', version: '1', description: 'Births, marriages, deaths' },
  paths: { '/births/{id}': { get: { responses: { 200: { description: 'ok' } } } } },
});
const claims = (rev: number, more: object = {}) => ({
  v: 1,
  service: SERVICE,
  rev,
  issued: Math.floor(pilot.clockMs / 1000),
  names: { en: 'Civil status', vi: 'Đăng ký hộ tịch điện tử' },
  document,
  ...more,
});
const put = (
  payload: object,
  by = server.signing,
  service = SERVICE,
  iat = Math.floor(pilot.clockMs / 1000),
): Promise<Answer> =>
  pilot.ask('PUT', `/catalogue/${encodeURIComponent(service)}`, {
    description: signJws('description+jws', payload, by, iat),
  });
const search = async (query: string): Promise<string[]> => {
  const { body } = await pilot.ask('GET', `/catalogue?q=${encodeURIComponent(query)}`);
  return (body as { service: string }[]).map(({ service }) => service);
};

describe('a description', () => {
  test('is stored as it was signed, and replaced by a newer revision only', async () => {
    expect((await put(claims(2))).status).toBe(204);
    expect((await put(claims(2))).status).toBe(204);
    expect(await put(claims(1))).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await put(claims(2, { names: { en: 'x', vi: 'y' } }))).toMatchObject({ status: 409 });
    const { body } = await pilot.ask('GET', `/catalogue/${encodeURIComponent(SERVICE)}`);
    const [, payload] = (body.description as string).split('.');
    expect(JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())).toEqual(claims(2));
    expect(await pilot.ask('GET', `/catalogue/${encodeURIComponent(`${SERVICE}2`)}`)).toMatchObject({
      status: 404,
    });
  });

  test('is refused from another member, another service, a server that does not host it', async () => {
    expect(await put(claims(3), other.signing)).toMatchObject({
      status: 403,
      body: { code: 'signer_not_listed' },
    });
    expect(await put(claims(3), server.authentication)).toMatchObject({
      status: 403,
      body: { code: 'signer_not_listed' },
    });
    expect(await put(claims(3), server.signing, `${SERVICE}2`)).toMatchObject({
      status: 400,
      body: { code: 'request_invalid' },
    });
    const elsewhere = 'VN/GOV/MOJ/notary/deeds';
    expect(await put(claims(3, { service: elsewhere }), server.signing, elsewhere)).toMatchObject({
      status: 403,
      body: { code: 'signer_not_listed' },
    });
  });

  test('is refused with a wrong signature, from the future, in another form', async () => {
    const forged = { key: other.signing.key, der: server.signing.der };
    expect(await put(claims(3), forged)).toMatchObject({ status: 400, body: { code: 'signature_invalid' } });
    const future = Math.floor(pilot.clockMs / 1000) + 3600;
    expect(await put(claims(3), server.signing, SERVICE, future)).toMatchObject({
      body: { code: 'message_from_future' },
    });
    for (const wrong of [
      { document: '{' },
      { document: '{"openapi":"2.0"}' },
      { document: '{"openapi":"3.1.0"}' },
      { extra: 1 },
    ])
      expect(await put(claims(3, wrong))).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
    const iat = Math.floor(pilot.clockMs / 1000);
    const description = signJws('right+jws', claims(3), server.signing, iat);
    expect(
      await pilot.ask('PUT', `/catalogue/${encodeURIComponent(SERVICE)}`, { description }),
    ).toMatchObject({
      status: 400,
      body: { code: 'request_invalid' },
    });
  });

  test('is refused when it is larger than is allowed', async () => {
    expect(await put(claims(3, { document: `{"x":"${'y'.repeat(900_000)}"}` }))).toMatchObject({
      status: 413,
    });
  });
});

test('one subsystem can not fill the catalogue', async () => {
  pilot.running.registry.db
    .prepare(
      `INSERT INTO description (service, jws, digest, rev, title_en, title_vi, summary)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
       SELECT 'VN/GOV/MOJ/civil/x' || i, '', '', 1, '', '', '' FROM n`,
    )
    .run();
  const more = 'VN/GOV/MOJ/civil/more';
  expect(await put(claims(1, { service: more }), server.signing, more)).toMatchObject({
    status: 409,
    body: { code: 'conflict' },
  });
  pilot.running.registry.db.prepare(`DELETE FROM description WHERE jws = ''`).run();
});

test('whoever sends a public description again fills no audit trail', async () => {
  const { log } = pilot.running.registry.audit;
  const { body } = await pilot.ask('GET', `/catalogue/${encodeURIComponent(SERVICE)}`);
  const size = log.size;
  for (let i = 0; i < 5; i += 1)
    expect((await pilot.ask('PUT', `/catalogue/${encodeURIComponent(SERVICE)}`, body)).status).toBe(204);
  expect(log.size).toBe(size);
});

describe('the search', () => {
  test('finds words in both languages, with and without their marks, from their beginnings', async () => {
    for (const query of [
      'hộ tịch',
      'ho tich',
      'HO TICH',
      'dang ky',
      'Đăng ký',
      'dien tu',
      'civil',
      'regist',
      'marri',
      'births',
    ])
      expect(await search(query)).toEqual([SERVICE]);
  });

  test('finds the provider by its name, and everything without words', async () => {
    expect(await search('Bộ MOJ')).toEqual([SERVICE]);
    expect(await search('')).toEqual([SERVICE]);
    const { body } = await pilot.ask('GET', '/catalogue');
    expect(body).toEqual([
      {
        service: SERVICE,
        title: { en: 'Civil status', vi: 'Đăng ký hộ tịch điện tử' },
        summary: 'Births, marriages, deaths',
        provider: { en: 'Ministry MOJ', vi: 'Bộ MOJ' },
      },
    ]);
  });

  test('needs all words', async () => {
    expect(await search('civil tax')).toEqual([]);
  });

  test('takes any text as words, never as syntax', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 40, unit: 'binary' }), async (text) => {
        const { catalogue } = pilot.running.registry;
        expect(Array.isArray(catalogue.search(text))).toBe(true);
      }),
    );
    for (const query of ['"', 'title:civil NEAR', 'a" OR "b', '*', '-civil', 'AND OR NOT'])
      expect((await pilot.ask('GET', `/catalogue?q=${encodeURIComponent(query)}`)).status).toBe(200);
    expect((await pilot.ask('GET', `/catalogue?q=${'x'.repeat(201)}`)).status).toBe(400);
  });

  test('folds every mark of Vietnamese', () => {
    expect(fold('Cộng hoà xã hội chủ nghĩa ĐƯỜNG Việt Nam')).toBe('cong hoa xa hoi chu nghia duong viet nam');
  });
});

test('nothing broke on the way', () => expect(pilot.broken).toEqual([]));
