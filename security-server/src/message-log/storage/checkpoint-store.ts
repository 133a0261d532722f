// The signed checkpoints of lane and server log as kept in server.db. Reads only.
import type { Database } from 'better-sqlite3';
import type { Digest, LogOrigin, VerifierKey } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { openCheckpoint, parseCheckpoint } from '@onceway/sdk/verify';
import type { WitnessedCheckpoint } from '../message-log.js';
import { reading } from './reader.js';

interface Row {
  readonly origin: string;
  readonly size: number;
  readonly at: number;
  /** Where the server's log holds it; -1 for a checkpoint of that log itself. */
  readonly entry: number;
  readonly note: string;
  readonly cosignatures: string | null;
  readonly token: Buffer | null;
}

export interface StoredCheckpoint extends WitnessedCheckpoint {
  readonly entry: number;
}

const EARLIEST = 'SELECT * FROM checkpoint WHERE origin = ? AND size > ? ORDER BY size LIMIT 1';
const COMPLETE = `SELECT * FROM checkpoint WHERE origin = ? AND size > ? AND cosignatures IS NOT NULL
  AND token IS NOT NULL ORDER BY size LIMIT 1`;
const NEWEST = 'SELECT * FROM checkpoint WHERE origin = ? AND size <= ? ORDER BY size DESC LIMIT 1';

export class CheckpointStore {
  readonly #earliest;
  readonly #complete;
  readonly #newest;
  readonly #all;
  readonly #covered;
  readonly #witnessed;

  constructor(server: Database) {
    this.#earliest = server.prepare<[string, number], Row>(EARLIEST);
    this.#complete = server.prepare<[string, number], Row>(COMPLETE);
    this.#newest = server.prepare<[string, number], Row>(NEWEST);
    this.#all = server.prepare<[string], Row>('SELECT * FROM checkpoint WHERE origin = ? ORDER BY size');
    this.#witnessed = server
      .prepare<[string], number | null>(
        'SELECT max(size) FROM checkpoint WHERE origin = ? AND cosignatures IS NOT NULL',
      )
      .pluck();
    const coveredBy = (column: string) =>
      server
        .prepare<[string, string], number | null>(
          `SELECT max(size) FROM checkpoint WHERE origin = ? AND entry < (SELECT max(size) FROM checkpoint
           WHERE origin = ? AND ${column} IS NOT NULL)`,
        )
        .pluck();
    this.#covered = { cosignatures: coveredBy('cosignatures'), token: coveredBy('token') };
  }

  /** The newest one of at most this size. */
  newest(origin: LogOrigin, sizeMax: number = Number.MAX_SAFE_INTEGER): StoredCheckpoint | undefined {
    return fromRow(reading(() => this.#newest.get(origin, sizeMax)));
  }

  /** The first one that covers the entry; of the server's log the first one that is witnessed and stamped, if any is. */
  covering(origin: LogOrigin, index: number): StoredCheckpoint | undefined {
    return fromRow(reading(() => this.#complete.get(origin, index) ?? this.#earliest.get(origin, index)));
  }

  *all(origin: LogOrigin): Generator<StoredCheckpoint> {
    for (const row of reading(() => this.#all.all(origin))) yield fromRow(row);
  }

  /** Size of the newest cosigned one. */
  witnessedSize(origin: LogOrigin): number {
    return reading(() => this.#witnessed.get(origin)) ?? 0;
  }

  /** Entries of the lane that a witnessed, or stamped, checkpoint of the server's log covers. */
  covered(lane: LogOrigin, server: LogOrigin, by: 'cosignatures' | 'token'): number {
    return reading(() => this.#covered[by].get(lane, server)) ?? 0;
  }
}

function fromRow(row: Row): StoredCheckpoint;
function fromRow(row: Row | undefined): StoredCheckpoint | undefined;
function fromRow(row: Row | undefined): StoredCheckpoint | undefined {
  if (row === undefined) return undefined;
  const { at, entry, note } = row;
  return {
    ...statementOf(note),
    size: row.size,
    note,
    at,
    entry,
    cosignatures: row.cosignatures ?? undefined,
    timeStamp: row.token ?? undefined,
  };
}

function statementOf(note: string): { origin: LogOrigin; root: Digest } {
  try {
    const { origin, root } = parseCheckpoint(note.slice(0, note.indexOf('\n\n') + 1));
    return { origin, root: root.toString('base64url') as Digest };
  } catch (error) {
    throw new OncewayError('log_broken', 'a checkpoint that was kept can not be read', { cause: error });
  }
}

/** Our own signature over our own checkpoint, and that the row says what the note says.
 *  @throws {OncewayError} `log_broken` */
export function checkOwn(checkpoint: StoredCheckpoint, key: VerifierKey): void {
  try {
    const { size } = openCheckpoint(checkpoint.note, key);
    if (size === checkpoint.size) return;
  } catch (error) {
    throw new OncewayError('log_broken', `a checkpoint of ${checkpoint.origin} is not signed by its log`, {
      cause: error,
    });
  }
  throw new OncewayError('log_broken', `a checkpoint of ${checkpoint.origin} stands under another size`);
}
