// What the country must refuse, tried for real: a call without right; a replayed message and an altered body, made with
// a registered server's own keys; and a server whose certificate was revoked.
import { createHash, randomBytes } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { createClient, ExchangeError } from '@onceway/sdk/client';
import {
  commit,
  completeJws,
  encodeRequestEnvelope,
  encodeRequestHead,
  formatSalts,
  memberOf,
  parseRefusalEnvelope,
  parseClientId,
  parseSecurityServerId,
  parseServiceId,
  uuidV7,
  type Digest,
  type LogOrigin,
  type RequestClaims,
} from '@onceway/sdk/protocol';
import { SoftwareToken } from '@onceway/security-server/keys/software-token';
import { SERVICES, SUBSYSTEMS } from './agencies/directory.js';
import type { Country } from './country.js';
import { managementOf } from './interface.js';

export interface Refusal {
  readonly title: string;
  readonly expected: string;
  readonly found: string;
  readonly messages: readonly string[];
}

const PORTAL = 'VN/GOV/PSP/SS-PORTAL';
const HEALTH = 'VN/GOV/MOH/SS-HEALTH';
const LIFETIME_S = 60;

/** Plays all four, in this order: the last one takes the Portal's server out of the country. */
export async function playRefusals(country: Country): Promise<readonly Refusal[]> {
  const listener = (id: string): string => serverOf(country, id).client;
  const withoutRight = await codeOf(
    listener(HEALTH),
    SUBSYSTEMS.birthNotifications,
    SERVICES.persons.id,
    '/persons/1',
  );
  const sealed = await sealPortalRequest(country, Buffer.from('{"a":1}'));
  const first = await sendToHealth(country, sealed, sealed.body);
  const second = await sendToHealth(country, sealed, sealed.body);
  const other = await sealPortalRequest(country, Buffer.from('{"a":1}'));
  const altered = await sendToHealth(country, other, Buffer.from('{"a":2}'));
  await revoke(country, PORTAL);
  const late = await sealPortalRequest(country, Buffer.from('{"a":3}'));
  const revoked = await sendToHealth(country, late, late.body);
  return [
    {
      title: 'A call without right',
      expected: 'access_denied',
      found: withoutRight.code,
      messages: withoutRight.messages,
    },
    {
      title: 'A replayed message',
      expected: 'message_replayed',
      found: first === second ? `both: ${first}` : second,
      messages: [],
    },
    { title: 'An altered body', expected: 'commitment_mismatch', found: altered, messages: [] },
    { title: 'A revoked server', expected: 'peer_not_authenticated', found: revoked, messages: [] },
  ];
}

function serverOf({ file }: Country, id: string) {
  const found = file.members.flatMap(({ servers }) => servers).find((server) => server.id === id);
  if (found === undefined) throw new TypeError(`no server ${id}`);
  return found;
}

async function codeOf(server: string, from: string, service: string, path: string) {
  const client = createClient({ server, client: from });
  try {
    const { status } = await client.call(service, { path });
    return { code: `answered ${status}`, messages: [] };
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    return {
      code: error.code as string,
      messages: error.messageId === undefined ? [] : [error.messageId as string],
    };
  } finally {
    await client.close();
  }
}

interface SealedRequest {
  readonly envelope: string;
  readonly head: Buffer;
  readonly salts: { readonly head: Buffer; readonly body: Buffer };
  readonly body: Buffer;
}

/** A request as the Portal's server would make it, with its keys. */
async function sealPortalRequest(country: Country, body: Buffer): Promise<SealedRequest> {
  const token = openToken(country);
  const iss = parseClientId(SUBSYSTEMS.lifeEvents);
  const aud = parseServiceId(SERVICES.provinces.id);
  const head = encodeRequestHead({
    method: 'POST',
    target: `/r1/${aud}/records`,
    lines: [
      ['X-Road-Client', iss],
      ['x-road-request-id', uuidV7(Date.now(), randomBytes(10))],
      ['x-road-id', `VN-${uuidV7(Date.now(), randomBytes(10))}`],
    ],
  });
  const salts = { head: randomBytes(32), body: randomBytes(32) };
  const signer = token.signingKey(memberOf(iss));
  const iat = Math.floor(Date.now() / 1000);
  const portal = serverOf(country, PORTAL);
  const claims: RequestClaims = {
    v: 1,
    jti: uuidV7(Date.now(), randomBytes(10)),
    exp: iat + LIFETIME_S,
    iss,
    aud,
    server: parseSecurityServerId(PORTAL),
    to: parseSecurityServerId(HEALTH),
    cfg: await configurationOf(country),
    log: {
      origin: (portal.logs.find(({ origin }) => origin.endsWith('/lane-0'))?.origin ?? '') as LogOrigin,
      size: 0,
      root: createHash('sha256').digest('base64url') as Digest,
    },
    head: { digest: commit(salts.head, head) },
    body: { digest: commit(salts.body, body) },
  };
  const { signingInput } = encodeRequestEnvelope(
    { alg: signer.alg, certificate: signer.certificateDigest, iat },
    claims,
  );
  const signature = await signer.sign(Buffer.from(signingInput, 'latin1'));
  return { envelope: completeJws(signingInput, signature), head, salts, body };
}

function openToken({ folders, pin }: Country): SoftwareToken {
  return SoftwareToken.open(join(folders[PORTAL] ?? '', 'token.json'), pin);
}

async function configurationOf({ file }: Country): Promise<RequestClaims['cfg']> {
  const answer = await fetch(new URL('/configuration', file.registry.distribution));
  const { head } = (await answer.json()) as { head: string[] };
  const payload = Buffer.from(head[0]?.split('.')[1] ?? '', 'base64url');
  return {
    seq: (JSON.parse(payload.toString()) as { seq: number }).seq,
    digest: createHash('sha256').update(payload).digest('base64url') as Digest,
  };
}

/** The code of what comes back: of a signed refusal, of an unsigned problem, or `answered`. */
function sendToHealth(country: Country, sealed: SealedRequest, body: Buffer): Promise<string> {
  const { key, certificate } = openToken(country).authentication();
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      new URL('/exchange', serverOf(country, HEALTH).peer),
      {
        method: 'POST',
        key: key.export({ type: 'pkcs8', format: 'pem' }),
        cert: certificate.toString(),
        // Who answers is of no interest here: only what is refused.
        rejectUnauthorized: false,
        agent: false,
        headers: {
          'exchange-message': sealed.envelope,
          'exchange-head': sealed.head.toString('base64url'),
          'exchange-salt': formatSalts(sealed.salts),
          'content-length': body.length,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.once('end', () => {
          const message = answer.headers['exchange-message'];
          if (typeof message !== 'string') return resolve((JSON.parse(text) as { code: string }).code);
          resolve(
            answer.headers['exchange-head'] === undefined
              ? parseRefusalEnvelope(message).claims.code
              : 'answered',
          );
        });
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

/** As the registry's security officer would; the other servers are told within a moment. */
async function revoke(country: Country, server: string): Promise<void> {
  const { registry, members } = country.file;
  const { certificate } = openToken(country).authentication();
  const digest = createHash('sha256').update(certificate.raw).digest('base64url');
  await managementOf(registry.management, registry.keys)(
    'security-officer',
    'POST',
    `/certificates/${digest}/revocation`,
    {
      reason: 'keyCompromise',
    },
  );
  const others = new Set(members.flatMap(({ servers }) => servers).filter(({ id }) => id !== server));
  for (const { id, management } of others)
    await managementOf(management, join(country.folders[id] ?? '', 'keys'))(
      'system-administrator',
      'POST',
      '/configuration/refresh',
    );
}
