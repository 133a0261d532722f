// A private key and its certificate in one PEM file that only its owner may read, so that both change together.
// Not a token: nothing here is encrypted, which is right for development and pilots only.
import { createPrivateKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { OncewayError } from '@onceway/sdk/protocol';

export interface Credential {
  readonly key: KeyObject;
  /** DER. */
  readonly certificate: Buffer;
}

/** Writes with mode 0600, durably, and by rename: a crash leaves the old file or the new one, and at most a `.tmp` beside it. */
export function writeSecret(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = openSync(temporary, 'wx', 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

export function pemOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).toString();
}

export function pkcs8PemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

export function writeCredential(path: string, credential: Credential): void {
  writeSecret(path, pkcs8PemOf(credential.key) + pemOf(credential.certificate));
}

/** @throws {OncewayError} `not_found` without the file; `key_invalid` when it holds no key that fits its certificate. */
export function readCredential(path: string): Credential {
  const text = readText(path);
  let key: KeyObject, certificate: X509Certificate;
  try {
    key = createPrivateKey(text);
    certificate = new X509Certificate(text);
  } catch (cause) {
    throw new OncewayError('key_invalid', `${path} holds no key with its certificate`, { cause });
  }
  if (!certificate.checkPrivateKey(key))
    throw new OncewayError('key_invalid', `in ${path} the key is not the certificate's`);
  return { key, certificate: certificate.raw };
}

/** @throws {OncewayError} `not_found` */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OncewayError('not_found', `${path} can not be read; was it initialised?`, { cause });
  }
}
