// JSON Web Signature in compact form, as strictly as docs/protocol.md#strict-json wants it (RFC 7515, 7518, 8037).
// Synchronous, on node:crypto KeyObjects: it runs several times per message. No claim is judged here.
import { constants, hash, sign, verify, type KeyObject } from 'node:crypto';
import type { MessageId } from '@onceway/schemas';
import { OncewayError } from './errors.js';
import { ENVELOPE_BYTES_MAX } from './limits.js';
import { decodeBase64url } from './octets.js';
import { parseStrictOctets, type JsonObject } from './strict-json.js';

export type SignatureAlgorithm = 'ES256' | 'RS256' | 'PS256' | 'EdDSA';

/** A compact JWS taken apart. Nothing is verified: neither signature nor any claim. */
export interface ParsedJws {
  readonly compact: string;
  /** `protected.payload` in base64url, the octets under the signature. */
  readonly signingInput: string;
  readonly header: JsonObject;
  readonly payload: JsonObject;
  readonly payloadOctets: Buffer;
  readonly signature: Buffer;
}

/** Header members that would make a verifier fetch or trust something of the sender's, or change what is signed. */
const FORBIDDEN_MEMBERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'zip'];

/** Takes a compact JWS apart. `kid` is judged by the caller: raw keys have it, messages must not.
 *  @param bytesMax octets of the whole; the envelope's bound by default
 *  @throws {OncewayError} `envelope_invalid` (not three parts, too long, a forbidden header member),
 *  `base64url_invalid`, `json_invalid` */
export function parseJws(compact: string, bytesMax: number = ENVELOPE_BYTES_MAX): ParsedJws {
  if (compact.length > bytesMax)
    throw new OncewayError('envelope_invalid', `a JWS exceeds ${bytesMax} octets`);
  const first = compact.indexOf('.');
  const second = compact.indexOf('.', first + 1);
  // A dot in the third part is no base64url and is refused there.
  if (first < 1 || second < 0)
    throw new OncewayError('envelope_invalid', 'a JWS has three parts in its compact form');
  const header = parseHeader(compact.slice(0, first));
  const payloadOctets = decodeBase64url(compact.slice(first + 1, second));
  return {
    compact,
    signingInput: compact.slice(0, second),
    header,
    payload: parseStrictOctets(payloadOctets),
    payloadOctets,
    signature: decodeBase64url(compact.slice(second + 1)),
  };
}

/** The same signer's messages of one second have the same header: taken apart once, and frozen. */
const headers = new Map<string, JsonObject>();
const HEADERS_KEPT_MAX = 64;
const HEADER_KEPT_LENGTH_MAX = 512;

function parseHeader(text: string): JsonObject {
  const known = headers.get(text);
  if (known !== undefined) return known;
  const header = parseStrictOctets(decodeBase64url(text));
  for (const name of FORBIDDEN_MEMBERS)
    if (header[name] !== undefined) throw new OncewayError('envelope_invalid', `header member ${name}`);
  if (text.length > HEADER_KEPT_LENGTH_MAX) return header;
  if (headers.size >= HEADERS_KEPT_MAX) headers.clear();
  headers.set(text, Object.freeze(header));
  return header;
}

/** What is to be signed: `protected.payload`, members in the order given, `undefined` ones left out. */
export function encodeSigningInput(header: object, payload: object): string {
  return `${encodePart(header)}.${encodePart(payload)}`;
}

/** One part of a signing input. */
export function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Joins a signing input and its raw signature to a compact JWS. */
export function completeJws(signingInput: string, signature: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = signature;
  return `${signingInput}.${Buffer.from(buffer, byteOffset, byteLength).toString('base64url')}`;
}

/** Writes a compact JWS where the signer is synchronous; else encodeSigningInput and completeJws. */
export function encodeJws(header: object, payload: object, sign: (input: Buffer) => Uint8Array): string {
  const input = encodeSigningInput(header, payload);
  return completeJws(input, sign(Buffer.from(input, 'latin1')));
}

/** The message id: base64url(SHA-256(protected ‖ "." ‖ payload)), never over the signature
 *  (docs/protocol.md#message-id). */
export function messageIdOf(jws: Pick<ParsedJws, 'signingInput'>): MessageId {
  return hash('sha256', jws.signingInput, 'base64url') as MessageId;
}

// Order n of the group of P-256 and its half (SEC 2 §2.4.2).
const P256_ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
const P256_HALF = Buffer.from('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8', 'hex');
const RSA_BITS_MIN = 2048;
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

const algorithms = new WeakMap<KeyObject, readonly SignatureAlgorithm[]>();

function algorithmsOf(key: KeyObject): readonly SignatureAlgorithm[] {
  let fitting = algorithms.get(key);
  if (fitting === undefined) algorithms.set(key, (fitting = findAlgorithms(key)));
  return fitting;
}

function findAlgorithms(key: KeyObject): readonly SignatureAlgorithm[] {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return namedCurve === 'prime256v1' ? ['ES256'] : [];
    case 'rsa':
      return modulusLength >= RSA_BITS_MIN ? ['RS256', 'PS256'] : [];
    case 'rsa-pss':
      return modulusLength >= RSA_BITS_MIN ? ['PS256'] : [];
    case 'ed25519':
      return ['EdDSA'];
    default:
      return [];
  }
}

/** The algorithm a key signs with: ES256 for P-256, EdDSA for Ed25519, and for RSA from 2048 bits RS256, unless the
 *  configuration lists PS256 beside its certificate. `undefined`: no key that may be used. */
export function algorithmOf(key: KeyObject): SignatureAlgorithm | undefined {
  return algorithmsOf(key)[0];
}

/** Verifies the signature by a key and the one algorithm that the caller expects of it.
 *  The type (`typ`) and all claims are still to be judged.
 *  @throws {OncewayError} `signature_invalid` */
export function verifySignature(jws: ParsedJws, key: KeyObject, alg: SignatureAlgorithm): void {
  if (jws.header['alg'] !== alg) throw new OncewayError('signature_invalid', `alg is not ${alg}`);
  verifyOctets(alg, key, Buffer.from(jws.signingInput, 'latin1'), jws.signature);
}

/** Verifies a raw signature. ES256 takes r ‖ s with s ≤ n/2 only, so that nobody can alter a signature that stands
 *  in a log. @throws {OncewayError} `signature_invalid` */
export function verifyOctets(
  alg: SignatureAlgorithm,
  key: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
): void {
  if (!algorithmsOf(key).includes(alg))
    throw new OncewayError('signature_invalid', `the key does not fit ${alg}`);
  if (alg === 'ES256' && (signature.length !== 64 || P256_HALF.compare(signature, 32) < 0))
    throw new OncewayError('signature_invalid', 'not r ‖ s with s ≤ n/2');
  if (!verify(alg === 'EdDSA' ? null : 'sha256', input, parametersOf(alg, key), signature))
    throw new OncewayError('signature_invalid', 'the signature is not by this key over this');
}

/** Signs octets; raw r ‖ s with low s for ES256. */
export function signOctets(alg: SignatureAlgorithm, key: KeyObject, input: Uint8Array): Buffer {
  if (!algorithmsOf(key).includes(alg)) throw new TypeError(`the key does not fit ${alg}`);
  const signature = sign(alg === 'EdDSA' ? null : 'sha256', input, parametersOf(alg, key));
  return alg === 'ES256' ? lowS(signature) : signature;
}

function parametersOf(
  alg: SignatureAlgorithm,
  key: KeyObject,
): Parameters<typeof sign>[2] & { key: KeyObject } {
  if (alg === 'ES256') return { key, dsaEncoding: 'ieee-p1363' };
  return alg === 'PS256' ? { key, ...PSS } : { key };
}

/** Brings an ES256 signature (r ‖ s) into the one form that is accepted, in place: s or n − s, the smaller one.
 *  For signers outside this module, as PKCS#11 tokens. */
export function lowS(signature: Buffer): Buffer {
  if (signature.length !== 64) throw new TypeError('an ES256 signature is 64 octets');
  if (P256_HALF.compare(signature, 32) >= 0) return signature;
  let borrow = 0;
  for (let i = 31; i >= 0; i--) {
    const difference = P256_ORDER.readUInt8(i) - signature.readUInt8(32 + i) - borrow;
    borrow = difference < 0 ? 1 : 0;
    signature.writeUInt8(difference & 0xff, 32 + i);
  }
  return signature;
}
