// Memory of the country's processes as Linux shares it out: the sum of Pss, so that pages used by several count once.
import { readFileSync } from 'node:fs';

/** Mebibytes. A process that is gone counts as none: the caller watches for that. */
export function memoryMibOf(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    const found = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    kib += Number(found?.[1] ?? 0);
  }
  return Math.round(kib / 102.4) / 10;
}
