// UUIDv7 (RFC 9562 §5.7): unique names that sort by time. Time and randomness come from the caller.

/** @param random at least 10 fresh random octets */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  if (random.length < 10) throw new TypeError('a UUIDv7 needs 10 random octets');
  if (!Number.isInteger(nowMs) || nowMs < 0 || nowMs >= 2 ** 48)
    throw new TypeError('a UUIDv7 needs whole milliseconds');
  const time = nowMs.toString(16).padStart(12, '0');
  const rest = Buffer.from(random.buffer, random.byteOffset, 10).toString('hex');
  const variant = ((random[2] as number) & 0x3f) | 0x80;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(1, 4)}-${variant.toString(16)}${rest.slice(6, 8)}-${rest.slice(8)}`;
}
