// npm's jose as the judge of everything that is signed for the registry or by it: what we hand out it verifies, what it
// signs we take.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { Delegation } from '@onceway/schemas';
import { digestOf, lowS, parseConfigurationBundle, type RawKey } from '@onceway/sdk/protocol';
import { verifyDelegations } from '@onceway/sdk/verify';
import { CompactSign, compactVerify } from 'jose';
import {
  createPilotRegistry,
  officersPath,
  SigningServer,
  type Answer,
  type Certified,
  type PilotRegistry,
} from './pilot-registry.js';

const SERVICE = 'VN/GOV/MOJ/civil/registrations';
let pilot: PilotRegistry;
let server: SigningServer;
beforeAll(async () => {
  pilot = await createPilotRegistry();
  server = await SigningServer.create(pilot, 'VN/GOV/MOJ/ss1');
});
afterAll(() => pilot.end());

const keyOf = ({ publicKey }: RawKey): KeyObject =>
  createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
const keyIn = (der: Buffer): KeyObject => new X509Certificate(der).publicKey;
/** Fails where the signature or the type is another; the payload otherwise. */
async function judge(compact: string, key: KeyObject, typ: string): Promise<unknown> {
  const { payload, protectedHeader } = await compactVerify(compact, key, { algorithms: ['ES256', 'EdDSA'] });
  expect(protectedHeader.typ).toBe(typ);
  return JSON.parse(Buffer.from(payload).toString());
}

/** As another program would sign with jose; of the two values of s that ES256 allows we take the low one only. */
async function signByJose(
  typ: string,
  payload: object,
  { key, der }: Certified,
  s: (signature: Buffer) => Buffer = lowS,
): Promise<string> {
  const iat = Math.floor(pilot.clockMs / 1000);
  const [header, body, signature = ''] = (
    await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'ES256', typ, 'x5t#S256': digestOf(der), iat })
      .sign(key)
  ).split('.');
  return `${header}.${body}.${s(Buffer.from(signature, 'base64url')).toString('base64url')}`;
}

/** n − s for a low s: as valid to jose, and another signature over the same octets. */
function highS(signature: Buffer): Buffer {
  const low = lowS(signature);
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const s = order - BigInt(`0x${low.subarray(32).toString('hex')}`);
  return Buffer.concat([low.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
}

test('the configuration: jose verifies the delegation by the root, and the head by what it delegates to', async () => {
  const bundle = parseConfigurationBundle((await pilot.ask('GET', '/configuration')).body);
  const { anchor } = pilot;
  const [root] = anchor.roots.keys;
  if (root === undefined) throw new TypeError('no root');
  const [[delegation = ''] = []] = bundle.delegations;
  const { configuration } = (await judge(delegation, keyOf(root), 'delegation+jws')) as Delegation;
  expect(configuration.keys).toEqual(verifyDelegations(bundle.delegations, anchor).keys);
  const [key] = configuration.keys;
  if (key === undefined) throw new TypeError('no configuration key');
  const [head = ''] = bundle.head;
  expect(await judge(head, keyOf(key), 'configuration+jws')).toMatchObject({ instance: 'VN' });
  await expect(compactVerify(head, keyOf(root))).rejects.toThrow();
});

describe('a management request', () => {
  const submit = async (payload: object, s?: (signature: Buffer) => Buffer): Promise<Answer> =>
    pilot.ask('POST', '/management-requests', {
      request: [
        await signByJose('management-request+jws', payload, server.signing, s),
        await signByJose('management-request+jws', payload, server.authentication),
      ],
      certificates: [server.signing, server.authentication].map(({ der }) => der.toString('base64')),
    });

  test('that jose signs is taken, and verified by jose as an auditor finds it', async () => {
    const payload = server.registration();
    const submitted = await submit(payload);
    expect(submitted).toMatchObject({ status: 202, body: { state: 'waiting' } });
    const path = officersPath(pilot, submitted);
    expect((await pilot.manage('registration-officer', 'POST', `${path}/approval`)).status).toBe(200);
    const { request, certificates } = (await pilot.manage('auditor', 'GET', path)).body as {
      request: string[];
      certificates: string[];
    };
    for (const [index, compact] of request.entries()) {
      const key = keyIn(Buffer.from(certificates[index] ?? '', 'base64'));
      expect(await judge(compact, key, 'management-request+jws')).toEqual(payload);
    }
  });

  test('whose signature jose takes in its other form is refused: one statement has one form', async () => {
    const payload = server.payload('register-client', { client: 'VN/GOV/MOJ/civil' });
    expect(await submit(payload, highS)).toMatchObject({ status: 400, body: { code: 'signature_invalid' } });
    const path = officersPath(pilot, await submit(payload));
    await pilot.manage('registration-officer', 'POST', `${path}/approval`);
  });
});

describe('a description', () => {
  const claims = () => ({
    v: 1,
    service: SERVICE,
    rev: 1,
    issued: Math.floor(pilot.clockMs / 1000),
    document: JSON.stringify({ openapi: '3.1.0', info: { title: 'Civil status', version: '1' }, paths: {} }),
  });
  const path = `/catalogue/${encodeURIComponent(SERVICE)}`;
  const put = async (s?: (signature: Buffer) => Buffer): Promise<Answer> =>
    pilot.ask('PUT', path, {
      description: await signByJose('description+jws', claims(), server.signing, s),
    });

  test('that jose signs is taken, with s low, and verified by jose as the catalogue hands it out', async () => {
    expect(await put(highS)).toMatchObject({ status: 400, body: { code: 'signature_invalid' } });
    expect((await put()).status).toBe(204);
    const { description } = (await pilot.ask('GET', path)).body as { description: string };
    expect(await judge(description, keyIn(server.signing.der), 'description+jws')).toEqual(claims());
    await expect(compactVerify(description, keyIn(server.authentication.der))).rejects.toThrow();
  });
});
