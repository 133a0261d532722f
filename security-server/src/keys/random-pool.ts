// Fresh random octets in small portions: one call of the system's generator serves many messages. A portion is given
// out once; nothing of it is kept here.
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 8 * 1024;

/** @returns a function that gives `size` octets nobody else was given */
export function randomPool(fill: (octets: Buffer) => Buffer = randomFillSync): (size: number) => Buffer {
  let pool: Buffer = Buffer.alloc(0);
  let used = 0;
  return (size) => {
    if (size > POOL_BYTES) return fill(Buffer.alloc(size));
    if (used + size > pool.length) {
      // A new pool each time: portions of the old one are still in use as salts.
      pool = fill(Buffer.allocUnsafeSlow(POOL_BYTES));
      used = 0;
    }
    const portion = pool.subarray(used, used + size);
    used += size;
    return portion;
  };
}
