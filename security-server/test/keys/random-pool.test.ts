import { describe, expect, test } from '@jest/globals';
import { randomPool } from '../../src/keys/random-pool.js';

describe('a pool of random octets', () => {
  test('gives no octet twice, across pools and beyond their size', () => {
    let next = 0;
    const random = randomPool((octets) => {
      for (let i = 0; i + 4 <= octets.length; i += 4) octets.writeUInt32BE(next++, i);
      return octets;
    });
    const seen = new Set<number>();
    for (const size of [4, 64, 8, 8192, 4, 9000, 16, 8188, 4, 4])
      for (let octets = random(size); octets.length >= 4; octets = octets.subarray(4)) {
        const value = octets.readUInt32BE(0);
        expect(seen.has(value)).toBe(false);
        seen.add(value);
      }
    expect(seen.size).toBe((4 + 64 + 8 + 8192 + 4 + 9000 + 16 + 8188 + 4 + 4) / 4);
  });

  test('does not change a portion that was given', () => {
    const random = randomPool();
    const first = random(32);
    const copy = Buffer.from(first);
    for (let i = 0; i < 1000; i++) random(64);
    expect(first.equals(copy)).toBe(true);
  });
});
