// PKCS#10 requests (RFC 2986) through @peculiar/x509, loaded only when one is made: it costs 20 MiB.
import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { OncewayError, type SignatureAlgorithm } from '@onceway/sdk/protocol';

export interface RequestedNames {
  /** Attribute type (CN, O, OU, C, L, ST or a dotted OID) to value; no text form, so that a code may hold commas. */
  readonly subject: Readonly<Record<string, string>>;
  /** Host names or addresses for the subject alternative name of an authentication certificate. */
  readonly dns?: readonly string[];
}

const ATTRIBUTE_TYPE = /^(?:CN|O|OU|C|L|ST|[0-2](?:\.\d+)+)$/;

export const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/;

const WEB_ALGORITHM = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
} as const;

/** PEM. The key signs, which proves its possession to the authority.
 *  @throws {OncewayError} `key_invalid` for an Ed25519 key, `request_invalid` for a name that is none */
export async function certificateRequest(
  key: KeyObject,
  alg: SignatureAlgorithm,
  names: RequestedNames,
): Promise<string> {
  if (alg === 'EdDSA') throw new OncewayError('key_invalid', 'authorities certify no log keys');
  const subject = Object.entries(names.subject);
  const dns = names.dns ?? [];
  if (
    subject.length === 0 ||
    subject.some(([type, value]) => !ATTRIBUTE_TYPE.test(type) || value.trim() === '') ||
    !/^[A-Z]{2}$/.test(names.subject['C'] ?? 'VN') ||
    !dns.every((name) => HOST_NAME.test(name) || isIP(name) !== 0)
  )
    throw new OncewayError('request_invalid', 'a name is empty, of an unknown type, or no host name');
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  const { subtle } = webcrypto;
  // PS256 is a way to sign messages; the request itself is PKCS#1 v1.5, which every authority reads.
  const algorithm = WEB_ALGORITHM[alg === 'PS256' ? 'RS256' : alg];
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const privateKey = await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const publicKey = await subtle.importKey('spki', spki, algorithm, true, ['verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject.map(([type, value]) => ({ [type]: [value] })),
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
    extensions:
      dns.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              dns.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
            ),
          ],
  });
  return `${request.toString('pem')}\n`;
}
