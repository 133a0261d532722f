// The entries of one log as they lie on disk, and the tree over them. Reads only; whether a root is the signed one is
// decided in checkpoints.ts.
import type { Database } from 'better-sqlite3';
import { OncewayError, type LogEntry } from '@onceway/sdk/protocol';
import {
  consistencyPath,
  inclusionPath,
  leafHash,
  RootBuilder,
  rootOf,
  type HashReader,
  type RightEdge,
} from '@onceway/sdk/verify';
import { reading } from './reader.js';

const HASH_BYTES = 32;
/** Entries read at once while checking: some megabytes. */
const CHUNK_ENTRIES = 1000;

export interface StoredEntry {
  readonly idx: number;
  readonly nodes: Buffer;
  readonly octets: Buffer;
}

export class EntryReader {
  readonly #last;
  readonly #nodes;
  readonly #entry;
  readonly #chunk;
  readonly #snapshot;
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
    this.#last = db.prepare<[], number | null>('SELECT max(idx) FROM entry').pluck();
    this.#nodes = db.prepare<[number], Buffer>('SELECT nodes FROM entry WHERE idx = ?').pluck();
    this.#entry = db.prepare<[number], StoredEntry>('SELECT idx, nodes, octets FROM entry WHERE idx = ?');
    this.#chunk = db.prepare<[number, number, number], StoredEntry>(
      'SELECT idx, nodes, octets FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?',
    );
    this.#snapshot = db.transaction((read: () => void) => {
      read();
    });
  }

  /** All that is read in it, from whatever table of the file, is of one moment: many reads cost less that way.
   *  @throws {OncewayError} `log_unavailable` once the log is closed */
  snapshot(read: () => void): void {
    if (!this.#db.open) throw new OncewayError('log_unavailable', 'the log is closed');
    reading(() => this.#snapshot(read));
  }

  size(): number {
    return (reading(() => this.#last.get()) ?? -1) + 1;
  }

  /** Hash of a complete subtree: it was stored with the entry that completed it. One read. */
  readonly hashAt: HashReader = (level, index) => {
    const nodes = reading(() => this.#nodes.get((index + 1) * 2 ** level - 1));
    const hash = nodes?.subarray(level * HASH_BYTES, (level + 1) * HASH_BYTES);
    if (hash?.length !== HASH_BYTES)
      throw new OncewayError(
        'log_broken',
        `no hash of level ${level} at ${index}: an entry or its hashes are missing`,
      );
    return hash;
  };

  /** The complete subtrees of the first `size` entries, largest first. */
  edge(size: number): RightEdge {
    const hashes: Uint8Array[] = [];
    for (let begin = 0, rest = size; rest > 0;) {
      const level = Math.floor(Math.log2(rest));
      const span = 2 ** level;
      hashes.push(this.hashAt(level, begin / span));
      begin += span;
      rest -= span;
    }
    return { size, hashes };
  }

  root(size: number): Buffer {
    return rootOf(size, this.hashAt);
  }

  inclusionProof(index: number, size: number): Buffer[] {
    return inclusionPath(index, size, this.hashAt);
  }

  consistencyProof(from: number, to: number): Buffer[] {
    return consistencyPath(from, to, this.hashAt);
  }

  /** One entry's octets, undefined beyond the end.
   *  @throws {OncewayError} `log_broken` when they are not what was hashed */
  entry(index: number): Buffer | undefined {
    const stored = reading(() => this.#entry.get(index));
    if (stored === undefined) return undefined;
    if (!leafHash(stored.octets).equals(stored.nodes.subarray(0, HASH_BYTES)))
      throw new OncewayError('log_broken', `entry ${index} is not what was hashed`);
    return stored.octets;
  }

  /** An entry's time, ms; undefined beyond either end. */
  at(index: number): number | undefined {
    const octets = this.entry(index);
    return octets === undefined ? undefined : (JSON.parse(octets.toString()) as LogEntry).at;
  }

  /** Index of the first entry with a time ≥ atMs: times never decrease. */
  firstSince(atMs: number): number {
    let low = 0;
    for (let high = this.size(); low < high;) {
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle) ?? Infinity) >= atMs) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The entries [from, to) in order, without gap. */
  *range(from: number, to: number): Generator<StoredEntry[]> {
    for (let at = from; at < to;) {
      const chunk = reading(() => this.#chunk.all(at, to, CHUNK_ENTRIES));
      for (const [place, { idx }] of chunk.entries())
        if (idx !== at + place) throw new OncewayError('log_broken', `entry ${at + place} is missing`);
      if (chunk.length === 0) throw new OncewayError('log_broken', `entry ${at} is missing`);
      yield chunk;
      at += chunk.length;
    }
  }

  /** Hashes the entries from the edge on anew and compares with what is stored, chunk by chunk; the caller may pause
   *  between two. Each value is a chunk that was found right. */
  *recomputed(edge: RightEdge, to: number): Generator<readonly StoredEntry[]> {
    const builder = new RootBuilder(edge);
    for (const chunk of this.range(edge.size, to)) {
      for (const { idx, nodes, octets } of chunk)
        if (!Buffer.concat(builder.append(leafHash(octets))).equals(nodes))
          throw new OncewayError('log_broken', `entry ${idx} is not what was hashed`);
      yield chunk;
    }
  }
}
