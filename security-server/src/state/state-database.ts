// state.db: what an administrator decided on this server. SQLite in one file; a change is one transaction and durable
// when it returns. Messages and their evidence are not here.
import { chmodSync, existsSync } from 'node:fs';
import { OncewayError } from '@onceway/sdk/protocol';
import Database from 'better-sqlite3';

export type StateDatabase = Database.Database;

/** Each runs once, in order, in a transaction of its own; `user_version` counts them. Never change one: add the next. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE service (id TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT;
  CREATE TABLE description (
    service TEXT PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    rev INTEGER NOT NULL, document TEXT NOT NULL, published INTEGER NOT NULL) STRICT;
  CREATE TABLE access_right (
    digest TEXT PRIMARY KEY, id TEXT NOT NULL, rev INTEGER NOT NULL, service TEXT NOT NULL,
    signed TEXT NOT NULL, entered INTEGER NOT NULL, UNIQUE (id, rev)) STRICT;
  CREATE TABLE management_request (
    seq INTEGER PRIMARY KEY, type TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, expires INTEGER NOT NULL,
    state TEXT NOT NULL, handle TEXT, reason TEXT) STRICT;
  CREATE TABLE api_key (
    name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, roles TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
  CREATE TABLE audit (
    n INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
    outcome TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE client_connection (client TEXT PRIMARY KEY, type TEXT NOT NULL) STRICT;
  CREATE TABLE client_certificate (
    client TEXT NOT NULL, digest TEXT NOT NULL, der BLOB NOT NULL, PRIMARY KEY (client, digest)) STRICT;
  `,
  `
  CREATE TABLE right_delivery (
    digest TEXT NOT NULL REFERENCES access_right (digest), server TEXT NOT NULL, at INTEGER NOT NULL,
    outcome TEXT NOT NULL, PRIMARY KEY (digest, server)) STRICT, WITHOUT ROWID;
  CREATE TABLE local_group (
    provider TEXT NOT NULL, code TEXT NOT NULL, description TEXT NOT NULL, PRIMARY KEY (provider, code)) STRICT;
  CREATE TABLE local_group_member (
    provider TEXT NOT NULL, code TEXT NOT NULL, client TEXT NOT NULL, PRIMARY KEY (provider, code, client),
    FOREIGN KEY (provider, code) REFERENCES local_group (provider, code) ON DELETE CASCADE) STRICT;
  `,
];

/** Makes the file. @throws {OncewayError} `conflict` when it is there */
export function createState(file: string): StateDatabase {
  if (existsSync(file)) throw new OncewayError('conflict', `${file} exists`);
  const database = prepare(new Database(file));
  chmodSync(file, 0o600);
  return database;
}

/** Opens it and brings it up to this version.
 *  @throws {OncewayError} `not_found` (init makes it), `conflict` (written by a later version) */
export function openState(file: string): StateDatabase {
  if (!existsSync(file)) throw new OncewayError('not_found', `${file} is not there; init makes it`);
  return prepare(new Database(file, { fileMustExist: true }));
}

function prepare(database: StateDatabase): StateDatabase {
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    database.close();
    throw new OncewayError('conflict', 'state.db was written by a later version of this server');
  }
  for (const [index, sql] of MIGRATIONS.slice(version).entries())
    database.transaction(() => {
      database.exec(sql);
      database.pragma(`user_version = ${version + index + 1}`);
    })();
  return database;
}
