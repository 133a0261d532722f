// Heads, bodies and salts of one message as one block of octets, which sealed-content.ts seals. What they commit to is
// checked by whoever compares them with the envelope, not here. A streamed body lies in a file beside the block, and
// in its place stands what opens that file.
import { SALT_BYTES } from '@onceway/sdk/protocol';
import type { Content } from './message-log.js';
import { SpooledBody } from './storage/spool.js';

const HAS_BODY = 1;
const HAS_STREAMED_BODY = 2;
const KEY_BYTES = 32;
const SHA512_BYTES = 64;

/** Flag ‖ head length (4) ‖ salt of the head ‖ head ‖ [salt of the body ‖ body], as parts, so that no body is copied.
 *  For a streamed body: key ‖ SHA-512 ‖ length (8). */
export function contentParts(content: Content): Uint8Array[] {
  const { head, body, salts } = content;
  if ((body === null) !== (salts.body === null)) throw new TypeError('a body and its salt come together');
  const start = Buffer.alloc(5);
  start.writeUInt8(body === null ? 0 : body instanceof SpooledBody ? HAS_STREAMED_BODY : HAS_BODY);
  start.writeUInt32BE(head.length, 1);
  const parts: Uint8Array[] = [start, salts.head, head];
  if (body === null || salts.body === null) return parts;
  parts.push(salts.body);
  if (body instanceof SpooledBody) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(body.bytes));
    parts.push(body.key, body.sha512, bytes);
  } else parts.push(body);
  return parts;
}

/** @param file where the body lies, if it was streamed */
export function parseContent(octets: Buffer, file: string): Content {
  const headEnd = 5 + SALT_BYTES + octets.readUInt32BE(1);
  const headSalt = octets.subarray(5, 5 + SALT_BYTES);
  const head = octets.subarray(5 + SALT_BYTES, headEnd);
  const flag = octets.readUInt8();
  if (flag === 0) return { head, body: null, salts: { head: headSalt, body: null } };
  const begin = headEnd + SALT_BYTES;
  const salts = { head: headSalt, body: octets.subarray(headEnd, begin) };
  if (flag === HAS_BODY) return { head, body: octets.subarray(begin), salts };
  const hashed = begin + KEY_BYTES;
  const body = new SpooledBody(file, {
    key: octets.subarray(begin, hashed),
    sha512: octets.subarray(hashed, hashed + SHA512_BYTES),
    bytes: Number(octets.readBigUInt64BE(hashed + SHA512_BYTES)),
  });
  return { head, body, salts };
}
