// Checkpoints of logs (c2sp.org/tlog-checkpoint): origin, size, root, and no extension lines. That one checkpoint
// extends another is proven in merkle.ts, that witnesses saw it in cosignature.ts.
import type { KeyObject } from 'node:crypto';
import type { LogOrigin } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { decodeBase64, openNote, parseVerifierKey, signNote } from './note.js';

export interface Checkpoint {
  readonly origin: LogOrigin;
  /** Leaves of the tree. */
  readonly size: number;
  /** 32 octets. */
  readonly root: Buffer;
}

const CHECKPOINT = /^([^\n]+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/=]+)\n$/;

/** The text of a checkpoint, unsigned. @throws {TypeError} */
export function formatCheckpoint(checkpoint: {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}): string {
  const { origin, size, root } = checkpoint;
  if (origin === '' || origin.includes('\n') || !Number.isSafeInteger(size) || size < 0 || root.length !== 32)
    throw new TypeError('a checkpoint has an origin of one line, a size from 0 and a root of 32 octets');
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

/** Reads the text of a checkpoint; nothing is verified. Extension lines are refused: none of our logs writes any, and
 *  nobody answers for what they say.
 *  @throws {OncewayError} `checkpoint_invalid` */
export function parseCheckpoint(text: string): Checkpoint {
  const [, origin, digits, encoded] = CHECKPOINT.exec(text) ?? [];
  const size = Number(digits);
  const root = encoded === undefined ? undefined : decodeBase64(encoded);
  if (origin === undefined || !Number.isSafeInteger(size) || root?.length !== 32)
    throw new OncewayError('checkpoint_invalid', 'a checkpoint is three lines: origin, size, root');
  return { origin: origin as LogOrigin, size, root };
}

/** Signs a checkpoint under its log's key; the key's name is the origin. */
export function signCheckpoint(checkpoint: Parameters<typeof formatCheckpoint>[0], key: KeyObject): string {
  return signNote(formatCheckpoint(checkpoint), checkpoint.origin, key);
}

/** Opens a checkpoint that the log's key must have signed. The key's name must be the origin, so that the key of one
 *  log speaks for no other.
 *  @throws {OncewayError} `checkpoint_invalid`; `key_invalid` for a malformed key */
export function openCheckpoint(note: string, logKey: string): Checkpoint {
  const checkpoint = parseCheckpoint(openNote(note, [logKey]).text);
  if (parseVerifierKey(logKey).name !== checkpoint.origin)
    throw new OncewayError('checkpoint_invalid', 'a checkpoint of another log than the key is for');
  return checkpoint;
}
