// What this server promised last to peers and witnesses, in a file beside the log: a log that ends before it was lost,
// or restored from a copy.
import { readFileSync } from 'node:fs';
import { OncewayError, parseDigest, type Digest } from '@onceway/sdk/protocol';
import { EMPTY_ROOT } from '@onceway/sdk/verify';
import { replaceFile } from '../../keys/durable-file.js';
import { fileOf } from './files.js';

export interface Extent {
  readonly size: number;
  readonly root: Digest;
}

export interface Promised {
  readonly v: 1;
  readonly lane: Extent;
  readonly server: Extent;
  /** When it was last noticed that something is missing, ms. */
  readonly restoredAt?: number;
}

/** The empty tree. */
export const NOTHING: Extent = { size: 0, root: EMPTY_ROOT.toString('base64url') as Digest };

/** Undefined when there is none, or none that can be read: then nobody knows what was promised. */
export function readPromised(folder: string): Promised | undefined {
  try {
    const promised = JSON.parse(readFileSync(fileOf.promised(folder), 'utf8')) as Promised;
    for (const { size, root } of [promised.lane, promised.server])
      if (!Number.isSafeInteger(size) || parseDigest(root) !== root) return undefined;
    return promised;
  } catch {
    return undefined;
  }
}

/** A crash leaves the old promise or the new one. @throws {OncewayError} `log_unavailable` */
export function writePromised(folder: string, promised: Promised): void {
  try {
    replaceFile(fileOf.promised(folder), Buffer.from(`${JSON.stringify(promised)}\n`));
  } catch (error) {
    throw new OncewayError('log_unavailable', 'what is promised can not be written', { cause: error });
  }
}

/** What a checkpoint promises; nothing without one. */
export function extentOf(checkpoint: Extent | undefined): Extent {
  return checkpoint === undefined ? NOTHING : { size: checkpoint.size, root: checkpoint.root };
}
