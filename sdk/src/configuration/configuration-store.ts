// The last good configuration on disk, so that a server resumes without its registry, and those before, on which its
// log relies. Verified again when read.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '@onceway/schemas';
import { OncewayError, type ConfigurationBundle } from '../protocol/index.js';

/** A configuration that was taken once; its digest is remembered until it has expired. Seconds since 1970. */
export interface Taken {
  readonly seq: number;
  readonly digest: Digest;
  readonly expires: number;
}

export interface Stored {
  readonly v: 1;
  readonly bundle: ConfigurationBundle;
  readonly taken: readonly Taken[];
  /** The registry's log as it last proved itself, which every later one must extend. */
  readonly log: { readonly size: number; readonly root: string };
  /** The same log as peers showed it since, oldest first; that it lies in between, the registry has yet to prove. */
  readonly owed?: readonly Stored['log'][];
  /** Since when heads were taken without enough witnesses; milliseconds. */
  readonly unwitnessedSinceMs?: number;
}

function writeDurably(file: string, octets: Uint8Array): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeSync(descriptor, octets);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  // The name, too: after a power cut nothing may name a record whose own name was lost.
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export class ConfigurationStore {
  readonly #folder: string;
  readonly #records: string;
  readonly #past: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#records = join(folder, 'records');
    this.#past = join(folder, 'past');
    for (const each of [this.#records, this.#past]) mkdirSync(each, { recursive: true, mode: 0o700 });
  }

  load(): Stored | undefined {
    const file = join(this.#folder, 'configuration.json');
    if (!existsSync(file)) return undefined;
    try {
      const stored = JSON.parse(readFileSync(file, 'utf8')) as Stored | { readonly v: 0 };
      if (stored.v !== 1) throw new TypeError(`version ${String(stored.v)}`);
      return stored;
    } catch (cause) {
      throw new OncewayError('configuration_invalid', `${file} can not be read; remove it to fetch anew`, {
        cause,
      });
    }
  }

  record(digest: Digest): Buffer | undefined {
    const file = join(this.#records, digest);
    return existsSync(file) ? readFileSync(file) : undefined;
  }

  addRecord(digest: Digest, octets: Uint8Array): void {
    writeDurably(join(this.#records, digest), octets);
  }

  /** A bundle that was taken at any time, by the digest of its head. */
  past(digest: Digest): ConfigurationBundle | undefined {
    const file = join(this.#past, `${digest}.json`);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ConfigurationBundle) : undefined;
  }

  /** Records are there before it: a crash in between leaves records that nothing names, and the old configuration.
   *  Nothing is ever removed: messages of any age are proven by the configuration that they were made under.
   *  @param digest of the bundle's head */
  save(stored: Stored, digest: Digest): void {
    writeDurably(join(this.#past, `${digest}.json`), Buffer.from(JSON.stringify(stored.bundle)));
    writeDurably(join(this.#folder, 'configuration.json'), Buffer.from(JSON.stringify(stored)));
  }
}
