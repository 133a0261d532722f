// Heads, bodies and salts of one message as one block of octets, which sealed-content.ts seals. What they commit to is
// checked by whoever compares them with the envelope, not here.
import { SALT_BYTES } from '@onceway/sdk/protocol';
import type { Content } from './message-log.js';

const HAS_BODY = 1;

/** Flag ‖ head length (4) ‖ salt of the head ‖ head ‖ [salt of the body ‖ body], as parts, so that no body is copied. */
export function contentParts(content: Content): Uint8Array[] {
  const { head, body, salts } = content;
  if ((body === null) !== (salts.body === null)) throw new TypeError('a body and its salt come together');
  const start = Buffer.alloc(5);
  start.writeUInt8(body === null ? 0 : HAS_BODY);
  start.writeUInt32BE(head.length, 1);
  const parts: Uint8Array[] = [start, salts.head, head];
  if (body !== null && salts.body !== null) parts.push(salts.body, body);
  return parts;
}

export function parseContent(octets: Buffer): Content {
  const headEnd = 5 + SALT_BYTES + octets.readUInt32BE(1);
  const headSalt = octets.subarray(5, 5 + SALT_BYTES);
  const head = octets.subarray(5 + SALT_BYTES, headEnd);
  if (octets.readUInt8() !== HAS_BODY) return { head, body: null, salts: { head: headSalt, body: null } };
  return {
    head,
    body: octets.subarray(headEnd + SALT_BYTES),
    salts: { head: headSalt, body: octets.subarray(headEnd, headEnd + SALT_BYTES) },
  };
}
