// Opens one SQLite file whose every commit is on stable storage when it returns, and brings its tables up to date. Not a
// query layer.
import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { OncewayError } from '@onceway/sdk/protocol';

export type StateFile = Database.Database;

/** WAL with `synchronous=FULL`: a commit that returned survives a power cut; one that did not is wholly absent.
 *  @param steps SQL from one version to the next. What is stored carries its version (`PRAGMA user_version`); a later
 *  version adds a step and never edits an earlier one. A crash leaves the version before or after a step
 *  @param create whether a missing file is made: never where an empty one would mean forgetting
 *  @throws {OncewayError} `not_found` for a missing file that must exist */
export function openStateFile(
  path: string,
  steps: readonly string[],
  { create }: { create: boolean },
): StateFile {
  if (!create && !existsSync(path))
    throw new OncewayError('not_found', `${path} is missing: restore it, do not start anew`);
  const file = new Database(path);
  file.pragma('journal_mode = WAL');
  file.pragma('synchronous = FULL');
  file.pragma('foreign_keys = ON');
  const update = file.transaction(() => {
    const version = file.pragma('user_version', { simple: true }) as number;
    if (version > steps.length) throw new TypeError(`${path} was written by a newer version (${version})`);
    for (const step of steps.slice(version)) file.exec(step);
    file.pragma(`user_version = ${steps.length}`);
  });
  update.immediate();
  return file;
}
