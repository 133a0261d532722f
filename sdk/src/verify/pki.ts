// What certificates, OCSP answers and time-stamps share: pkijs loaded when first needed, strict reading of DER, and the
// signature algorithms that are accepted. Who is trusted is decided by the files that use it.
import { constants, createHash, verify, X509Certificate, type KeyObject } from 'node:crypto';
import type * as Asn1js from 'asn1js';
import type * as Pkijs from 'pkijs';
import { OncewayError, type ErrorCode } from '../protocol/errors.js';

export interface Pki {
  readonly asn1js: typeof Asn1js;
  readonly pkijs: typeof Pkijs;
}

let loading: Promise<Pki> | undefined;

/** Loading takes tens of milliseconds and megabytes, which a process that checks Merkle proofs only does not pay. */
export function loadPki(): Promise<Pki> {
  loading ??= Promise.all([import('asn1js'), import('pkijs')]).then(([asn1js, pkijs]) => ({ asn1js, pkijs }));
  return loading;
}

/** Gives everything that is thrown inside one code: parsers throw whatever they like on garbage. */
export async function underCode<T>(code: ErrorCode, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof OncewayError && cause.code === code) throw cause;
    const why = cause instanceof Error ? cause.message : 'unreadable';
    throw new OncewayError(code, `${what}: ${why}`, { cause });
  }
}

/** Reads one DER value that fills its input. Throws an Error without code. */
export function readDer({ asn1js }: Pki, der: Uint8Array, bytesMax: number): Asn1js.AsnType {
  if (der.length > bytesMax) throw new Error(`exceeds ${bytesMax} octets`);
  const { offset, result } = asn1js.fromBER(der);
  if (offset !== der.length) throw new Error('not one DER value');
  return result;
}

/** A certificate as node and as pkijs know it. Throws an Error without code. */
export interface ReadCertificate {
  readonly x509: X509Certificate;
  readonly pkijs: Pkijs.Certificate;
}

export function readCertificate(pki: Pki, der: Uint8Array, bytesMax: number): ReadCertificate {
  const schema = readDer(pki, der, bytesMax);
  const x509 = new X509Certificate(der);
  // OpenSSL reads PEM too, and lets octets follow; digests of certificates need the one form.
  if (!x509.raw.equals(der)) throw new Error('a certificate is not in DER');
  const certificate = new pki.pkijs.Certificate({ schema });
  // The one octet that no signature covers and every verifier passes over: another digest for the same certificate.
  if (certificate.signatureValue.valueBlock.unusedBits !== 0)
    throw new Error('the signature of a certificate is not whole octets');
  return { x509, pkijs: certificate };
}

/** Digest algorithms by OID; SHA-1 and MD5 are not among them. */
export const DIGESTS: ReadonlyMap<string, 'sha256' | 'sha384' | 'sha512'> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

export const SHA256_OID = '2.16.840.1.101.3.4.2.1';

// Signature algorithm → the key it goes with and its digest (RFC 5758, RFC 8017, RFC 8410).
const SIGNATURES: ReadonlyMap<string, readonly [keyType: string, digest: string | null]> = new Map([
  ['1.2.840.10045.4.3.2', ['ec', 'sha256']],
  ['1.2.840.10045.4.3.3', ['ec', 'sha384']],
  ['1.2.840.10045.4.3.4', ['ec', 'sha512']],
  ['1.2.840.113549.1.1.11', ['rsa', 'sha256']],
  ['1.2.840.113549.1.1.12', ['rsa', 'sha384']],
  ['1.2.840.113549.1.1.13', ['rsa', 'sha512']],
  ['1.3.101.112', ['ed25519', null]],
]);
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const RSA_PSS = '1.2.840.113549.1.1.10';

export interface DerSignature {
  readonly algorithm: Pkijs.AlgorithmIdentifier;
  /** OID of the digest where the algorithm leaves it open, as rsaEncryption does in CMS. */
  readonly digest?: string;
  readonly signature: Uint8Array;
}

/** Whether a signature verifies under an accepted algorithm that fits the key. Never throws for what a stranger sent. */
export function verifyDerSignature(
  { pkijs }: Pki,
  { algorithm, digest, signature }: DerSignature,
  data: Uint8Array,
  key: KeyObject,
): boolean {
  const oid = algorithm.algorithmId;
  if (oid === RSA_PSS) {
    const parameters = new pkijs.RSASSAPSSParams({ schema: algorithm.algorithmParams });
    const hash = DIGESTS.get(parameters.hashAlgorithm.algorithmId);
    if (hash === undefined || !(key.asymmetricKeyType ?? '').startsWith('rsa')) return false;
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify(hash, data, { key, padding, saltLength: parameters.saltLength }, signature);
  }
  const open = oid === RSA_ENCRYPTION ? DIGESTS.get(digest ?? '') : undefined;
  const [keyType, hash] = open === undefined ? (SIGNATURES.get(oid) ?? []) : ['rsa', open];
  if (keyType !== key.asymmetricKeyType || hash === undefined) return false;
  return verify(hash, data, key, signature);
}

export function isAcceptedSignature(algorithm: string): boolean {
  return SIGNATURES.has(algorithm) || algorithm === RSA_PSS;
}

export function octetsOf(value: { readonly valueBlock: { readonly valueHexView: Uint8Array } }): Buffer {
  return Buffer.from(value.valueBlock.valueHexView);
}

export function digestWith(hash: string, octets: Uint8Array): Buffer {
  return createHash(hash).update(octets).digest();
}
