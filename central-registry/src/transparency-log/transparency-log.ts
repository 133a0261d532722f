// An RFC 6962 log in the registry's database: the log of configurations and the audit trail are one each.
// Appending happens inside the caller's transaction, so an act and its entry are there both or not at all.
import {
  consistencyPath,
  inclusionPath,
  leafHash,
  RootBuilder,
  rootOf,
  type RightEdge,
} from '@onceway/sdk/verify';
import type { Database } from '../database.js';

export class TransparencyLog {
  readonly #db: Database;
  readonly #name: string;
  #nextAt = 0;

  constructor(db: Database, name: 'registry' | 'audit') {
    this.#db = db;
    this.#name = name;
    const last = this.size === 0 ? undefined : this.entry(this.size - 1);
    if (last !== undefined) this.#nextAt = (JSON.parse(last) as { at: number }).at;
  }

  get size(): number {
    const row = this.#db
      .prepare<[string], { size: number | null }>(
        'SELECT max(place) + 1 AS size FROM log_entry WHERE log = ?',
      )
      .get(this.#name);
    return row?.size ?? 0;
  }

  /** Appends `{v: 1, type, at, …}` and returns its place. A clock that went back repeats the last `at`. */
  append(type: string, nowMs: number, claims: object): number {
    const place = this.size;
    this.#nextAt = Math.max(this.#nextAt, nowMs);
    const entry = JSON.stringify({ v: 1, type, at: this.#nextAt, ...claims });
    this.#db.prepare('INSERT INTO log_entry VALUES (?, ?, ?)').run(this.#name, place, entry);
    const insert = this.#db.prepare('INSERT INTO log_hash VALUES (?, ?, ?, ?)');
    const completed = new RootBuilder(this.#edge(place)).append(leafHash(Buffer.from(entry)));
    for (const [level, hash] of completed.entries())
      insert.run(this.#name, level, Math.floor(place / 2 ** level), hash);
    return place;
  }

  /** Text of one entry, octet for octet as it was hashed. */
  entry(place: number): string | undefined {
    return this.#db
      .prepare<[string, number], { entry: string }>('SELECT entry FROM log_entry WHERE log = ? AND place = ?')
      .get(this.#name, place)?.entry;
  }

  /** Entries from `from` on, at most `count`. */
  entries(from: number, count: number): { place: number; entry: string }[] {
    return this.#db
      .prepare<[string, number, number], { place: number; entry: string }>(
        'SELECT place, entry FROM log_entry WHERE log = ? AND place >= ? ORDER BY place LIMIT ?',
      )
      .all(this.#name, from, count);
  }

  root(size = this.size): Buffer {
    return rootOf(size, this.#load);
  }

  /** RFC 6962 §2.1.1, leaf's sibling first. @throws {TypeError} outside the tree */
  inclusionProof(place: number, size: number): Buffer[] {
    return inclusionPath(place, size, this.#load);
  }

  /** RFC 6962 §2.1.2; empty from 0 and between equal sizes. @throws {TypeError} outside the tree */
  consistencyProof(from: number, to: number): Buffer[] {
    return consistencyPath(from, to, this.#load);
  }

  /** Read anew for each entry: what is kept in memory would outlive a transaction that is rolled back. */
  #edge(size: number): RightEdge {
    const hashes: Buffer[] = [];
    for (let level = 0, rest = size; rest > 0; level += 1, rest = Math.floor(rest / 2))
      if (rest % 2 === 1) hashes.unshift(this.#load(level, rest - 1));
    return { size, hashes };
  }

  readonly #load = (level: number, place: number): Buffer => {
    const row = this.#db
      .prepare<[string, number, number], { hash: Buffer }>(
        'SELECT hash FROM log_hash WHERE log = ? AND level = ? AND place = ?',
      )
      .get(this.#name, level, place);
    if (row === undefined) throw new TypeError(`log ${this.#name} holds no hash ${level}/${place}`);
    return row.hash;
  };
}
