// Reads a PKCS#10 signing request (RFC 2986): proves that its sender holds the key. Its subject and extensions are
// claims of a stranger; they decide nothing.
import 'reflect-metadata'; // must come before @peculiar/x509
import { createPublicKey, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { OncewayError } from '@onceway/sdk/protocol';
import { CSR_BYTES_MAX, HOSTS_MAX, RSA_BITS_MAX, RSA_BITS_MIN } from './limits.js';

const PEM =
  /^-----BEGIN (NEW )?CERTIFICATE REQUEST-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (NEW )?CERTIFICATE REQUEST-----\s*$/;
/** SubjectPublicKeyInfo of a P-256 key with named curve and uncompressed point: always this long. */
const P256_SPKI_BYTES = 91;
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$/;

export interface ProvenRequest {
  /** P-256, or RSA of 2048 to 8192 bits; its holder signed the request. */
  readonly publicKey: KeyObject;
  /** DNS names and addresses that the request asks for: claims, to be granted or not. */
  readonly hosts: readonly string[];
}

/** @param pem one request in PEM, with nothing before or after it
 *  @throws {OncewayError} `request_invalid` when it can not be read; `key_invalid` for a key that no profile takes;
 *  `signature_invalid` without proof of possession */
export async function readCertificateRequest(pem: string): Promise<ProvenRequest> {
  const request = parse(pem);
  const publicKey = acceptableKey(request);
  // Checked before verifying: the price of a signature grows with the key, and MD5 or SHA-1 prove little.
  if (!/^SHA-(256|384|512)$/.test(hashOf(request)))
    throw new OncewayError('signature_invalid', 'the request is signed with a hash that is not SHA-2');
  const proven = await request.verify().catch(() => false);
  if (!proven)
    throw new OncewayError('signature_invalid', 'the request is not signed by the key that it names');
  return { publicKey, hosts: hostsOf(request) };
}

function parse(pem: string): Pkcs10CertificateRequest {
  if (pem.length > CSR_BYTES_MAX || !PEM.test(pem))
    throw new OncewayError('request_invalid', 'the signing request is not one PEM block of PKCS#10');
  try {
    return new Pkcs10CertificateRequest(pem);
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the signing request is not PKCS#10', { cause });
  }
}

/** @throws {OncewayError} `key_invalid` unless P-256 or RSA with enough bits */
function acceptableKey(request: Pkcs10CertificateRequest): KeyObject {
  let spki: Buffer, key: KeyObject;
  try {
    spki = Buffer.from(request.publicKey.rawData); // parsed only here
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new OncewayError('key_invalid', 'the public key can not be read', { cause });
  }
  const details = key.asymmetricKeyDetails ?? {};
  const bits = details.modulusLength ?? 0;
  const accepted =
    key.asymmetricKeyType === 'ec'
      ? details.namedCurve === 'prime256v1' && spki.length === P256_SPKI_BYTES
      : key.asymmetricKeyType === 'rsa' &&
        bits >= RSA_BITS_MIN &&
        bits <= RSA_BITS_MAX &&
        (details.publicExponent ?? 0n) >= 65537n; // small exponents invite old attacks
  if (!accepted)
    throw new OncewayError('key_invalid', 'only P-256 and RSA of 2048 to 8192 bits are certified');
  return key;
}

function hashOf(request: Pkcs10CertificateRequest): string {
  const { hash } = request.signatureAlgorithm as { hash?: string | { name: string } };
  return typeof hash === 'string' ? hash : (hash?.name ?? '');
}

function hostsOf(request: Pkcs10CertificateRequest): string[] {
  let names: { type: string; value: string }[];
  try {
    const extension = request.getExtension('2.5.29.17');
    names = extension instanceof SubjectAlternativeNameExtension ? extension.names.toJSON() : [];
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the requested names can not be read', { cause });
  }
  const hosts = names.filter(({ type }) => type === 'dns' || type === 'ip').map(({ value }) => value);
  hosts.forEach(checkHost);
  if (hosts.length > HOSTS_MAX)
    throw new OncewayError('request_invalid', `more than ${HOSTS_MAX} names are asked for`);
  return hosts;
}

/** A DNS name without wildcard, or an IPv4 or IPv6 address without brackets.
 *  @throws {OncewayError} `request_invalid` */
export function checkHost(host: string): void {
  if (isIP(host) === 0 && !HOST_NAME.test(host))
    throw new OncewayError('request_invalid', 'a host is neither a DNS name nor an address');
}
