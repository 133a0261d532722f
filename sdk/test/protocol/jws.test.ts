// Compact JWS: bounds, keys and the one form of a signature; vectors and other implementations are in test/conformance.
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  algorithmOf,
  codeOf,
  completeJws,
  ENVELOPE_BYTES_MAX,
  encodeJws,
  encodeRequestEnvelope,
  lowS,
  messageIdOf,
  parseJws,
  parseRequestEnvelope,
  sha256,
  signOctets,
  verifyOctets,
  verifySignature,
  type Digest,
  type RequestClaims,
} from '../../src/protocol/index.js';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const digest = 'A'.repeat(43) as Digest;
const signEc = (input: Uint8Array): Buffer => signOctets('ES256', ec.privateKey, input);

const claims = {
  v: 1,
  jti: '01930b5e-8f00-7000-8000-000000000003',
  exp: 1764000060,
  iss: 'VN/GOV/G05/portal',
  aud: 'VN/GOV/G12/civil-status/births',
  server: 'VN/GOV/G05/ss1',
  to: 'VN/GOV/G12/ss1',
  cfg: { seq: 7, digest },
  log: { origin: 'onceway.example/log/x', size: 1, root: digest },
  head: { digest },
  body: null,
} as RequestClaims;

describe('compact JWS', () => {
  test('any change of one octet of a sealed envelope is refused', () => {
    const unsigned = encodeRequestEnvelope({ alg: 'ES256', certificate: digest, iat: 1764000000 }, claims);
    const sealed = completeJws(unsigned.signingInput, signEc(Buffer.from(unsigned.signingInput)));
    const open = (compact: string): void => {
      verifySignature(parseRequestEnvelope(compact).jws, ec.publicKey, 'ES256');
    };
    open(sealed);
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const octets = Buffer.from(sealed, 'latin1');
        octets.writeUInt8(octets.readUInt8(place) ^ change, place);
        let code = 'ok';
        try {
          open(octets.toString('latin1'));
        } catch (error) {
          code = codeOf(error);
        }
        expect(['envelope_invalid', 'signature_invalid']).toContain(code);
      }),
      { numRuns: 1000 },
    );
  });

  test('what is written is read', () => {
    const compact = encodeJws({ alg: 'ES256', typ: 'x+jws' }, { v: 1, gone: undefined, ổ: [null] }, signEc);
    const jws = parseJws(compact);
    expect(jws).toMatchObject({
      compact,
      header: { alg: 'ES256', typ: 'x+jws' },
      payload: { v: 1, ổ: [null] },
    });
    expect(jws.payloadOctets.toString()).toBe('{"v":1,"ổ":[null]}');
    expect(() => verifySignature(jws, ec.publicKey, 'ES256')).not.toThrow();
  });

  test('the message id is over what is signed, not over the signature', () => {
    const [one, other] = [1, 2].map(() => parseJws(encodeJws({ alg: 'ES256' }, { v: 1 }, signEc)));
    if (one === undefined || other === undefined) throw new TypeError('two');
    expect(one.signature.equals(other.signature)).toBe(false);
    expect(messageIdOf(one)).toBe(messageIdOf(other));
    expect(messageIdOf(one)).toBe(sha256(Buffer.from(one.signingInput)).toString('base64url'));
  });

  test.each([
    ['three parts are needed', 'e30.e30', 'envelope_invalid'],
    ['padding', 'e30=.e30.AA', 'base64url_invalid'],
    ['a dot in the third part', 'e30.e30.AA.AA', 'base64url_invalid'],
    ['a header that is an array', 'W10.e30.AA', 'json_invalid'],
    ['a payload with a blank', `e30.${Buffer.from('{ }').toString('base64url')}.AA`, 'json_invalid'],
    [
      'a payload that is not UTF-8',
      `e30.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.AA`,
      'json_invalid',
    ],
    ['more than the bound', `e30.${'A'.repeat(ENVELOPE_BYTES_MAX)}.AA`, 'envelope_invalid'],
  ])('refuses: %s', (_what, compact, code) => {
    expect(() => parseJws(compact)).toThrow(expect.objectContaining({ code }));
  });

  test.each(['crit', 'b64', 'jwk', 'jku', 'x5u', 'zip'])('refuses the header member %s', (name) => {
    const compact = encodeJws({ alg: 'ES256', [name]: null }, {}, signEc);
    expect(() => parseJws(compact)).toThrow(expect.objectContaining({ code: 'envelope_invalid' }));
  });

  test('a header that comes again is judged as it was the first time, and nobody can change what is kept', () => {
    const good = encodeJws({ alg: 'ES256', typ: 'again+jws' }, { v: 1 }, signEc);
    const { header } = parseJws(good);
    expect(() => Object.assign(header, { alg: 'none' })).toThrow(TypeError);
    expect(parseJws(good).header).toEqual({ alg: 'ES256', typ: 'again+jws' });
    const bad = encodeJws({ alg: 'ES256', jku: 'x' }, {}, signEc);
    for (let i = 0; i < 2; i++)
      expect(() => parseJws(bad)).toThrow(expect.objectContaining({ code: 'envelope_invalid' }));
    // Far more than are kept.
    for (let i = 0; i < 200; i++) {
      const jws = parseJws(encodeJws({ alg: 'ES256', iat: i }, {}, signEc));
      expect(jws.header['iat']).toBe(i);
    }
    expect(parseJws(good).header['typ']).toBe('again+jws');
  });

  test('kid is for the caller to judge: raw keys have it', () => {
    expect(parseJws(encodeJws({ alg: 'EdDSA', kid: 'a' }, {}, signEc)).header['kid']).toBe('a');
  });

  test('a larger bound may be given', () => {
    const compact = encodeJws({}, { document: 'x'.repeat(ENVELOPE_BYTES_MAX) }, signEc);
    expect(() => parseJws(compact)).toThrow(expect.objectContaining({ code: 'envelope_invalid' }));
    expect(parseJws(compact, 1024 * 1024).payload['document']).toHaveLength(ENVELOPE_BYTES_MAX);
  });
});

describe('keys', () => {
  test('each has its algorithm, or none', () => {
    expect(algorithmOf(ec.publicKey)).toBe('ES256');
    expect(algorithmOf(ed25519.privateKey)).toBe('EdDSA');
    expect(algorithmOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)).toBe('RS256');
    expect(algorithmOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey)).toBe('PS256');
    expect(algorithmOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)).toBeUndefined();
    expect(algorithmOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)).toBeUndefined();
    expect(algorithmOf(generateKeyPairSync('ed448').publicKey)).toBeUndefined();
    expect(algorithmOf(generateKeyPairSync('x25519').publicKey)).toBeUndefined();
  });

  test('signing with a key that does not fit is a mistake of the program', () => {
    expect(() => signOctets('RS256', ec.privateKey, Buffer.alloc(1))).toThrow(TypeError);
    expect(() => lowS(Buffer.alloc(63))).toThrow(TypeError);
  });

  test('of the two forms of a signature only the one with low s is taken, and is what lowS makes', () => {
    const input = Buffer.from('x');
    let high = 0;
    for (let i = 0; i < 40; i++) {
      const raw = sign('sha256', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
      const low = lowS(Buffer.from(raw));
      expect(() => verifyOctets('ES256', ec.publicKey, input, low)).not.toThrow();
      if (low.equals(raw)) continue;
      high++;
      expect(() => verifyOctets('ES256', ec.publicKey, input, raw)).toThrow(
        expect.objectContaining({ code: 'signature_invalid' }),
      );
    }
    expect(high).toBeGreaterThan(0);
  });
});
