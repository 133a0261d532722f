// Enrolment tokens: what an officer gives a new server's administrator so that the pilot authority issues its first
// certificates. Bound to one member and one server, kept as a hash, limited in uses and time.
import { createHash } from 'node:crypto';
import type { MemberId, SecurityServerId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Database } from '../database.js';
import type { Members } from './member.js';

export interface EnrolmentToken {
  readonly id: string;
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly usesLeft: number;
  /** Seconds since 1970. */
  readonly expires: number;
}

interface TokenRow {
  id: string;
  member: MemberId;
  server: SecurityServerId;
  uses: number;
  expires_s: number;
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');
const tokenFrom = (row: TokenRow): EnrolmentToken => ({
  id: row.id,
  member: row.member,
  server: row.server,
  usesLeft: row.uses,
  expires: row.expires_s,
});

export class EnrolmentTokens {
  readonly #db: Database;
  readonly #members: Members;
  readonly #clock: () => number;
  readonly #randomBytes: (size: number) => Buffer;

  constructor(db: Database, members: Members, clock: () => number, randomBytes: (size: number) => Buffer) {
    this.#db = db;
    this.#members = members;
    this.#clock = clock;
    this.#randomBytes = randomBytes;
  }

  list(): EnrolmentToken[] {
    return this.#db
      .prepare<[], TokenRow>('SELECT * FROM enrolment_token ORDER BY created_ms, id')
      .all()
      .map(tokenFrom);
  }

  /** The secret is in the answer and nowhere else. @throws {OncewayError} `member_unknown`, `client_suspended` */
  create(
    member: MemberId,
    server: SecurityServerId,
    uses: number,
    lifetimeS: number,
  ): EnrolmentToken & { readonly token: string } {
    this.#members.active(member);
    const token = `owe_${this.#randomBytes(32).toString('base64url')}`;
    const now = this.#clock();
    const row = {
      id: this.#randomBytes(8).toString('hex'),
      member,
      server,
      uses,
      expires_s: Math.floor(now / 1000) + lifetimeS,
    };
    this.#db
      .prepare('INSERT INTO enrolment_token VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(row.id, hashOf(token), member, server, uses, row.expires_s, now);
    return { ...tokenFrom(row), token };
  }

  /** Takes one use; a crash before the certificate is issued loses that use and nothing else.
   *  @throws {OncewayError} `enrolment_token_invalid` whatever is wrong with it: a guesser learns nothing */
  take(token: string, member: MemberId, server: SecurityServerId): EnrolmentToken {
    const row = this.#db
      .prepare<[string, string, string, number], TokenRow>(
        `UPDATE enrolment_token SET uses = uses - 1
         WHERE hash = ? AND member = ? AND server = ? AND expires_s > ? AND uses > 0 RETURNING *`,
      )
      .get(hashOf(token), member, server, Math.floor(this.#clock() / 1000));
    if (row === undefined) throw new OncewayError('enrolment_token_invalid', `no such token for ${server}`);
    return tokenFrom(row);
  }

  /** Gives a use back for which no certificate was issued. */
  giveBack(id: string): void {
    this.#db.prepare('UPDATE enrolment_token SET uses = uses + 1 WHERE id = ?').run(id);
  }

  /** @throws {OncewayError} `not_found` */
  remove(id: string): void {
    if (this.#db.prepare('DELETE FROM enrolment_token WHERE id = ?').run(id).changes === 0)
      throw new OncewayError('not_found', `there is no token ${id}`);
  }
}
