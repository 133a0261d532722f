// Which keys and certificates may enter the token: judged by form and strength only; who issued one is trust's business.
import { X509Certificate, type KeyObject } from 'node:crypto';
import type { Digest } from '@onceway/schemas';
import {
  CERTIFICATE_BYTES_MAX,
  digestOf,
  OncewayError,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';

/** NIST SP 800-131A: below this an RSA key is not acceptable. */
const RSA_BITS_MIN = 2048;
/** Above this one signature takes longer than a request may wait; no authority issues them. */
const RSA_BITS_MAX = 8192;

export interface CertificateInfo {
  /** SHA-256 of the DER. */
  readonly digest: Digest;
  readonly subject: string;
  readonly issuer: string;
  readonly serialNumber: string;
  /** Seconds since 1970. */
  readonly from: number;
  readonly until: number;
  readonly pem: string;
  /** Whether it is used for signing or TLS. */
  readonly active: boolean;
}

export interface ImportedKey {
  readonly key: KeyObject;
  /** The certificate of the key. */
  readonly certificate: X509Certificate;
  /** Everything else that came along, not verified. */
  readonly chain: readonly X509Certificate[];
}

/** The algorithm a private key signs with: ES256 for P-256, RS256 for RSA where PS256 is not asked for.
 *  @throws {OncewayError} `key_invalid` for any other key, or an algorithm that does not fit it */
export function checkKey(key: KeyObject, wanted?: SignatureAlgorithm): SignatureAlgorithm {
  const details = key.asymmetricKeyDetails;
  let fitting: readonly SignatureAlgorithm[] = [];
  if (key.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') fitting = ['ES256'];
  const bits = details?.modulusLength ?? 0;
  if (key.asymmetricKeyType === 'rsa' && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
    fitting = ['RS256', 'PS256'];
  const alg = fitting.find((each) => wanted === undefined || each === wanted);
  if (alg === undefined)
    throw new OncewayError('key_invalid', 'only ECDSA P-256 (ES256) and RSA of 2048 bits up (RS256, PS256)');
  return alg;
}

/** Of a public key that others prove to hold: EC and EdDSA of any curve that TLS takes, RSA not too short.
 *  @throws {OncewayError} `key_invalid` */
export function checkStrength(key: KeyObject): void {
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < RSA_BITS_MIN)
    throw new OncewayError('key_invalid', `an RSA key has at least ${RSA_BITS_MIN} bits`, {
      rule: `an RSA key has at least ${RSA_BITS_MIN} bits`,
    });
}

/** @throws {OncewayError} `key_invalid` when the octets are no certificate */
export function parseCertificate(octets: Uint8Array | string): X509Certificate {
  if (octets.length > 2 * CERTIFICATE_BYTES_MAX)
    throw new OncewayError('key_invalid', 'certificate is too large');
  try {
    return new X509Certificate(octets);
  } catch (cause) {
    throw new OncewayError('key_invalid', 'not a certificate', { cause });
  }
}

/** @throws {OncewayError} `key_invalid` */
export function describeCertificate(
  der: Uint8Array,
): Omit<CertificateInfo, 'active'> & { readonly publicKey: string } {
  const certificate = parseCertificate(der);
  return {
    digest: digestOf(certificate.raw),
    subject: certificate.subject,
    issuer: certificate.issuer,
    serialNumber: certificate.serialNumber,
    from: Date.parse(certificate.validFrom) / 1000,
    until: Date.parse(certificate.validTo) / 1000,
    pem: certificate.toString(),
    publicKey: certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  };
}
