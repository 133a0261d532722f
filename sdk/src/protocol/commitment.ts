// Salted digests of heads and bodies, and the field that carries the salts (docs/protocol.md#commitments).
// The salt hides content that could be guessed; once it is erased, nothing can be tried against the digest.
import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '@onceway/schemas';
import { OncewayError } from './errors.js';
import { SALT_BYTES } from './limits.js';
import { decodeBase64url, digestOf } from './octets.js';

/** 32 fresh random octets each; a message without a body has no second one. */
export interface Salts {
  readonly head: Buffer;
  readonly body: Buffer | null;
}

/** base64url(SHA-256(salt ‖ octets)). */
export function commit(salt: Uint8Array, octets: Uint8Array): Digest {
  return digestOf(checkSalt(salt), octets);
}

/** A commitment to what is not in memory at once. */
export class CommitmentHash {
  readonly #hash: Hash;

  constructor(salt: Uint8Array) {
    this.#hash = createHash('sha256').update(checkSalt(salt));
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** Once, after the last octet. */
  digest(): Digest {
    return this.#hash.digest('base64url') as Digest;
  }
}

function checkSalt(salt: Uint8Array): Uint8Array {
  if (salt.length !== SALT_BYTES) throw new TypeError(`a salt is ${SALT_BYTES} octets`);
  return salt;
}

/** @throws {OncewayError} `commitment_mismatch`: these are not the octets that were signed */
export function checkCommitment(digest: Digest, salt: Uint8Array, octets: Uint8Array): void {
  if (commit(salt, octets) !== digest)
    throw new OncewayError('commitment_mismatch', 'salt and octets are not what the digest stands for');
}

/** Value of `Exchange-Salt`: `<head>.<body>`, the second empty without a body. */
export function formatSalts(salts: Salts): string {
  return `${salts.head.toString('base64url')}.${salts.body?.toString('base64url') ?? ''}`;
}

/** @throws {OncewayError} `envelope_invalid` (not two parts, not 32 octets), `base64url_invalid` */
export function parseSalts(text: string): Salts {
  const [head, body, ...more] = text.split('.');
  if (head === undefined || body === undefined || more.length > 0)
    throw new OncewayError('envelope_invalid', 'Exchange-Salt is not <head>.<body>');
  return { head: parseSalt(head), body: body === '' ? null : parseSalt(body) };
}

function parseSalt(text: string): Buffer {
  const salt = decodeBase64url(text);
  if (salt.length !== SALT_BYTES)
    throw new OncewayError('envelope_invalid', `a salt is not ${SALT_BYTES} octets`);
  return salt;
}
