// Reads a whole log and compares everything with everything: entries with hashes, hashes with checkpoints, tables with
// entries. For an administrator who has a doubt; a restart checks only the end (recovery.ts).
import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { OncewayError, type LogEntry } from '@onceway/sdk/protocol';
import { checkOwn, type CheckpointStore } from './storage/checkpoint-store.js';
import type { LaneReader } from './lane-reader.js';
import { entryMidOf } from './message-queries.js';
import { reading } from './storage/reader.js';
import { checkRoot, type StoredLog } from './recovery.js';

/** @throws {OncewayError} `log_broken` with what contradicts what */
export async function verifyLog(
  db: Database,
  log: StoredLog,
  store: CheckpointStore,
  lane?: LaneReader,
): Promise<void> {
  const report: unknown = reading(() => db.pragma('integrity_check(1)', { simple: true }));
  if (report !== 'ok') throw new OncewayError('log_broken', `${db.name}: ${String(report)}`);
  for (const chunk of log.entries.recomputed({ size: 0, hashes: [] }, log.entries.size())) {
    for (const { idx, octets } of chunk) if (lane !== undefined) checkPlace(lane, idx, octets);
    await setImmediate();
  }
  for (const checkpoint of store.all(log.origin)) {
    checkOwn(checkpoint, log.key);
    if (checkpoint.size > log.entries.size())
      throw new OncewayError(
        'log_broken',
        `${log.origin} ends before its checkpoint of size ${checkpoint.size}`,
      );
    checkRoot(log.entries, log.origin, checkpoint);
  }
}

/** A message must be found where it is: a changed index would hide it. */
function checkPlace(lane: LaneReader, idx: number, octets: Buffer): void {
  const entry = JSON.parse(octets.toString()) as LogEntry;
  const isFound =
    entry.type === 'message' || entry.type === 'refusal'
      ? lane.place(entryMidOf(entry), entry.dir)?.idx === idx
      : entry.type !== 'material' || lane.material(entry.digest) === idx;
  if (!isFound) throw new OncewayError('log_broken', `entry ${idx} is not found by its id`);
}
