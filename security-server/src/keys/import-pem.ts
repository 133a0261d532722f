// Keys and certificates that come as PEM: PKCS#8, PKCS#1 and SEC1, in clear or under a passphrase.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CERTIFICATE_CHAIN_MAX, OncewayError } from '@onceway/sdk/protocol';
import { checkKey, parseCertificate, type ImportedKey } from './key-material.js';

/** A key of 8192 bits and a chain of certificates, with room for the attributes that tools write around them. */
export const PEM_BYTES_MAX = 128 * 1024;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/g;

/** Reads one private key and its certificates from one text, in any order.
 *  @throws {OncewayError} `key_invalid`; `pin_incorrect` for a wrong or missing passphrase */
export async function importPem(text: string, passphrase?: string): Promise<ImportedKey> {
  if (text.length > PEM_BYTES_MAX) throw new OncewayError('key_invalid', `more than ${PEM_BYTES_MAX} octets`);
  const [pem, ...more] = text.match(PRIVATE_KEY) ?? [];
  if (pem === undefined || more.length > 0)
    throw new OncewayError('key_invalid', 'expected one private key in PEM');
  const key = await openKey(pem, passphrase);
  checkKey(key);
  return { key, ...matchCertificate(key, parseCertificates(text)) };
}

/** @throws {OncewayError} `key_invalid` when none is there, or too many */
export function parseCertificates(text: string): ReturnType<typeof parseCertificate>[] {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0 || found.length > CERTIFICATE_CHAIN_MAX + 1)
    throw new OncewayError('key_invalid', `expected a certificate with its chain, found ${found.length}`);
  return found.map(parseCertificate);
}

/** @throws {OncewayError} `key_invalid` when none of the certificates is for the key */
export function matchCertificate(
  key: KeyObject,
  certificates: readonly ReturnType<typeof parseCertificate>[],
): Omit<ImportedKey, 'key'> {
  const certificate = certificates.find((each) => each.checkPrivateKey(key));
  if (certificate === undefined) throw new OncewayError('key_invalid', 'no certificate is for this key');
  return { certificate, chain: certificates.filter((each) => each !== certificate) };
}

async function openKey(pem: string, passphrase: string | undefined): Promise<KeyObject> {
  const encrypted = pem.includes('ENCRYPTED');
  try {
    return createPrivateKey({
      key: pem,
      format: 'pem',
      ...(encrypted ? { passphrase: passphrase ?? '' } : {}),
    });
  } catch (cause) {
    if (!encrypted) throw new OncewayError('key_invalid', 'not a private key', { cause });
    const legacy = passphrase === undefined ? undefined : await openLegacyKey(pem, passphrase);
    if (legacy !== undefined) return legacy;
    throw new OncewayError('pin_incorrect', 'the passphrase does not open this key', { cause });
  }
}

/** PKCS#8 under RC2 or single DES, which OpenSSL 3 opens no longer. */
async function openLegacyKey(pem: string, passphrase: string): Promise<KeyObject | undefined> {
  const { default: forge } = await import('node-forge');
  try {
    const [message] = forge.pem.decode(pem);
    const opened = forge.pki.decryptPrivateKeyInfo(forge.asn1.fromDer(message?.body ?? ''), passphrase);
    const der = Buffer.from(forge.asn1.toDer(opened).getBytes(), 'binary');
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    return undefined;
  }
}
