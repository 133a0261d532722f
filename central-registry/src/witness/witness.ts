// A witness of transparency logs (c2sp.org/tlog-witness): remembers the last checkpoint of each log it knows, and
// cosigns only what extends it. Speaks no HTTP: add-checkpoint.ts does. What a log's entries say is not its matter.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { VerifierKey } from '@onceway/schemas';
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import {
  cosign,
  EMPTY_ROOT,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  verifyConsistency,
  vkeyOf,
  type Checkpoint,
} from '@onceway/sdk/verify';
import { pkcs8PemOf, readText, writeSecret } from '../trust-services/credential.js';
import { openStateFile, type StateFile } from '../state-file.js';

export interface Submission {
  /** What the sender believes was cosigned last. */
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  /** A signed checkpoint. */
  readonly note: string;
}

/** The answers of add-checkpoint, by their HTTP status. */
export type Decision =
  | { readonly status: 200; /** One line of cosignature, newline included. */ readonly line: string }
  | { readonly status: 409; /** What was cosigned last. */ readonly size: number }
  | { readonly status: 400 | 403 | 404 | 422 };

/** Two checkpoints of one size and different roots, both signed by the log: proof that it forked. */
export interface Fork {
  readonly origin: string;
  readonly cosigned: string;
  readonly refused: string;
}

interface Held {
  size: number;
  root: Buffer;
  note: string;
  cosigned_at_s: number;
}

const SCHEMA = `
  CREATE TABLE checkpoints (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, cosigned_at_s INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE forks (origin TEXT PRIMARY KEY, cosigned TEXT NOT NULL, refused TEXT NOT NULL) STRICT;`;

/** Makes the key (Ed25519, mode 0600) and the empty memory of a witness; returns the vkey (type 4) by which its
 *  cosignatures are verified. A crash leaves no witness, and may be repeated.
 *  @throws {OncewayError} `conflict` where one exists: a second start would forget what the first cosigned */
export function initWitness(options: { readonly folder: string; readonly name: string }): VerifierKey {
  const { folder, name } = options;
  const { key: keyFile, vkey: vkeyFile, state } = filesOf(folder);
  if (existsSync(vkeyFile)) throw new OncewayError('conflict', `${folder} holds a witness already`);
  const { privateKey } = generateKeyPairSync('ed25519');
  const vkey = vkeyOf(name, privateKey, 4);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeSecret(keyFile, pkcs8PemOf(privateKey));
  openStateFile(state, [SCHEMA], { create: true }).close();
  writeSecret(vkeyFile, `${vkey}\n`); // the last: by it a witness exists
  return vkey;
}

function filesOf(folder: string): { key: string; vkey: string; state: string } {
  return {
    key: join(folder, 'witness-key.pem'),
    vkey: join(folder, 'witness.vkey'),
    state: join(folder, 'witness.db'),
  };
}

export class Witness {
  readonly vkey: VerifierKey;
  readonly #name: string;
  readonly #key: KeyObject;
  readonly #state: StateFile;
  readonly #logOf: (origin: string) => VerifierKey | undefined;
  readonly #clock: () => number;
  readonly #caught: (fork: Fork) => void;

  /** Opens what `initWitness` made.
   *  @param options.logOf the key of a log that may ask, by its origin
   *  @param options.caught told of the first fork of each log
   *  @throws {OncewayError} `not_found`, also when only its memory is missing; `key_invalid` */
  constructor(options: {
    readonly folder: string;
    readonly logOf: (origin: string) => VerifierKey | undefined;
    readonly clock: () => number;
    readonly caught?: (fork: Fork) => void;
  }) {
    const files = filesOf(options.folder);
    this.vkey = readText(files.vkey).trim() as VerifierKey;
    this.#name = parseVerifierKey(this.vkey).name;
    this.#key = createPrivateKey(readText(files.key));
    if (vkeyOf(this.#name, this.#key, 4) !== this.vkey)
      throw new OncewayError('key_invalid', `the key in ${options.folder} is not the one of its vkey`);
    this.#state = openStateFile(files.state, [SCHEMA], { create: false });
    this.#logOf = options.logOf;
    this.#clock = options.clock;
    this.#caught = options.caught ?? (() => undefined);
  }

  /** Decides on one submission. A cosignature is returned only once the checkpoint is remembered durably: a crash in
   *  between costs the log a second request, which is granted. */
  addCheckpoint(submission: Submission): Decision {
    const { note, oldSize } = submission;
    let checkpoint: Checkpoint, text: string;
    try {
      text = parseNote(note).text;
      checkpoint = parseCheckpoint(text);
    } catch (error) {
      return refuse(error, 'checkpoint_invalid', 400);
    }
    const logKey = this.#logOf(checkpoint.origin);
    if (logKey === undefined) return { status: 404 };
    try {
      openCheckpoint(note, logKey);
    } catch (error) {
      return refuse(error, 'checkpoint_invalid', 403);
    }
    if (oldSize > checkpoint.size) return { status: 400 };
    const decision = this.#state.transaction(() => this.#compareAndSet(submission, checkpoint)).immediate();
    return typeof decision === 'number'
      ? { status: 200, line: cosign(text, this.#name, this.#key, decision) }
      : decision;
  }

  /** Logs that were caught with two histories; the first proof of each is kept. */
  forks(): Fork[] {
    return this.#state.prepare('SELECT origin, cosigned, refused FROM forks ORDER BY origin').all() as Fork[];
  }

  close(): void {
    this.#state.close();
  }

  /** Runs alone, other processes included: two requests that both extend the same checkpoint can not both pass.
   *  @returns the time of the cosignature in seconds, or the refusal */
  #compareAndSet(
    { oldSize, proof, note }: Submission,
    { origin, size, root }: Checkpoint,
  ): number | Decision {
    const held = this.#held(origin);
    if (size === held.size && !root.equals(held.root)) {
      if (held.size > 0) this.#keepFork({ origin, cosigned: held.note, refused: note });
      return { status: 409, size: held.size };
    }
    if (oldSize !== held.size) return { status: 409, size: held.size };
    try {
      verifyConsistency({ from: oldSize, to: size, fromRoot: held.root, toRoot: root, proof });
    } catch (error) {
      return refuse(error, 'proof_invalid', 422);
    }
    // A clock that went back must not date this tree before a smaller one.
    const timestampS = Math.max(Math.floor(this.#clock() / 1000), held.cosigned_at_s);
    this.#state
      .prepare(
        'INSERT OR REPLACE INTO checkpoints (origin, size, root, note, cosigned_at_s) VALUES (?, ?, ?, ?, ?)',
      )
      .run(origin, size, root, note, timestampS);
    return timestampS;
  }

  #keepFork(fork: Fork): void {
    const { changes } = this.#state
      .prepare('INSERT OR IGNORE INTO forks VALUES (@origin, @cosigned, @refused)')
      .run(fork);
    if (changes > 0) this.#caught(fork);
  }

  #held(origin: string): Held {
    const row = this.#state
      .prepare('SELECT size, root, note, cosigned_at_s FROM checkpoints WHERE origin = ?')
      .get(origin) as Held | undefined;
    return row ?? { size: 0, root: EMPTY_ROOT, note: '', cosigned_at_s: 0 };
  }
}

/** What an operator is told of a fork: with both checkpoints, for whoever must be shown them. */
export function forked({ origin, cosigned, refused }: Fork): OncewayError {
  return new OncewayError('log_broken', `the log ${origin} has two histories:\n${cosigned}\n${refused}`);
}

function refuse(
  error: unknown,
  code: 'checkpoint_invalid' | 'proof_invalid',
  status: 400 | 403 | 422,
): Decision {
  if (codeOf(error) !== code) throw error;
  return { status };
}
