// How a new server gets into an instance, also when it dies or the registry is away between any two steps.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { compactVerify } from 'jose';
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memberOf, parseClientId, parseSecurityServerId, type LogOrigin } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { SoftwareToken } from '../../src/keys/software-token.js';
import {
  enrolServer,
  registerClient,
  untilDecided,
  type EnrolmentParts,
} from '../../src/registration/enrol.js';
import { ManagementRequests } from '../../src/registration/management-requests.js';
import { httpRegistry } from '../../src/registration/registry.js';
import { createState, type StateDatabase } from '../../src/state/state-database.js';
import { folder, type Folder } from '../keys/openssl.js';
import { PilotRegistry } from './pilot-registry.js';

const PIN = 'pin-pin-pin';
const server = parseSecurityServerId('VN/GOV/10006/ss1');
const owner = memberOf(server);
let dir: Folder;
let database: StateDatabase;
let registry: PilotRegistry;
let nowMs: number;
let parts: EnrolmentParts;
let enrolment: Parameters<typeof enrolServer>[1];

function open(): EnrolmentParts {
  const token = SoftwareToken.open(dir.file('token.json'), PIN);
  const requests = new ManagementRequests({
    database,
    token,
    registry: registry.call,
    server,
    clock: () => nowMs,
  });
  return { token, registry: registry.call, requests, server, report: () => undefined };
}

beforeEach(() => {
  dir = folder();
  database = createState(dir.file('state.db'));
  registry = new PilotRegistry(dir);
  nowMs = 1_760_000_000_000;
  const token = SoftwareToken.create(dir.file('token.json'), PIN);
  token.generateKey({ usage: 'log', name: 'server' });
  const origin = 'vn.test/log/VN/GOV/10006/ss1' as LogOrigin;
  enrolment = {
    address: 'https://ss1.test:5500',
    dns: ['ss1.test', '127.0.0.1'],
    enrolmentToken: 'token',
    logs: [{ origin, key: vkeyOf(origin, token.logKey('server')) }],
  };
  parts = open();
});
afterEach(() => {
  database.close();
  dir.remove();
});

const claimsOf = (compact: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

describe('a new server', () => {
  test('asks with both its keys for what it registers', async () => {
    const status = await enrolServer(parts, enrolment);
    expect(status).toMatchObject({ type: 'register-server', state: 'waiting' });
    const [sent] = registry.submitted;
    const payloads = await Promise.all(
      sent!.request.map(async (compact, index) => {
        const certificate = new X509Certificate(Buffer.from(sent!.certificates[index] ?? '', 'base64'));
        const { payload, protectedHeader } = await compactVerify(compact, certificate.publicKey);
        expect(protectedHeader.typ).toBe('management-request+jws');
        return Buffer.from(payload).toString();
      }),
    );
    expect(payloads[0]).toBe(payloads[1]);
    expect(JSON.parse(payloads[0] ?? '')).toMatchObject({
      ...{ v: 1, instance: 'VN', type: 'register-server', member: owner, server, exp: nowMs / 1000 + 240 },
      ...{
        address: 'https://ss1.test:5500',
        signing: sent!.certificates[0],
        authentication: sent!.certificates[1],
      },
      logs: enrolment.logs,
    });
    expect(parts.token.authentication().certificate.subject).toContain('CN=VN/GOV/10006/ss1');
  });

  test('sees the decision and its reason', async () => {
    const waiting = await enrolServer(parts, enrolment);
    registry.state = 'declined';
    registry.reason = 'the address is another one';
    const decided = await untilDecided(parts.requests, waiting, async () => undefined);
    expect(decided).toMatchObject({ state: 'declined', reason: 'the address is another one' });
    expect(parts.requests.list()).toEqual([decided]);
    // Asked again after what was wrong is mended: a new request.
    registry.state = 'approved';
    const again = await enrolServer(parts, { ...enrolment, address: 'https://ss2.test:5500' });
    expect(again.state).toBe('approved');
    expect(again.seq).toBeGreaterThan(decided.seq);
    expect(await untilDecided(parts.requests, again, () => Promise.reject(new Error('asked')))).toEqual(
      again,
    );
  });

  test('killed or cut off around any call goes on: one pair of keys, one request', async () => {
    const cut = new Set<string>();
    registry.fault = (when, what) => {
      if (cut.has(`${when} ${what}`)) return;
      cut.add(`${when} ${what}`);
      throw new Error('the line is cut');
    };
    let attempts = 0;
    const attempt = async (): Promise<string> => {
      attempts++;
      return enrolServer(open(), enrolment).then(
        ({ state }) => state,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'registry_unreachable' });
          return attempt();
        },
      );
    };
    expect(await attempt()).toBe('waiting');
    expect(attempts).toBe(cut.size + 1);
    expect(registry.submitted).toHaveLength(1);
    expect(
      open()
        .token.keys()
        .filter(({ usage }) => usage === 'signing' || usage === 'authentication'),
    ).toHaveLength(2);
  });

  /** Sends the request; the answer to it is lost. */
  async function loseAnswer(): Promise<void> {
    registry.fault = (when, what) => {
      if (when === 'after' && what === 'POST /management-requests') throw new Error('the line is cut');
    };
    await expect(enrolServer(parts, enrolment)).rejects.toMatchObject({ code: 'registry_unreachable' });
    registry.fault = () => undefined;
    expect(parts.requests.list()).toMatchObject([{ state: 'signed' }]);
  }

  test('whose request arrived and was not answered gets its handle by the same octets', async () => {
    await loseAnswer();
    const status = await enrolServer(open(), enrolment);
    expect(status.state).toBe('waiting');
    expect(registry.submitted).toHaveLength(1);
    registry.state = 'approved';
    expect(await parts.requests.refresh(status.seq)).toMatchObject({ state: 'approved' });
  });

  test('whose request was declined unnoticed learns it, with the reason, however late', async () => {
    await loseAnswer();
    registry.state = 'declined';
    registry.reason = 'the contract is not signed';
    nowMs += 3_600_000;
    registry.refuse = () => 'message_expired';
    expect(await enrolServer(open(), enrolment)).toMatchObject({
      state: 'declined',
      reason: 'the contract is not signed',
    });
    expect(registry.submitted).toHaveLength(1);
    expect(parts.requests.list()).toHaveLength(1);
  });

  test('whose state was lost while a request of it waits is settled by the configuration', async () => {
    registry.refuse = () => 'request_pending';
    const status = await enrolServer(parts, enrolment);
    expect(status.state).toBe('waiting');
    expect(await parts.requests.refresh(status.seq)).toEqual(status);
    expect(await enrolServer(parts, enrolment)).toEqual(status);
    parts.requests.settle('register-server', server);
    expect(await parts.requests.refresh(status.seq)).toMatchObject({ state: 'approved' });
  });

  test('whose pending request was declined meanwhile asks again', async () => {
    registry.refuse = () => 'request_pending';
    const status = await enrolServer(parts, enrolment);
    nowMs += 3_600_000;
    registry.refuse = ({ request }) =>
      claimsOf(request[0])['seq'] === status.seq ? 'message_expired' : undefined;
    expect(await enrolServer(parts, enrolment)).toMatchObject({ state: 'waiting' });
    expect(parts.requests.list()).toHaveLength(2);
    expect(parts.requests.list()[1]).toEqual({ ...status, state: 'lost' });
  });

  test('whose request never arrived in its time signs another', async () => {
    registry.fault = (_when, what) => {
      if (what === 'POST /management-requests') throw new Error('away');
    };
    await expect(enrolServer(parts, enrolment)).rejects.toMatchObject({ code: 'registry_unreachable' });
    expect(parts.requests.list()).toMatchObject([{ state: 'signed' }]);
    nowMs += 241_000;
    registry.fault = () => undefined;
    registry.refuse = ({ request }) =>
      claimsOf(request[0])['exp'] === nowMs / 1000 + 240 ? undefined : 'message_expired';
    expect(await enrolServer(parts, enrolment)).toMatchObject({ state: 'waiting' });
    expect(parts.requests.list().map(({ state }) => state)).toEqual(['waiting', 'lost']);
  });

  test("whose request is refused as somebody else's is told so", async () => {
    registry.refuse = () => 'message_replayed';
    await expect(enrolServer(parts, enrolment)).rejects.toMatchObject({ code: 'message_replayed' });
    expect(parts.requests.list()).toMatchObject([{ state: 'lost' }]);
  });

  test('with a wrong token, or against something that is no registry, is told so', async () => {
    await expect(enrolServer(parts, { ...enrolment, enrolmentToken: 'other' })).rejects.toMatchObject({
      code: 'enrolment_token_invalid',
    });
    for (const answer of [
      { status: 201, text: '{}' },
      { status: 201, text: 'null' },
      { status: 201, text: 'not JSON' },
      { status: 500, text: '{}' },
      { status: 403, text: '{"code":"nonsense"}' },
    ])
      await expect(enrolServer({ ...parts, registry: async () => answer }, enrolment)).rejects.toMatchObject({
        code: 'registry_unreachable',
      });
    // A certificate for a key that is not ours.
    const stranger = registry.certify(await otherRequest());
    const wrong = { status: 201, text: JSON.stringify({ certificate: stranger }) };
    await expect(enrolServer({ ...parts, registry: async () => wrong }, enrolment)).rejects.toMatchObject({
      code: 'key_invalid',
    });
  });
});

/** A request of a key that is not in the token. */
async function otherRequest(): Promise<string> {
  const other = SoftwareToken.create(dir.file('another.json'), PIN);
  return other.certificateRequest(other.generateKey({ usage: 'authentication' }).id, {
    subject: { CN: 'a' },
  });
}

describe('a client', () => {
  const client = parseClientId('VN/GOV/10007/civil-status');

  beforeEach(async () => {
    await enrolServer(parts, enrolment);
    registry.submitted.length = 0;
  });
  const claims = (): Record<string, unknown> => claimsOf(registry.submitted[0]!.request[0]);

  test('of another member brings its own signing certificate, and signs with it', async () => {
    await registerClient(parts, client, { enrolmentToken: 'token', isListed: () => false });
    const signing = parts.token.signingKey(memberOf(client)).certificate.raw.toString('base64');
    expect(claims()).toMatchObject({ type: 'register-client', member: 'VN/GOV/10007', client, signing });
    expect(registry.submitted[0]!.certificates[0]).toBe(signing);
  });

  test('of a member that is listed needs no token and brings nothing', async () => {
    const own = parseClientId('VN/GOV/10006/population');
    await registerClient(parts, own, { isListed: (member) => member === owner });
    expect(claims()).not.toHaveProperty('signing');
    await registerClient(parts, own, { isListed: () => true });
    expect(registry.submitted).toHaveLength(1);
  });

  test('of a new member without a token is refused before anything is sent', async () => {
    await expect(registerClient(parts, client, { isListed: () => false })).rejects.toMatchObject({
      code: 'enrolment_token_invalid',
    });
    expect(registry.submitted).toHaveLength(0);
  });

  test('that the registry refuses leaves a request that is lost, and the code', async () => {
    const refusing = async () => ({
      status: 409,
      text: JSON.stringify({ code: 'already_registered', rule: 'r1' }),
    });
    const requests = new ManagementRequests({
      database,
      token: parts.token,
      registry: refusing,
      server,
      clock: () => nowMs,
    });
    await expect(
      registerClient({ ...parts, requests }, parseClientId('VN/GOV/10006/a'), { isListed: () => true }),
    ).rejects.toMatchObject({ code: 'already_registered', rule: 'r1' });
    expect(requests.list()[0]).toMatchObject({ state: 'lost' });
    await expect(requests.refresh(1)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('over HTTP', () => {
  test('sends JSON, reads the answer, and stops at a bound', async () => {
    let large = false;
    const http = createServer((request, response) => {
      request
        .on('data', () => undefined)
        .on('end', () => {
          response.statusCode = 202;
          response.end(
            large ? 'x'.repeat(300_000) : JSON.stringify({ method: request.method, url: request.url }),
          );
        });
    }).listen(0);
    try {
      const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
      const answer = await httpRegistry(base)('POST', '/a', {});
      expect(answer).toEqual({ status: 202, text: '{"method":"POST","url":"/a"}' });
      large = true;
      await expect(httpRegistry(base)('GET', '/a')).rejects.toThrow(RangeError);
    } finally {
      http.close();
      http.closeAllConnections();
    }
    await expect(httpRegistry('http://127.0.0.1:1')('GET', '/a')).rejects.toThrow();
  });
});
