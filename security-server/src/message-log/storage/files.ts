// The log's folder: names, tables, and how each file is opened. lane-0.db holds the lane, server.db the server's log and
// all checkpoints, keys.db the wrapped content keys, contents/ what is too large for the lane's file, spool/ streamed
// bodies before their entry, promised.json what was promised last.
import { join } from 'node:path';
import Database from 'better-sqlite3';

export const LANE = 'lane-0';

/** Version of the tables; a file of another one is refused until a migration is written. */
const VERSION = 2;

export const fileOf = {
  lane: (folder: string): string => join(folder, `${LANE}.db`),
  server: (folder: string): string => join(folder, 'server.db'),
  keys: (folder: string): string => join(folder, 'keys.db'),
  promised: (folder: string): string => join(folder, 'promised.json'),
  /** Named by the entry's index: what a crash leaves beyond the last entry is overwritten or swept, never read. */
  content: (folder: string, index: number): { shard: string; folder: string; file: string } => {
    const shard = String(Math.floor(index / 1024));
    const shardFolder = join(folder, 'contents', shard);
    return { shard, folder: shardFolder, file: join(shardFolder, String(index)) };
  },
  /** A streamed body, beside the content of its entry. */
  body: (folder: string, index: number): string => `${fileOf.content(folder, index).file}.body`,
  /** Bodies that are still coming, or whose entry is not durable yet: none outlives its process. */
  spool: (folder: string): string => join(folder, 'spool'),
};

// `nodes` are the subtree hashes that the entry completed, its own leaf hash first. They stand before the octets so
// that a proof reads none of these.
const ENTRY =
  'CREATE TABLE entry (idx INTEGER PRIMARY KEY, nodes BLOB NOT NULL, octets BLOB NOT NULL) STRICT;';

const TABLES = {
  lane: `${ENTRY}
    CREATE TABLE exchange (request INTEGER PRIMARY KEY, slot INTEGER, answer INTEGER, outcome INTEGER) STRICT;
    CREATE INDEX unanswered ON exchange (request) WHERE answer IS NULL AND outcome IS NULL;
    CREATE TABLE message (mid BLOB NOT NULL, out INTEGER NOT NULL, exchange INTEGER NOT NULL, idx INTEGER NOT NULL,
      PRIMARY KEY (mid, out)) STRICT, WITHOUT ROWID;
    CREATE TABLE content (idx INTEGER PRIMARY KEY, sealed BLOB) STRICT;
    CREATE TABLE material (digest BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE void (mid BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  server: `${ENTRY}
    CREATE TABLE checkpoint (origin TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL, entry INTEGER NOT NULL,
      note TEXT NOT NULL, cosignatures TEXT, token BLOB, PRIMARY KEY (origin, size)) STRICT, WITHOUT ROWID;`,
  keys: 'CREATE TABLE key (slot INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;',
};

export type FileKind = keyof typeof TABLES;

export function createFile(folder: string, kind: FileKind): void {
  const db = new Database(fileOf[kind](folder));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(TABLES[kind]);
  db.pragma(`user_version = ${VERSION}`);
  db.close();
}

/** For the writing thread: commits wait for the disk, and copying back from the WAL is nobody's surprise. */
export function openWriter(folder: string, kind: FileKind): Database.Database {
  const db = new Database(fileOf[kind](folder), { fileMustExist: true });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('wal_autocheckpoint = 0');
  db.pragma('cache_size = -8000');
  if (kind === 'keys') db.pragma('secure_delete = ON');
  checkVersion(db);
  return db;
}

/** Throws when the tables are not of this version. */
export function checkVersion(db: Database.Database): void {
  const version: unknown = db.pragma('user_version', { simple: true });
  if (version !== VERSION) throw new RangeError(`tables of version ${String(version)} in ${db.name}`);
}
