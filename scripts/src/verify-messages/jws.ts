// JSON Web Signatures in compact form (RFC 7515), as strictly as docs/protocol.md wants them.
import { constants, verify, type KeyObject } from 'node:crypto';
import { prove, type Rule } from './finding.js';
import { decode, digestOf, parseStrict, type Json } from './octets.js';

export interface Jws {
  readonly header: Json;
  readonly payload: Json;
  readonly payloadOctets: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
  /** base64url(SHA-256(signing input)): for a message its id. */
  readonly mid: string;
}

/** Half the order of P-256: a signature with a greater s could be altered without the key. */
const P256_HALF = BigInt('0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8');
const HEADERS = {
  certificate: ['alg', 'typ', 'x5t#S256', 'iat'],
  key: ['alg', 'typ', 'kid', 'iat'],
};

/** @param by whether a certificate or a raw key signs this type */
export function parseJws(compact: string, by: keyof typeof HEADERS): Jws {
  const parts = compact.split('.');
  prove(parts.length === 3, 'form', 'a compact JWS has three parts');
  const [header = '', payload = '', signature = ''] = parts;
  const payloadOctets = decode(payload, 'base64url');
  const jws = {
    header: parseStrict(decode(header, 'base64url')),
    payload: parseStrict(payloadOctets),
    payloadOctets,
    signingInput: `${header}.${payload}`,
    signature: decode(signature, 'base64url'),
  };
  const names = Object.keys(jws.header);
  const isComplete = HEADERS[by].every((name) => names.includes(name) || (by === 'key' && name === 'iat'));
  prove(isComplete && names.every((name) => HEADERS[by].includes(name)), 'form', `header ${names.join()}`);
  return { ...jws, mid: digestOf(Buffer.from(jws.signingInput)) };
}

function fits(key: KeyObject, alg: string): boolean {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (alg === 'ES256') return key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1';
  if (alg === 'EdDSA') return key.asymmetricKeyType === 'ed25519';
  return (alg === 'RS256' || alg === 'PS256') && key.asymmetricKeyType === 'rsa' && modulusLength >= 2048;
}

/** @param alg the one that is listed for the key: the header must agree */
export function verifyJws(jws: Jws, key: KeyObject, alg: string, rule: Rule = 'signature'): void {
  prove(jws.header['alg'] === alg && fits(key, alg), rule, `alg and key are not for ${alg}`);
  const { signature } = jws;
  if (alg === 'ES256') {
    prove(signature.length === 64, rule, 'an ES256 signature is r and s, 64 octets');
    prove(BigInt(`0x${signature.toString('hex', 32)}`) <= P256_HALF, rule, 's is not the low one');
  }
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const how = { key, dsaEncoding: 'ieee-p1363' as const, ...(alg === 'PS256' ? pss : {}) };
  const isGood = verify(alg === 'EdDSA' ? null : 'sha256', Buffer.from(jws.signingInput), how, signature);
  prove(isGood, rule, 'the signature does not verify');
}
