// Who may administer this server, and who did what: API keys with roles, and the trail of acts, refused ones too.
import { createHash } from 'node:crypto';
import { OncewayError } from '@onceway/sdk/protocol';
import type { StateDatabase } from '../state/state-database.js';

export const ROLES = [
  'registration-officer',
  'service-administrator',
  'security-officer',
  'system-administrator',
  'auditor',
] as const;
export type Role = (typeof ROLES)[number];

export interface ApiKey {
  /** What it is for; never a person's name. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

interface KeyRow {
  readonly name: string;
  readonly roles: string;
  readonly created_at: number;
}

// 256 random bits need no slow hash: there is nothing to guess.
const hashOf = (key: string): string => createHash('sha256').update(key).digest('base64url');
const keyOf = ({ name, roles, created_at: createdAt }: KeyRow): ApiKey => ({
  name,
  roles: JSON.parse(roles) as Role[],
  createdAt,
});

export class ApiKeys {
  readonly #database: StateDatabase;
  readonly #clock: () => number;
  readonly #random: (size: number) => Buffer;

  constructor(database: StateDatabase, clock: () => number, randomBytes: (size: number) => Buffer) {
    this.#database = database;
    this.#clock = clock;
    this.#random = randomBytes;
  }

  list(): ApiKey[] {
    return (this.#database.prepare('SELECT * FROM api_key ORDER BY name').all() as KeyRow[]).map(keyOf);
  }

  /** The key itself is in the answer and nowhere else. @throws {OncewayError} `conflict` when the name is taken */
  create(name: string, roles: readonly Role[]): ApiKey & { readonly key: string } {
    if (this.list().some((key) => key.name === name))
      throw new OncewayError('conflict', `a key "${name}" exists`);
    const key = `ows_${this.#random(32).toString('base64url')}`;
    const createdAt = this.#clock();
    this.#database
      .prepare('INSERT INTO api_key (name, hash, roles, created_at) VALUES (?, ?, ?, ?)')
      .run(name, hashOf(key), JSON.stringify(roles), createdAt);
    return { name, roles, createdAt, key };
  }

  /** @throws {OncewayError} `not_found`; `conflict` for the last one that can make keys */
  remove(name: string): void {
    const makers = this.list().filter(({ roles }) => roles.includes('security-officer'));
    if (makers.length === 1 && makers[0]?.name === name)
      throw new OncewayError('conflict', 'the last key of a security officer stays');
    if (this.#database.prepare('DELETE FROM api_key WHERE name = ?').run(name).changes === 0)
      throw new OncewayError('not_found', `no key "${name}"`);
  }

  /** @param authorization the header, `Bearer <key>`. @throws {OncewayError} `unauthenticated` */
  authenticate(authorization: string | undefined): ApiKey {
    const key = /^Bearer ([\x21-\x7e]{1,200})$/.exec(authorization ?? '')?.[1] ?? '';
    const row = this.#database.prepare('SELECT * FROM api_key WHERE hash = ?').get(hashOf(key));
    if (row === undefined) throw new OncewayError('unauthenticated', 'no valid API key');
    return keyOf(row as KeyRow);
  }
}

export interface AuditEntry {
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Name of the API key, `stranger`, or `server`. */
  readonly who: string;
  /** Operation of the API description. */
  readonly act: string;
  readonly subject: string;
  /** `done`, or the code of the refusal. */
  readonly outcome: string;
}

/** Strangers must not fill the trail: one line a minute counts them. */
const STRANGERS_NOTE_MS = 60_000;

export class AuditTrail {
  readonly #database: StateDatabase;
  readonly #clock: () => number;
  #strangers = { count: 0, notedAtMs: Number.NEGATIVE_INFINITY };

  constructor(database: StateDatabase, clock: () => number) {
    this.#database = database;
    this.#clock = clock;
  }

  enter(who: string, act: string, subject: string, outcome: string): void {
    this.#database
      .prepare('INSERT INTO audit (at, who, act, subject, outcome) VALUES (?, ?, ?, ?, ?)')
      .run(this.#clock(), who, act, subject.slice(0, 500), outcome);
  }

  stranger(act: string, outcome: string): void {
    this.#strangers.count++;
    const now = this.#clock();
    if (now - this.#strangers.notedAtMs < STRANGERS_NOTE_MS) return;
    this.enter('stranger', act, `refused calls without a valid key: ${this.#strangers.count}`, outcome);
    this.#strangers = { count: 0, notedAtMs: now };
  }

  /** Oldest first, those after number `after`. */
  list(after: number, limit: number): AuditEntry[] {
    return this.#database
      .prepare('SELECT * FROM audit WHERE n > ? ORDER BY n LIMIT ?')
      .all(after, limit) as AuditEntry[];
  }
}
