// UUIDv7 (RFC 9562 §5.7): unique names that sort by time. Time and randomness come from the caller.

/** @param random at least 10 fresh random octets */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  if (random.length < 10) throw new TypeError('a UUIDv7 needs 10 random octets');
  const octets = Buffer.alloc(16);
  octets.writeUIntBE(nowMs, 0, 6);
  octets.set(random.subarray(0, 10), 6);
  octets.writeUInt8((octets.readUInt8(6) & 0x0f) | 0x70, 6);
  octets.writeUInt8((octets.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = octets.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
