// API keys of people and programs: a role each, kept as hashes only. The key itself is shown once, when it is made.
import { createHash } from 'node:crypto';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Actor, Role } from '../audit/audit-trail.js';
import type { Database } from '../database.js';
import type { Officers } from './approvals.js';

export interface ApiKey {
  readonly id: string;
  readonly role: Role;
  /** What it is for; never a person's name. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

interface KeyRow {
  id: string;
  role: Role;
  name: string;
  created_ms: number;
}

const keyFrom = ({ id, role, name, created_ms: createdAt }: KeyRow): ApiKey => ({
  id,
  role,
  name,
  createdAt,
});

/** Those that change what the exchange trusts. */
const OFFICER_ROLES: readonly Role[] = ['registration-officer', 'security-officer'];

export function newKey(randomBytes: (size: number) => Buffer): string {
  return `owk_${randomBytes(32).toString('base64url')}`;
}

/** base64url of SHA-256: 256 random bits need no slow hash, there is nothing to guess. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

/** How an act names the key it was done with. */
const whoOf = (id: string): string => `api-key:${id}`;

export class ApiKeys {
  readonly #db: Database;
  readonly #clock: () => number;
  readonly #randomBytes: (size: number) => Buffer;
  readonly #officers: Officers;

  constructor(db: Database, clock: () => number, randomBytes: (size: number) => Buffer, officers: Officers) {
    this.#db = db;
    this.#clock = clock;
    this.#randomBytes = randomBytes;
    this.#officers = officers;
  }

  list(): ApiKey[] {
    return this.#db
      .prepare<[], KeyRow>('SELECT * FROM api_key WHERE removed_ms IS NULL ORDER BY created_ms, id')
      .all()
      .map(keyFrom);
  }

  /** The key is in the answer and nowhere else.
   *  @throws {OncewayError} `request_invalid` where two officers decide who is one: whoever made or carried the key could
   *  speak for both of them, so the new officer makes it, and they enter its hash */
  create(role: Role, name: string): ApiKey & { readonly key: string } {
    if (this.decidedByTwo(role))
      throw new OncewayError('request_invalid', 'an officer makes its own key', {
        rule: 'hash: an officer makes its own key (onceway-registry key make), and hands in its hash',
      });
    const key = newKey(this.#randomBytes);
    return { ...this.enter(role, name, hashOf(key)), key };
  }

  /** Whether two officers decide who holds a key of this role, since it counts as one of two. */
  decidedByTwo(role: Role): boolean {
    return this.#officers > 1 && OFFICER_ROLES.includes(role);
  }

  /** Takes a key by its hash. @throws {OncewayError} `already_registered`, also where it was removed */
  enter(role: Role, name: string, hash: string): ApiKey {
    if (this.#db.prepare('SELECT 1 FROM api_key WHERE hash = ?').get(hash) !== undefined)
      throw new OncewayError('already_registered', 'this key was entered before');
    const id = this.#randomBytes(8).toString('hex');
    const createdAt = this.#clock();
    this.#db
      .prepare('INSERT INTO api_key (id, hash, role, name, created_ms) VALUES (?, ?, ?, ?, ?)')
      .run(id, hash, role, name, createdAt);
    return { id, role, name, createdAt };
  }

  byHash(hash: string): ApiKey | undefined {
    const row = this.#db
      .prepare<[string], KeyRow>('SELECT * FROM api_key WHERE hash = ? AND removed_ms IS NULL')
      .get(hash);
    return row && keyFrom(row);
  }

  /** @param authorization the header, `Bearer <key>`
   *  @throws {OncewayError} `unauthenticated` */
  authenticate(authorization: string | undefined): Actor & { readonly role: Role } {
    const key = /^Bearer ([\x21-\x7e]{1,200})$/.exec(authorization ?? '')?.[1];
    const held = key === undefined ? undefined : this.byHash(hashOf(key));
    if (held === undefined) throw new OncewayError('unauthenticated', 'no valid API key');
    return { who: whoOf(held.id), role: held.role };
  }

  /** Ends a key, and its approvals of what still waits: it may have been stolen.
   *  @throws {OncewayError} `not_found`; `conflict` for as many keys of the role that makes keys as must approve one */
  remove(id: string): void {
    const key = this.list().find((one) => one.id === id);
    if (key === undefined) throw new OncewayError('not_found', `there is no key ${id}`);
    const alike = this.list().filter(({ role }) => role === key.role).length;
    if (key.role === 'security-officer' && alike <= this.#officers)
      throw new OncewayError('conflict', `the last ${this.#officers} of the security officers' keys stay`);
    this.#db
      .prepare(
        `DELETE FROM approval WHERE officer = ? AND subject NOT IN
           (SELECT 'management-request:' || jti FROM management_request WHERE state <> 'waiting')`,
      )
      .run(whoOf(id));
    this.#db.prepare('UPDATE api_key SET removed_ms = ? WHERE id = ?').run(this.#clock(), id);
  }
}
