// Replaces a small file so that a crash leaves the old one or the new one, never a torn one.
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Returns once the octets and the name are on stable storage. A crash before the rename leaves `<file>.new`,
 *  which the next call overwrites. Readable by the owner only: 0600. */
export function replaceFile(file: string, octets: Uint8Array): void {
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, 'w', 0o600);
  try {
    for (let at = 0; at < octets.length;) at += writeSync(descriptor, octets, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
  // Without this the rename itself may be lost with the power.
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
