// How the log's files are read: through connections of their own, which never wait for the writing thread.
import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { OncewayError } from '@onceway/sdk/protocol';
import { checkVersion, fileOf, type FileKind } from './files.js';

/** @throws {OncewayError} `log_broken` when it is missing or is not what it should be, `log_unavailable` */
export function openReader(folder: string, kind: FileKind): Database.Database {
  const file = fileOf[kind](folder);
  if (!existsSync(file)) throw new OncewayError('log_broken', `${file} is missing`);
  return reading(() => {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    checkVersion(db);
    return db;
  });
}

const DAMAGED = /^SQLITE_(CORRUPT|NOTADB|CANTOPEN|ERROR)/;

/** Runs a read and gives its errors our codes: a damaged or missing file is not the same as a busy disk.
 *  @throws {OncewayError} `log_broken`, `log_unavailable` */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = sqliteCode(error);
    if (error instanceof RangeError || (code !== undefined && DAMAGED.test(code)))
      throw new OncewayError('log_broken', `reading the log: ${code ?? String(error)}`, { cause: error });
    if (code === undefined) throw error;
    throw new OncewayError('log_unavailable', `reading the log: ${code}`, { cause: error });
  }
}

/** By its code, not its class: the native part throws the class of whoever loaded it first in this process. */
function sqliteCode(error: unknown): string | undefined {
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
}
