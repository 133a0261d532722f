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

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function digestOf(...parts: readonly Uint8Array[]): Digest {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return hash('sha256', only, 'base64url') as Digest;
  return sha256(...parts).toString('base64url') as Digest;
}

/** A SHA-256 in its text form: 43 characters of base64url.
 *  @throws {OncewayError} `base64url_invalid` */
export function parseDigest(text: string): Digest {
  if (text.length !== 43 || decodeBase64url(text).length !== 32)
    throw new OncewayError('base64url_invalid', 'a digest is 43 characters of base64url');
  return text as Digest;
}
