// Copies a WAL back into its file beside the writing thread, which goes on meanwhile. A crash on the way leaves the WAL,
// which SQLite reads before all else.
import { parentPort, workerData } from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { openWriter, type FileKind } from './files.js';

const { folder } = workerData as { readonly folder: string };

/** While it copies, the WAL grows: the second and third time there is less. */
const PASSES = 3;

parentPort?.on('message', (kind: FileKind) => {
  let db: Database | undefined;
  try {
    db = openWriter(folder, kind);
    for (let pass = 0; pass < PASSES; pass += 1) db.pragma('wal_checkpoint(PASSIVE)');
  } catch {
    // A WAL that can not be copied back now only grows, and the writing thread fails where there is a reason to.
  }
  db?.close();
  parentPort?.postMessage(kind);
});
