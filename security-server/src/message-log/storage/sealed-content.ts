// Seals the content of one message under its exchange's key and opens it again. Keys are wrapped and kept elsewhere.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { randomPool } from '../../keys/random-pool.js';

/** Plain octets of one segment (design §5): what must be in memory at once. */
export const SEGMENT_BYTES = 64 * 1024;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const random = randomPool();

// A segment that is moved, left out or taken from another entry does not open.
function segmentPlace(entry: number, segment: number, isLast: boolean): Buffer {
  const place = Buffer.alloc(13);
  place.writeBigUInt64BE(BigInt(entry));
  place.writeUInt32BE(segment, 8);
  place.writeUInt8(isLast ? 1 : 0, 12);
  return place;
}

/** AES-256-GCM in segments, each with a random nonce: an append that failed may be repeated with other content under
 *  the same key, and 2^32 segments of one exchange stay far away. */
export function sealContent(plain: Buffer, key: Uint8Array, entry: number): Buffer {
  const segments = Math.max(1, Math.ceil(plain.length / SEGMENT_BYTES));
  const sealed = Buffer.allocUnsafe(plain.length + segments * (NONCE_BYTES + TAG_BYTES));
  let to = 0;
  for (let from = 0, segment = 0; segment === 0 || from < plain.length; segment += 1) {
    const end = Math.min(from + SEGMENT_BYTES, plain.length);
    const nonce = random(NONCE_BYTES);
    sealed.set(nonce, to);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(segmentPlace(entry, segment, end === plain.length));
    to += NONCE_BYTES;
    to += cipher.update(plain.subarray(from, end)).copy(sealed, to);
    cipher.final();
    to += cipher.getAuthTag().copy(sealed, to);
    from = end;
  }
  return sealed;
}

/** Throws, as node:crypto does, when the key is another one or an octet was changed. */
export function openContent(sealed: Buffer, key: Uint8Array, entry: number): Buffer {
  const parts: Buffer[] = [];
  const whole = NONCE_BYTES + SEGMENT_BYTES + TAG_BYTES;
  for (let from = 0, segment = 0; segment === 0 || from < sealed.length; segment += 1) {
    const end = Math.min(from + whole, sealed.length);
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(from, from + NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(segmentPlace(entry, segment, end === sealed.length));
    decipher.setAuthTag(sealed.subarray(end - TAG_BYTES, end));
    parts.push(decipher.update(sealed.subarray(from + NONCE_BYTES, end - TAG_BYTES)), decipher.final());
    from = end;
  }
  return Buffer.concat(parts);
}

/** One segment of what is sealed while it comes, under a key of its own.
 *  @param isLast whether the body ends with it */
export function sealSegment(plain: Buffer, key: Uint8Array, segment: number, isLast: boolean): Buffer {
  const sealed = Buffer.allocUnsafe(NONCE_BYTES + plain.length + TAG_BYTES);
  const nonce = random(NONCE_BYTES);
  sealed.set(nonce);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(segmentPlace(0, segment, isLast));
  cipher.update(plain).copy(sealed, NONCE_BYTES);
  cipher.final();
  cipher.getAuthTag().copy(sealed, NONCE_BYTES + plain.length);
  return sealed;
}

/** Octets of a sealed segment. */
export const sealedSegmentBytes = (plainBytes: number): number => NONCE_BYTES + plainBytes + TAG_BYTES;

/** Throws, as node:crypto does, when it is not the segment of this place under this key. */
export function openSegment(sealed: Buffer, key: Uint8Array, segment: number, isLast: boolean): Buffer {
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(segmentPlace(0, segment, isLast));
  decipher.setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
}
