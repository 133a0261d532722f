import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { digestOf } from '@onceway/sdk/protocol';
import {
  admit,
  certify,
  createPilotRegistry,
  officersPath,
  SigningServer,
  signJws,
  tokenFor,
  type Answer,
  type Certified,
  type PilotRegistry,
} from './pilot-registry.js';

const MEMBER = 'VN/GOV/MOH';
let pilot: PilotRegistry;
let server: SigningServer;
let other: SigningServer;
beforeAll(async () => {
  pilot = await createPilotRegistry();
  server = await SigningServer.create(pilot, `${MEMBER}/ss1`);
  other = await SigningServer.create(pilot, 'VN/GOV/MOJ/ss2');
  await other.carry(other.registration());
});
afterAll(() => pilot.end());

const listed = async (id: string) =>
  (await pilot.manage('auditor', 'GET', `/security-servers/${encodeURIComponent(id)}`)).body;
const refusal = async (answer: Promise<{ status: number; body: { code: string } }>) => {
  const { status, body } = await answer;
  return { status, code: body.code };
};

describe('registering a server', () => {
  test('waits for an officer, who declines with a reason that the requester sees', async () => {
    const submitted = await server.submit(server.registration());
    expect(submitted).toMatchObject({ status: 202, body: { type: 'register-server', state: 'waiting' } });
    const path = `/management-requests/${submitted.body.id}`;
    expect((await pilot.ask('GET', path)).body).toEqual(submitted.body);
    const officers = officersPath(pilot, submitted);
    await pilot.manage('registration-officer', 'POST', `${officers}/refusal`, {
      reason: 'the contract is not signed',
    });
    expect((await pilot.ask('GET', path)).body).toMatchObject({
      state: 'declined',
      reason: 'the contract is not signed',
      decidedAt: pilot.clockMs,
    });
    expect(await refusal(pilot.manage('registration-officer', 'POST', `${officers}/approval`))).toEqual({
      status: 409,
      code: 'conflict',
    });
  });

  test('a waiting request is taken back by its handle, which officers do not see, and by no other', async () => {
    const submitted = await server.submit(server.registration());
    const { body } = submitted;
    const shown = JSON.stringify([
      await pilot.manage('auditor', 'GET', officersPath(pilot, submitted)),
      await pilot.manage('auditor', 'GET', '/management-requests'),
      await pilot.manage('auditor', 'GET', '/audit'),
    ]);
    // Nor the octets, for which they would be told the handle.
    const { request } = server.lastSigned;
    for (const secret of [body.id as string, ...request.map((compact) => compact.split('.')[2] ?? '')])
      expect(shown).not.toContain(secret);
    const stranger = `/management-requests/${randomBytes(16).toString('base64url')}`;
    expect(await refusal(pilot.ask('DELETE', stranger))).toEqual({ status: 404, code: 'not_found' });
    expect((await pilot.ask('DELETE', `/management-requests/${body.id}`)).body).toMatchObject({
      id: body.id,
      state: 'revoked',
    });
    expect((await pilot.manage('auditor', 'GET', officersPath(pilot, submitted))).body).toMatchObject({
      request,
    });
    expect(await refusal(pilot.ask('DELETE', `/management-requests/${body.id}`))).toEqual({
      status: 409,
      code: 'conflict',
    });
  });

  test('sent again octet for octet answers what became of it, also when its time is over', async () => {
    const signed = server.sign(server.registration());
    const send = (body: object = signed) => pilot.ask('POST', '/management-requests', body);
    const answer = await send();
    const { body: first } = answer;
    expect(first).toMatchObject({ state: 'waiting' });
    const { log } = pilot.running.registry.audit;
    const { size } = log;
    expect(await send()).toMatchObject({ status: 202, body: first });
    expect(log.size).toBe(size);
    const others = other.sign(other.payload('change-address', { address: 'https://127.0.0.1:1' }));
    for (const altered of [
      { ...signed, request: [signed.request[0], others.request[1]] },
      { ...signed, certificates: [others.certificates[0], signed.certificates[1]] },
    ])
      expect((await send(altered)).status).toBeGreaterThanOrEqual(400);
    const reason = 'the contract is not signed';
    await pilot.manage('registration-officer', 'POST', `${officersPath(pilot, answer)}/refusal`, {
      reason,
    });
    pilot.clockMs += 600_000;
    expect(await send()).toMatchObject({ status: 202, body: { id: first.id, state: 'declined', reason } });
  });

  test('refuses a second request for what is waiting', async () => {
    const { body } = await server.submit(server.registration());
    expect(await refusal(server.submit(server.registration()))).toEqual({
      status: 409,
      code: 'request_pending',
    });
    await pilot.ask('DELETE', `/management-requests/${body.id}`);
  });

  test('approval lists the server, its certificates and its log', async () => {
    const payload = server.registration();
    await server.carry(payload);
    expect(await listed(server.id)).toMatchObject({
      owner: MEMBER,
      address: 'https://127.0.0.1:5500',
      clients: [],
      logs: [{ origin: `onceway.example/log/${server.id}` }],
      certificates: [{ usage: 'authentication' }, { usage: 'signing', member: MEMBER, alg: 'ES256' }],
    });
    expect(await refusal(server.submit(server.registration()))).toEqual({
      status: 409,
      code: 'already_registered',
    });
  });

  test('refuses certificates and logs that another server has', async () => {
    const thief = await SigningServer.create(pilot, 'VN/GOV/MOJ/ss3');
    const logs = [other.log];
    expect(await refusal(thief.submit(thief.registration({ logs })))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
    const genuine = thief.signing;
    thief.signing = other.signing;
    expect(await refusal(thief.submit(thief.registration()))).toEqual({
      status: 409,
      code: 'already_registered',
    });
    thief.signing = genuine;
    const lied = thief.registration({ signing: other.signing.der.toString('base64') });
    expect(await refusal(thief.submit(lied))).toEqual({ status: 400, code: 'request_invalid' });
  });

  test('refuses a member that was not admitted, and one that is suspended', async () => {
    const stranger = await SigningServer.create(pilot, 'VN/GOV/MPS/ss4');
    const path = '/members/VN%2FGOV%2FMPS/suspension';
    await pilot.manage('security-officer', 'POST', path, { reason: 'test' });
    expect(await refusal(stranger.submit(stranger.registration()))).toEqual({
      status: 403,
      code: 'client_suspended',
    });
    await pilot.manage('security-officer', 'DELETE', path);
    pilot.running.registry.db.prepare('DELETE FROM enrolment_token').run();
    pilot.running.registry.db.prepare(`DELETE FROM member WHERE id = 'VN/GOV/MPS'`).run();
    expect(await refusal(stranger.submit(stranger.registration()))).toEqual({
      status: 404,
      code: 'member_unknown',
    });
  });
});

describe('what stands in the way of a request', () => {
  const client = () => server.payload('register-client', { client: `${MEMBER}/birth` });

  test('a replay', async () => {
    const payload = server.payload('register-client', { client: `${MEMBER}/replayed` });
    expect((await server.submit(payload)).status).toBe(202);
    expect(await refusal(server.submit(payload))).toEqual({ status: 409, code: 'message_replayed' });
    const { log } = pilot.running.registry.audit;
    const size = log.size;
    for (let i = 0; i < 5; i += 1) await server.submit(payload);
    expect(log.size).toBe(size);
    const older = { ...client(), seq: 1 };
    expect(await refusal(server.submit(older))).toEqual({ status: 409, code: 'sequence_invalid' });
  });

  test('a sequence number that was wasted by a declined request does not count', async () => {
    const high = { ...server.payload('register-client', { client: `${MEMBER}/high` }), seq: 2 ** 50 };
    const submitted = await server.submit(high);
    await pilot.manage('registration-officer', 'POST', `${officersPath(pilot, submitted)}/refusal`, {
      reason: 'x',
    });
    expect(await server.submit(server.payload('register-client', { client: `${MEMBER}/low` }))).toMatchObject(
      { status: 202 },
    );
  });

  test('a server that was never registered, and a log key that is none', async () => {
    const fresh = await SigningServer.create(pilot, `${MEMBER}/ss8`);
    const payload = fresh.payload('register-client', { client: `${MEMBER}/x` });
    expect(await refusal(fresh.submit(payload))).toEqual({ status: 404, code: 'server_unknown' });
    const logs = [{ ...fresh.log, key: 'x+00000000+AAAA' }];
    expect(await refusal(fresh.submit(fresh.registration({ logs })))).toEqual({
      status: 400,
      code: 'key_invalid',
    });
  });

  test('a signing certificate that is to become one for connections', async () => {
    const certificate = server.signing.der.toString('base64');
    const payload = server.payload('register-certificate', { usage: 'authentication', certificate });
    expect(await refusal(server.submit(payload))).toEqual({ status: 403, code: 'certificate_invalid' });
  });

  test('a responder that is down', async () => {
    const { services, publication } = pilot.running.registry;
    const [authority] = services.authorities();
    if (authority === undefined) throw new TypeError('no authority');
    services.put({ ...authority, ocsp: [{ url: 'http://127.0.0.1:1' }] });
    expect(await refusal(server.submit(client()))).toEqual({
      status: 503,
      code: 'certificate_status_unknown',
    });
    services.put(authority);
    await publication.changed();
  });

  test('a signature by another key than the certificate given', async () => {
    const forged: Certified = {
      key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      der: server.signing.der,
    };
    expect(await refusal(server.submit(client(), forged))).toEqual({
      status: 400,
      code: 'signature_invalid',
    });
  });

  test('a payload that the two signatures do not share', async () => {
    const one = server.sign(client());
    const two = server.sign(client());
    const mixed = { request: [one.request[0], two.request[1]], certificates: one.certificates };
    expect(await refusal(pilot.ask('POST', '/management-requests', mixed))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
  });

  test('x5t#S256 of another certificate', async () => {
    const signed = server.sign(client());
    const swapped = {
      ...signed,
      certificates: [other.signing.der.toString('base64'), signed.certificates[1]],
    };
    expect(await refusal(pilot.ask('POST', '/management-requests', swapped))).toEqual({
      status: 403,
      code: 'certificate_invalid',
    });
  });

  test('certificates in the wrong order: neither is for the other use', async () => {
    const signed = server.sign(client());
    const turned = {
      request: [...signed.request].reverse(),
      certificates: [...signed.certificates].reverse(),
    };
    expect(await refusal(pilot.ask('POST', '/management-requests', turned))).toEqual({
      status: 403,
      code: 'certificate_invalid',
    });
  });

  test('the certificate of another member', async () => {
    expect(await refusal(server.submit(client(), other.signing))).toEqual({
      status: 403,
      code: 'certificate_invalid',
    });
  });

  test('a connection certificate that is not listed for this server', async () => {
    const token = await tokenFor(pilot, MEMBER, server.id);
    const fresh = await certify(pilot, token, 'authentication', server.owner, server.id);
    const impostor = new SigningServer(pilot, server.id, fresh, server.signing);
    impostor.seq = 1000;
    const payload = impostor.payload('change-address', { address: 'https://127.0.0.1:6666' });
    expect(await refusal(impostor.submit(payload))).toEqual({ status: 403, code: 'signer_not_listed' });
    expect(await listed(server.id)).toMatchObject({ address: 'https://127.0.0.1:5500' });
  });

  test('a signing certificate of the right member that is not listed on this server', async () => {
    const token = await tokenFor(pilot, MEMBER, server.id);
    const fresh = await certify(pilot, token, 'signing', server.owner, server.id);
    expect(await refusal(server.submit(client(), fresh))).toEqual({ status: 403, code: 'signer_not_listed' });
  });

  test('time: expired, dated in the future, living too long', async () => {
    const nowS = Math.floor(pilot.clockMs / 1000);
    const send = (payload: object, iat: number) =>
      pilot.ask('POST', '/management-requests', server.sign(payload, undefined, iat));
    expect(await refusal(send({ ...client(), exp: nowS - 1 }, nowS - 100))).toEqual({
      status: 400,
      code: 'message_expired',
    });
    expect(await refusal(send({ ...client(), exp: nowS + 200 }, nowS + 100))).toEqual({
      status: 409,
      code: 'message_from_future',
    });
    expect(await refusal(send({ ...client(), exp: nowS + 301 }, nowS))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
  });

  test('another instance, an unknown server, an unknown type, an unknown claim', async () => {
    expect(await refusal(server.submit({ ...client(), instance: 'LA' }))).toEqual({
      status: 400,
      code: 'instance_unknown',
    });
    const nobody = new SigningServer(
      pilot,
      `${MEMBER}/nobody` as never,
      server.authentication,
      server.signing,
    );
    expect(
      await refusal(nobody.submit(nobody.payload('register-client', { client: `${MEMBER}/x` }))),
    ).toEqual({
      status: 403,
      code: 'certificate_invalid',
    });
    expect(await refusal(server.submit(server.payload('elect-president')))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
    expect(await refusal(server.submit(server.payload('remove-server')))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
    expect(await refusal(server.submit({ ...client(), extra: 1 }))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
  });

  test('a client of another member, and an address that is no TLS address', async () => {
    const theirs = server.payload('register-client', { client: 'VN/GOV/MOJ/civil' });
    expect(await refusal(server.submit(theirs))).toEqual({ status: 400, code: 'request_invalid' });
    for (const address of ['http://127.0.0.1:1', 'https://127.0.0.1:1/x', 'https://user@127.0.0.1:1'])
      expect(await refusal(server.submit(server.payload('change-address', { address })))).toEqual({
        status: 400,
        code: 'request_invalid',
      });
  });

  test('a header with another typ, and a JWS that is none', async () => {
    const payload = client();
    const iat = Math.floor(pilot.clockMs / 1000);
    const signed = server.sign(payload);
    const request = [signJws('description+jws', payload, server.signing, iat), signed.request[1]];
    expect(await refusal(pilot.ask('POST', '/management-requests', { ...signed, request }))).toEqual({
      status: 400,
      code: 'request_invalid',
    });
    const broken = ['a.b', signed.request[1]];
    expect(await refusal(pilot.ask('POST', '/management-requests', { ...signed, request: broken }))).toEqual({
      status: 400,
      code: 'envelope_invalid',
    });
  });

  test('a revoked certificate', async () => {
    const revoked = await SigningServer.create(pilot, `${MEMBER}/ss9`);
    const digest = (await pilot.manage('auditor', 'GET', '/certificates')).body.at(-1).digest as string;
    const path = `/certificates/${digest}/revocation`;
    expect(await pilot.manage('security-officer', 'POST', path, { reason: 'keyCompromise' })).toMatchObject({
      status: 200,
      body: { listed: false, issuedHere: true },
    });
    expect(await refusal(revoked.submit(revoked.registration()))).toEqual({
      status: 403,
      code: 'certificate_revoked',
    });
  });
});

describe('what approved requests change', () => {
  test('clients come and go; going needs nobody', async () => {
    await server.carry(server.payload('register-client', { client: `${MEMBER}/birth` }));
    expect(await listed(server.id)).toMatchObject({ clients: [`${MEMBER}/birth`] });
    expect((await pilot.manage('auditor', 'GET', '/members/VN%2FGOV%2FMOH')).body.subsystems).toEqual([
      { id: `${MEMBER}/birth` },
    ]);
    const again = server.payload('register-client', { client: `${MEMBER}/birth` });
    expect(await refusal(server.submit(again))).toEqual({ status: 409, code: 'already_registered' });
    const gone = await server.submit(server.payload('remove-client', { client: `${MEMBER}/birth` }));
    expect(gone.body).toMatchObject({ state: 'approved' });
    expect(await listed(server.id)).toMatchObject({ clients: [] });
    const twice = server.payload('remove-client', { client: `${MEMBER}/birth` });
    expect(await refusal(server.submit(twice))).toEqual({ status: 404, code: 'client_unknown' });
  });

  test('a second member shares the server with a signing key of its own', async () => {
    const token = await tokenFor(pilot, 'VN/GOV/MOJ', server.id);
    const guest = await certify(pilot, token, 'signing', 'VN/GOV/MOJ' as never, server.id);
    const claims = { member: 'VN/GOV/MOJ', client: 'VN/GOV/MOJ/civil' };
    const without = server.payload('register-client', claims);
    expect(await refusal(server.submit(without, guest))).toEqual({ status: 403, code: 'signer_not_listed' });
    const foreign = server.payload('register-client', {
      ...claims,
      signing: server.signing.der.toString('base64'),
    });
    expect(await refusal(server.submit(foreign, guest))).toEqual({ status: 403, code: 'signer_not_listed' });
    await server.carry(
      server.payload('register-client', { ...claims, signing: guest.der.toString('base64') }),
      guest,
    );
    expect((await listed(server.id)).certificates).toContainEqual(
      expect.objectContaining({ usage: 'signing', member: 'VN/GOV/MOJ' }),
    );
    const more = server.payload('register-client', { member: 'VN/GOV/MOJ', client: 'VN/GOV/MOJ/notary' });
    await server.carry(more, guest);
    expect((await listed(server.id)).clients).toContain('VN/GOV/MOJ/notary');
  });

  test('keys are rolled over: register the new, remove the old', async () => {
    const token = await tokenFor(pilot, MEMBER, server.id);
    const signing = await certify(pilot, token, 'signing', server.owner, server.id);
    const authentication = await certify(pilot, token, 'authentication', server.owner, server.id);
    const register = (usage: string, { der }: Certified) =>
      server.payload('register-certificate', { usage, certificate: der.toString('base64') });
    await server.carry(register('signing', signing));
    await server.carry(register('authentication', authentication));
    expect(await refusal(server.submit(register('signing', signing)))).toEqual({
      status: 409,
      code: 'already_registered',
    });

    const old = digestOf(server.signing.der);
    const removed = await server.submit(server.payload('remove-certificate', { certificate: old }), signing);
    expect(removed.body).toMatchObject({ state: 'approved' });
    const after = server.payload('change-address', { address: 'https://127.0.0.1:5501' });
    expect(await refusal(server.submit(after))).toEqual({ status: 403, code: 'signer_not_listed' });
    server.signing = signing;
    await server.carry(server.payload('change-address', { address: 'https://127.0.0.1:5501' }));
    expect(await listed(server.id)).toMatchObject({ address: 'https://127.0.0.1:5501' });
  });

  test("refuses to remove another server's certificate", async () => {
    const [theirs] = (await listed(other.id)).certificates as { digest: string }[];
    const payload = server.payload('remove-certificate', { certificate: theirs?.digest });
    expect(await refusal(server.submit(payload))).toEqual({ status: 404, code: 'not_found' });
  });

  test('a lost signing key is replaced by a request that the new key signs', async () => {
    const token = await tokenFor(pilot, MEMBER, server.id);
    const fresh = await certify(pilot, token, 'signing', server.owner, server.id);
    await server.carry(
      server.payload('register-certificate', { usage: 'signing', certificate: fresh.der.toString('base64') }),
      fresh,
    );
    server.signing = fresh;
  });

  test('approval of what is no longer possible changes nothing and leaves it waiting', async () => {
    const submitted = await other.submit(other.payload('register-client', { client: 'VN/GOV/MOJ/court' }));
    await pilot.manage('security-officer', 'POST', '/members/VN%2FGOV%2FMOJ/suspension', { reason: 'test' });
    const path = officersPath(pilot, submitted);
    expect(await refusal(pilot.manage('registration-officer', 'POST', `${path}/approval`))).toEqual({
      status: 403,
      code: 'client_suspended',
    });
    expect((await pilot.manage('auditor', 'GET', path)).body).toMatchObject({ state: 'waiting' });
    await pilot.manage('security-officer', 'DELETE', '/members/VN%2FGOV%2FMOJ/suspension');
  });

  test('lists requests by pages, newest first', async () => {
    const page = async (query: string): Promise<{ id: string; submittedAt: number }[]> =>
      (await pilot.manage('auditor', 'GET', `/management-requests?${query}`)).body;
    const newest = await other.submit(other.payload('register-client', { client: 'VN/GOV/MOJ/newest' }));
    const all = await page('');
    expect(officersPath(pilot, newest)).toBe(`/management-requests/${all[0]?.id}`);
    const walked: string[] = [];
    for (let before = ''; ; before = `&before=${walked.at(-1)}`) {
      const ids = (await page(`limit=7${before}`)).map(({ id }) => id);
      walked.push(...ids);
      if (ids.length < 7) break;
    }
    expect(walked).toEqual(all.map(({ id }) => id));
    expect(walked.length).toBeGreaterThan(14);
    const waiting = (await page('state=waiting')).map(({ id }) => id);
    expect((await page(`state=waiting&before=${waiting[0]}`)).map(({ id }) => id)).toEqual(waiting.slice(1));
    for (const [query, status, code] of [
      ['before=unknown', 404, 'not_found'],
      ['limit=0', 400, 'request_invalid'],
      ['limit=501', 400, 'request_invalid'],
    ] as const)
      expect(await refusal(pilot.manage('auditor', 'GET', `/management-requests?${query}`))).toEqual({
        status,
        code,
      });
    await pilot.ask('DELETE', `/management-requests/${newest.body.id}`);
  });

  test('one server can not bury the others under its requests', async () => {
    pilot.running.registry.db
      .prepare(
        `INSERT INTO management_request (id, jti, type, server, member, seq, subject, state, payload, request,
           certificates, alg, submitted_ms)
         WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
         SELECT 'id' || i, 'jti' || i, 'register-client', ?, 'VN/GOV/MOJ', i, 'subject' || i, 'waiting', '{}', '[]',
           '[]', 'ES256', 0 FROM n`,
      )
      .run(other.id);
    other.seq = 200;
    expect(
      await refusal(other.submit(other.payload('register-client', { client: 'VN/GOV/MOJ/more' }))),
    ).toEqual({
      status: 503,
      code: 'busy',
    });
  });
});

describe('what happened while a request waited', () => {
  const OWNER = 'VN/GOV/MOF';
  let victim: SigningServer;
  let fresh: Certified;
  beforeEach(async () => {
    victim = await SigningServer.create(pilot, `${OWNER}/${randomBytes(4).toString('hex')}`);
    await victim.carry(victim.registration());
    fresh = await certify(pilot, await tokenFor(pilot, OWNER, victim.id), 'signing', victim.owner, victim.id);
  });

  const listing = (certified: Certified) =>
    victim.payload('register-certificate', {
      usage: 'signing',
      certificate: certified.der.toString('base64'),
    });
  const revoke = (certified: Certified) =>
    pilot.manage('security-officer', 'POST', `/certificates/${digestOf(certified.der)}/revocation`, {
      reason: 'keyCompromise',
    });
  const approve = (submitted: Answer) =>
    refusal(pilot.manage('registration-officer', 'POST', `${officersPath(pilot, submitted)}/approval`));
  const state = async ({ body }: Answer) => (await pilot.ask('GET', `/management-requests/${body.id}`)).body;
  const listedNow = async () =>
    ((await listed(victim.id)).certificates as { digest: string; removed?: string }[])
      .filter(({ removed }) => removed === undefined)
      .map(({ digest }) => digest);

  test.each(['authentication', 'signing'] as const)(
    'revoking the %s certificate of its signer ends it, with the reason, and lists nothing',
    async (usage) => {
      const stolen = await victim.submit(listing(fresh), usage === 'signing' ? undefined : fresh);
      const bystander = await SigningServer.create(pilot, `${OWNER}/${usage}`);
      const innocent = await bystander.submit(bystander.registration());
      expect(await revoke(victim[usage])).toMatchObject({ status: 200, body: { listed: true } });
      expect(await state(stolen)).toMatchObject({
        state: 'revoked',
        reason: expect.stringContaining(`${digestOf(victim[usage].der)} was revoked: keyCompromise`),
        decidedAt: pilot.clockMs,
      });
      expect(await approve(stolen)).toEqual({ status: 409, code: 'conflict' });
      expect(await listedNow()).not.toContain(digestOf(fresh.der));
      expect(await state(innocent)).toMatchObject({ state: 'waiting' });
    },
  );

  test('revoking the certificate that it would list ends it too', async () => {
    const submitted = await victim.submit(listing(fresh));
    expect(await revoke(fresh)).toMatchObject({ body: { listed: false, issuedHere: true } });
    expect(await state(submitted)).toMatchObject({ state: 'revoked' });
  });

  test('a server that removes its certificate ends what that has signed', async () => {
    await victim.carry(listing(fresh), fresh);
    const client = victim.payload('register-client', { client: `${OWNER}/tax` });
    const submitted = await victim.submit(client);
    const removal = victim.payload('remove-certificate', { certificate: digestOf(victim.signing.der) });
    // By the very key that it removes: itself it stays approved.
    expect((await victim.submit(removal)).body).toMatchObject({ state: 'approved' });
    expect(await state(submitted)).toMatchObject({
      state: 'revoked',
      reason: expect.stringContaining('removed by its server'),
    });
  });

  test.each(['authentication', 'signing'] as const)(
    'where the %s certificate of its signer is no longer listed, it is not approved',
    async (usage) => {
      const submitted = await victim.submit(victim.payload('register-client', { client: `${OWNER}/tax` }));
      pilot.running.registry.servers.removeCertificate(digestOf(victim[usage].der), 'for the test');
      expect(await approve(submitted)).toEqual({ status: 403, code: 'signer_not_listed' });
      expect(await state(submitted)).toMatchObject({ state: 'waiting' });
      expect(await listed(victim.id)).toMatchObject({ clients: [] });
    },
  );

  test('a request of a suspended server is not approved until that is lifted', async () => {
    const submitted = await victim.submit(listing(fresh), fresh);
    const path = `/security-servers/${encodeURIComponent(victim.id)}/suspension`;
    await pilot.manage('security-officer', 'POST', path, { reason: 'stolen' });
    expect(await approve(submitted)).toEqual({ status: 403, code: 'client_suspended' });
    expect(await listedNow()).not.toContain(digestOf(fresh.der));
    await pilot.manage('security-officer', 'DELETE', path);
    expect(await approve(submitted)).toMatchObject({ status: 200 });
    expect(await listedNow()).toContain(digestOf(fresh.der));
  });

  test('nor is one of a guest on the server of a member that is suspended', async () => {
    const token = await tokenFor(pilot, 'VN/GOV/MOJ', victim.id);
    const guest = await certify(pilot, token, 'signing', 'VN/GOV/MOJ' as never, victim.id);
    const client = victim.payload('register-client', {
      member: 'VN/GOV/MOJ',
      client: 'VN/GOV/MOJ/guest',
      signing: guest.der.toString('base64'),
    });
    const submitted = await victim.submit(client, guest);
    const path = `/members/${encodeURIComponent(OWNER)}/suspension`;
    await pilot.manage('security-officer', 'POST', path, { reason: 'test' });
    expect(await approve(submitted)).toEqual({ status: 403, code: 'client_suspended' });
    await pilot.manage('security-officer', 'DELETE', path);
    expect(await approve(submitted)).toMatchObject({ status: 200 });
  });

  test('a server is not registered with a certificate that was revoked meanwhile', async () => {
    const newcomer = await SigningServer.create(pilot, `${OWNER}/newcomer`);
    const submitted = await newcomer.submit(newcomer.registration());
    await revoke(newcomer.authentication);
    expect(await state(submitted)).toMatchObject({ state: 'revoked' });
    // As a crash leaves it between the authority's database and ours.
    pilot.running.registry.db
      .prepare(`UPDATE management_request SET state = 'waiting', reason = NULL WHERE id = ?`)
      .run(submitted.body.id);
    expect(await approve(submitted)).toEqual({ status: 403, code: 'certificate_revoked' });
    expect(await state(submitted)).toMatchObject({ state: 'waiting' });
    expect(pilot.running.registry.servers.find(newcomer.id)).toBeUndefined();
  });

  test('nothing is approved while the responder is down', async () => {
    const submitted = await victim.submit(listing(fresh), fresh);
    const { services, publication } = pilot.running.registry;
    const [authority] = services.authorities();
    if (authority === undefined) throw new TypeError('no authority');
    services.put({ ...authority, ocsp: [{ url: 'http://127.0.0.1:1' }] });
    expect(await approve(submitted)).toEqual({ status: 503, code: 'certificate_status_unknown' });
    services.put(authority);
    await publication.changed();
    expect(await approve(submitted)).toMatchObject({ status: 200 });
  });
});

describe('enrolment tokens', () => {
  test('are for one member on one server, a few times, for a while', async () => {
    const token = await tokenFor(pilot, MEMBER, `${MEMBER}/new`);
    await expect(
      certify(pilot, token, 'signing', 'VN/GOV/MOJ' as never, `${MEMBER}/new` as never),
    ).rejects.toThrow('enrolment_token_invalid');
    await expect(certify(pilot, token, 'signing', MEMBER as never, `${MEMBER}/ss1` as never)).rejects.toThrow(
      'enrolment_token_invalid',
    );
    for (let use = 0; use < 4; use += 1)
      await certify(pilot, token, 'signing', MEMBER as never, `${MEMBER}/new` as never);
    await expect(certify(pilot, token, 'signing', MEMBER as never, `${MEMBER}/new` as never)).rejects.toThrow(
      'enrolment_token_invalid',
    );
    const second = await tokenFor(pilot, MEMBER, `${MEMBER}/new`);
    pilot.clockMs += 25 * 3600 * 1000;
    await expect(
      certify(pilot, second, 'signing', MEMBER as never, `${MEMBER}/new` as never),
    ).rejects.toThrow('enrolment_token_invalid');
  });

  test('lose no use to a request that can not be certified', async () => {
    await admit(pilot, MEMBER);
    const token = await tokenFor(pilot, MEMBER, `${MEMBER}/new`);
    const body = { token, profile: 'signing', member: MEMBER, server: `${MEMBER}/new`, csr: 'not a request' };
    for (let i = 0; i < 6; i += 1)
      expect(await refusal(pilot.ask('POST', '/certificates', body))).toEqual({
        status: 400,
        code: 'request_invalid',
      });
    await certify(pilot, token, 'signing', MEMBER as never, `${MEMBER}/new` as never);
  });

  test('give a connection certificate to the owner of the server only', async () => {
    const token = await tokenFor(pilot, 'VN/GOV/MOJ', server.id);
    await expect(certify(pilot, token, 'authentication', 'VN/GOV/MOJ' as never, server.id)).rejects.toThrow(
      'request_invalid',
    );
  });

  test('are never stored', async () => {
    const token = await tokenFor(pilot, MEMBER, server.id);
    const rows = JSON.stringify(pilot.running.registry.db.prepare('SELECT * FROM enrolment_token').all());
    expect(rows).not.toContain(token);
    expect(rows).toContain((await import('./pilot-registry.js')).sha256(token));
  });
});

test('an expired certificate signs no request', async () => {
  pilot.clockMs += 400 * 24 * 3600 * 1000;
  expect(
    await refusal(server.submit(server.payload('register-client', { client: `${MEMBER}/late` }))),
  ).toEqual({
    status: 403,
    code: 'certificate_invalid',
  });
});

test('nothing broke on the way', () => expect(pilot.broken).toEqual([]));
