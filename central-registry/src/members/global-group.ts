// Global groups: clients that a provider may grant a service to by one name.
import type { ClientId } from '@onceway/schemas';
import { memberOf, OncewayError, type GlobalGroupRecord, type Names } from '@onceway/sdk/protocol';
import type { Database } from '../database.js';
import type { Members } from './member.js';

interface GroupRow {
  code: string;
  en: string;
  vi: string;
}

export class GlobalGroups {
  readonly #db: Database;
  readonly #members: Members;

  constructor(db: Database, members: Members) {
    this.#db = db;
    this.#members = members;
  }

  records(): GlobalGroupRecord[] {
    const members = this.#db.prepare<[string], { client: ClientId }>(
      'SELECT client FROM global_group_member WHERE code = ? ORDER BY client',
    );
    return this.#db
      .prepare<[], GroupRow>('SELECT * FROM global_group ORDER BY code')
      .all()
      .map(({ code, en, vi }) => ({
        v: 1,
        type: 'global-group',
        code,
        description: { en, vi },
        members: members.all(code).map(({ client }) => client),
      }));
  }

  /** Makes the group what is given, whole. @throws {OncewayError} `member_unknown` */
  put(code: string, description: Names, clients: readonly ClientId[]): GlobalGroupRecord {
    for (const client of clients) this.#members.get(memberOf(client));
    this.#db
      .prepare(
        `INSERT INTO global_group VALUES (?, ?, ?)
         ON CONFLICT (code) DO UPDATE SET en = excluded.en, vi = excluded.vi`,
      )
      .run(code, description.en, description.vi);
    this.#db.prepare('DELETE FROM global_group_member WHERE code = ?').run(code);
    const insert = this.#db.prepare('INSERT OR IGNORE INTO global_group_member VALUES (?, ?)');
    for (const client of clients) insert.run(code, client);
    return { v: 1, type: 'global-group', code, description, members: [...new Set(clients)].sort() };
  }

  /** @throws {OncewayError} `not_found` */
  remove(code: string): void {
    if (this.#db.prepare('DELETE FROM global_group WHERE code = ?').run(code).changes === 0)
      throw new OncewayError('not_found', `there is no group ${code}`);
  }
}
