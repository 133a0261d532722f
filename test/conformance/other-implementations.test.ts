// Judges that we did not write: npm's jose, openssl, and Wycheproof's attacks on signatures.
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { CompactSign, compactVerify } from 'jose';
import {
  codeOf,
  commit,
  completeJws,
  decodeBase64url,
  encodeSigningInput,
  lowS,
  parseJws,
  parseMessageHeader,
  parseRequestEnvelope,
  parseRight,
  signOctets,
  verifySignature,
  type JsonObject,
  type ParsedJws,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';
import { privateKey, publicKey, vectorsOf, type KeyName } from './vectors.js';

const PAIRS: readonly (readonly [SignatureAlgorithm, KeyName])[] = [
  ['ES256', 'ec'],
  ['RS256', 'rsa'],
  ['PS256', 'rsa'],
  ['EdDSA', 'ed25519'],
];

describe('jose', () => {
  test.each(PAIRS)('verifies what we sign with %s', async (alg, name) => {
    const input = encodeSigningInput({ alg, typ: 'exchange-request+jws' }, { v: 1 });
    const ours = completeJws(input, signOctets(alg, privateKey(name), Buffer.from(input)));
    const { payload } = await compactVerify(ours, publicKey(name), { algorithms: [alg] });
    expect(Buffer.from(payload).toString()).toBe('{"v":1}');
    await expect(compactVerify(`${ours.slice(0, -8)}AAAAAAAA`, publicKey(name))).rejects.toThrow();
  });

  test.each(PAIRS)('signs what we verify with %s, once s is low', async (alg, name) => {
    const theirs = parseJws(
      await new CompactSign(Buffer.from('{"v":1}'))
        .setProtectedHeader({ alg, typ: 'exchange-request+jws' })
        .sign(privateKey(name)),
    );
    const jws = alg === 'ES256' ? { ...theirs, signature: lowS(theirs.signature) } : theirs;
    expect(() => verifySignature(jws, publicKey(name), alg)).not.toThrow();
    expect(() =>
      verifySignature({ ...jws, signingInput: `${jws.signingInput}A` }, publicKey(name), alg),
    ).toThrow(expect.objectContaining({ code: 'signature_invalid' }));
  });

  test('signs an access right that we verify and read', async () => {
    const right = {
      v: 1,
      id: '01990000-0000-7000-8000-000000000000',
      rev: 1,
      provider: 'VN/GOV/G12/civil-status',
      consumer: { client: 'VN/GOV/G05/portal' },
      service: 'VN/GOV/G12/civil-status/births',
      attributes: [],
      endpoints: [{ method: 'GET', path: '/births/*' }],
      purposes: [],
      from: 0,
      state: 'granted',
      reason: 'agreed',
      decidedBy: 'p1',
    };
    const header = { alg: 'ES256', typ: 'right+jws', 'x5t#S256': 'A'.repeat(43), iat: 1 };
    const theirs = parseJws(
      await new CompactSign(Buffer.from(JSON.stringify(right)))
        .setProtectedHeader(header)
        .sign(privateKey('ec')),
    );
    expect(parseMessageHeader(theirs.header)).toEqual(header);
    expect(parseRight(theirs.payload)).toEqual(right);
    const jws = { ...theirs, signature: lowS(theirs.signature) };
    expect(() => verifySignature(jws, publicKey('ec'), 'ES256')).not.toThrow();
    expect(() => verifySignature(jws, publicKey('ec2'), 'ES256')).toThrow(
      expect.objectContaining({ code: 'signature_invalid' }),
    );
  });

  test('verifies every good envelope of the vectors', async () => {
    const good = vectorsOf<{ compact: string; key: KeyName }, unknown>('envelopes').filter(
      (vector) => vector.expect === 'ok',
    );
    for (const { input } of good) await compactVerify(input.compact, publicKey(input.key));
    expect(good.length).toBeGreaterThan(10);
  });
});

describe('openssl', () => {
  test('computes our commitments from salt and octets, joined', () => {
    const folder = mkdtempSync(join(tmpdir(), 'onceway-'));
    try {
      const [vector] = vectorsOf<{ salt: string; octets: string; digest: string }, unknown>('commitments');
      if (vector === undefined) throw new TypeError('no vector');
      const salt = decodeBase64url(vector.input.salt);
      const octets = Buffer.from(vector.input.octets);
      const file = join(folder, 'joined');
      writeFileSync(file, Buffer.concat([salt, octets]));
      const digest = execFileSync('openssl', ['dgst', '-sha256', '-binary', file]).toString('base64url');
      expect(digest).toBe(vector.input.digest);
      expect(commit(salt, octets)).toBe(digest);
      writeFileSync(file, octets);
      expect(execFileSync('openssl', ['dgst', '-sha256', '-binary', file]).toString('base64url')).not.toBe(
        digest,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('verifies an RS256 envelope over protected.payload', () => {
    const folder = mkdtempSync(join(tmpdir(), 'onceway-'));
    try {
      const [vector] = vectorsOf<{ compact: string }, unknown>('envelopes');
      const { jws } = parseRequestEnvelope(vector?.input.compact ?? '');
      writeFileSync(join(folder, 'key'), publicKey('rsa').export({ format: 'pem', type: 'spki' }));
      writeFileSync(join(folder, 'signature'), jws.signature);
      writeFileSync(join(folder, 'input'), jws.signingInput);
      const verify = (): string =>
        execFileSync('openssl', ['dgst', '-sha256', '-verify', 'key', '-signature', 'signature', 'input'], {
          cwd: folder,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      expect(verify()).toContain('Verified OK');
      writeFileSync(join(folder, 'input'), `${jws.signingInput}A`);
      expect(verify).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const WYCHEPROOF = fileURLToPath(
  new URL('../../../../shared/vectors/wycheproof/json_web_signature_test.json', import.meta.url),
);

interface Group {
  readonly comment?: string;
  readonly public?: JsonObject;
  readonly private?: JsonObject;
  readonly tests: readonly { tcId: number; comment: string; jws: unknown; result: string }[];
}

// The vectors are somebody else's and lie beside the repository, not in it.
const describeWycheproof = existsSync(WYCHEPROOF) ? describe : describe.skip;

describeWycheproof('Wycheproof JWS (skipped where ../shared/vectors/wycheproof is missing)', () => {
  const SUPPORTED: readonly string[] = ['ES256', 'RS256', 'PS256'];

  /** Its payloads are no JSON, so that only the signature's layer can be judged, and the header as it is read there. */
  function verifyOnly(compact: string, key: JsonObject): void {
    const [header = '', payload, signature, ...more] = compact.split('.');
    if (payload === undefined || signature === undefined || more.length > 0)
      throw new TypeError('not three parts');
    const jws: ParsedJws = {
      compact,
      signingInput: `${header}.${payload}`,
      header: JSON.parse(decodeBase64url(header).toString('utf8')) as JsonObject,
      payload: {},
      payloadOctets: decodeBase64url(payload),
      signature: decodeBase64url(signature),
    };
    if (Object.hasOwn(jws.header, 'jwk')) throw new TypeError('parseJws refuses jwk');
    const alg = key['alg'] as SignatureAlgorithm;
    const usable = alg === 'ES256' ? { ...jws, signature: lowS(jws.signature) } : jws;
    verifySignature(usable, createPublicKey({ key: key as Record<string, string>, format: 'jwk' }), alg);
  }

  const { testGroups } = existsSync(WYCHEPROOF)
    ? (JSON.parse(readFileSync(WYCHEPROOF, 'utf8')) as { testGroups: Group[] })
    : { testGroups: [] };
  const cases = testGroups.flatMap((group) => {
    const key = group.public ?? group.private ?? {};
    // Keys come from certificates here, never from JWKs: their `use` and `key_ops` are not ours to judge.
    const judged = key['use'] !== 'enc' && JSON.stringify(key['key_ops']) !== '["encrypt"]';
    return judged ? group.tests.map((vector) => ({ key, vector })) : [];
  });

  test('takes every valid signature of ours, and nothing else', () => {
    let taken = 0;
    for (const { key, vector } of cases) {
      const { jws } = vector;
      let outcome = 'ok';
      try {
        if (typeof jws !== 'string') throw new TypeError('JSON serialisation');
        verifyOnly(jws, key);
      } catch {
        outcome = 'refused';
      }
      const algOf = (compact: string): unknown =>
        (JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString()) as JsonObject)['alg'];
      const ours =
        vector.result === 'valid' &&
        SUPPORTED.includes(key['alg'] as string) &&
        algOf(jws as string) === key['alg'];
      expect([vector.tcId, vector.comment, outcome]).toEqual([
        vector.tcId,
        vector.comment,
        ours ? 'ok' : 'refused',
      ]);
      if (ours) taken++;
    }
    expect(taken).toBeGreaterThan(10);
    expect(cases.length - taken).toBeGreaterThan(200);
  });

  test('refuses every one as an envelope', () => {
    for (const { vector } of cases) {
      if (typeof vector.jws !== 'string') continue;
      let outcome = 'ok';
      try {
        parseRequestEnvelope(vector.jws);
      } catch (error) {
        outcome = codeOf(error);
      }
      expect([vector.tcId, outcome]).toEqual([vector.tcId, 'envelope_invalid']);
    }
  });
});
