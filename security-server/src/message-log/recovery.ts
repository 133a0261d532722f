// What is checked and swept before a log is used again: its end against the signed checkpoints and the last promise, and
// what a crash left beyond the end. Reads no more than was added since the last checkpoint.
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LogOrigin, VerifierKey } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { checkOwn, type CheckpointStore } from './storage/checkpoint-store.js';
import type { EntryReader } from './storage/entry-reader.js';
import { fileOf, openWriter, type FileKind } from './storage/files.js';
import { extentOf, readPromised, writePromised, type Extent, type Promised } from './storage/promised.js';
import { reading } from './storage/reader.js';

export interface StoredLog {
  readonly origin: LogOrigin;
  readonly key: VerifierKey;
  readonly entries: EntryReader;
}

/** Checks both logs and returns what is promised from here on: less than before, and since when, where entries are
 *  missing that were once promised or signed.
 *  @throws {OncewayError} `log_broken` when what is there contradicts what was signed, `log_unavailable` */
export function recover(
  folder: string,
  logs: { readonly lane: StoredLog; readonly server: StoredLog },
  store: CheckpointStore,
  nowMs: number,
): Promised {
  const { lane, server } = logs;
  const promised = readPromised(folder);
  const isWhole = [checkEnd(lane, store, promised?.lane), checkEnd(server, store, promised?.server)].every(
    Boolean,
  );
  if (isWhole && promised !== undefined) {
    sweep(folder, lane.entries.size());
    return promised;
  }
  // A crash on the way leaves the old promise, and the next start comes here again.
  for (const { origin, entries } of [lane, server])
    change(folder, 'server', 'DELETE FROM checkpoint WHERE origin = ? AND size > ?', [
      origin,
      entries.size(),
    ]);
  const lowered: Promised = {
    v: 1,
    lane: extentOf(store.newest(lane.origin)),
    server: extentOf(store.newest(server.origin)),
    restoredAt: nowMs,
  };
  writePromised(folder, lowered);
  return lowered;
}

/** Compares the end of a log with what was signed, and the entries after the last checkpoint with their hashes.
 *  Returns whether everything is there that was promised or signed. */
function checkEnd(
  { origin, key, entries }: StoredLog,
  store: CheckpointStore,
  promised: Extent | undefined,
): boolean {
  const size = entries.size();
  const newest = store.newest(origin);
  if (newest !== undefined) checkOwn(newest, key);
  // What remains of a log that lost its end must still be what was signed then.
  const base = store.newest(origin, size);
  if (base !== undefined) {
    checkOwn(base, key);
    checkRoot(entries, origin, base);
  }
  if (promised !== undefined && promised.size <= size) checkRoot(entries, origin, promised);
  for (const chunk of entries.recomputed(entries.edge(base?.size ?? 0), size)) void chunk;
  return Math.max(promised?.size ?? 0, newest?.size ?? 0) <= size;
}

/** @throws {OncewayError} `log_broken` */
export function checkRoot(entries: EntryReader, origin: LogOrigin, { size, root }: Extent): void {
  if (entries.root(size).toString('base64url') !== root)
    throw new OncewayError('log_broken', `${origin} is not what was signed at size ${size}`);
}

/** Takes away contents beyond the end of the lane: an append that failed or a crash left them, and nobody would ever
 *  erase them. Not for a log that lost something: they may belong to what is missing. */
function sweep(folder: string, size: number): void {
  const last = fileOf.content(folder, size);
  const contents = dirname(last.folder);
  for (const shard of namesIn(contents)) {
    const path = join(contents, shard);
    if (Number(shard) > Number(last.shard)) rmSync(path, { recursive: true });
    else if (shard === last.shard)
      for (const name of namesIn(path)) if (Number.parseInt(name, 10) >= size) rmSync(join(path, name));
  }
}

function change(folder: string, kind: FileKind, sql: string, values: readonly unknown[]): void {
  reading(() => {
    const db = openWriter(folder, kind);
    try {
      db.prepare(sql).run(...values);
    } finally {
      db.close();
    }
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
