// Octets and their one text form. Not for secrets: comparison here is not constant in time.
import { createHash, hash } from 'node:crypto';
import type { Digest } from '@onceway/schemas';
import { OncewayError } from './errors.js';

/** Decodes base64url without padding, and only its one form: unused bits must be zero (RFC 4648 §3.5).
 *  @throws {OncewayError} `base64url_invalid` */
export function decodeBase64url(text: string): Buffer {
  // Node skips what it does not know; written again, only the one form comes out as it was.
  const octets = Buffer.from(text, 'base64url');
  if (octets.toString('base64url') !== text)
    throw new OncewayError('base64url_invalid', 'not base64url in its one form (no padding, no unused bits)');
  return octets;
}

/** What is hashed from parts lies here one after the other: one call into OpenSSL costs more than copying a little. */
const joined = Buffer.allocUnsafeSlow(8 * 1024);

function join(parts: readonly Uint8Array[]): Uint8Array | undefined {
  let size = 0;
  for (const part of parts) {
    if (size + part.length > joined.length) return undefined;
    joined.set(part, size);
    size += part.length;
  }
  return joined.subarray(0, size);
}

function hashOf(parts: readonly Uint8Array[], encoding: 'buffer'): Buffer;
function hashOf(parts: readonly Uint8Array[], encoding: 'base64url'): string;
function hashOf(parts: readonly Uint8Array[], encoding: 'buffer' | 'base64url'): Buffer | string {
  const whole = parts.length === 1 ? parts[0] : join(parts);
  if (whole !== undefined) return hash('sha256', whole, encoding as 'base64url');
  const long = createHash('sha256');
  for (const part of parts) long.update(part);
  return encoding === 'buffer' ? long.digest() : long.digest(encoding);
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return hashOf(parts, 'buffer');
}

export function digestOf(...parts: readonly Uint8Array[]): Digest {
  return hashOf(parts, 'base64url') as Digest;
}

/** A SHA-256 in its text form: 43 characters of base64url.
 *  @throws {OncewayError} `base64url_invalid` */
export function parseDigest(text: string): Digest {
  if (text.length !== 43 || decodeBase64url(text).length !== 32)
    throw new OncewayError('base64url_invalid', 'a digest is 43 characters of base64url');
  return text as Digest;
}
