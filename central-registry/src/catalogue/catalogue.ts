// The catalogue: one signed description for each service, and the search over them in both languages. Vietnamese is
// found with and without its marks: 'ho tich' finds 'hộ tịch'.
import type { ServiceId } from '@onceway/schemas';
import { memberOf, OncewayError, subsystemOf, type Names } from '@onceway/sdk/protocol';
import type { Database } from '../database.js';
import { DESCRIPTIONS_PER_SUBSYSTEM_MAX, PAGE_MAX } from '../limits.js';
import type { Members } from '../members/member.js';
import type { VerifiedDescription } from './service-description.js';

export interface CatalogueEntry {
  readonly service: ServiceId;
  readonly title: Names;
  /** What its document says of itself, in the language of its author. */
  readonly summary?: string;
  /** Name of the member that provides it. */
  readonly provider: Names;
}

interface DescriptionRow {
  id: number;
  service: ServiceId;
  jws: string;
  digest: string;
  rev: number;
  title_en: string;
  title_vi: string;
  summary: string;
}

/** Without case and marks. `đ` is a letter of its own to Unicode, and a `d` to whoever has no such key. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').replace(/[đĐ]/g, 'd').toLowerCase();
}

/** Each word of the query must begin a word of the description. Quoted, so that nothing in it is query syntax. */
function matchOf(query: string): string {
  const words = fold(query).match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.map((word) => `"${word}"*`).join(' AND ');
}

export class Catalogue {
  readonly #db: Database;
  readonly #members: Members;

  constructor(db: Database, members: Members) {
    this.#db = db;
    this.#members = members;
  }

  /** Whether this very description is held. @throws {OncewayError} `conflict` where a newer one is */
  holds({ claims, digest }: VerifiedDescription): boolean {
    const held = this.#row(claims.service);
    if (held !== undefined && held.digest !== digest && claims.rev <= held.rev)
      throw new OncewayError('conflict', `revision ${held.rev} is held already`);
    return held?.digest === digest;
  }

  /** Stores a description that is newer than the one held: see `holds`.
   *  @throws {OncewayError} `conflict` (too many of one subsystem), `member_unknown` */
  put({ claims, jws, digest, title, summary, paths }: VerifiedDescription): void {
    const { service, rev } = claims;
    if (this.#row(service) === undefined && this.#count(service) >= DESCRIPTIONS_PER_SUBSYSTEM_MAX)
      throw new OncewayError(
        'conflict',
        `more than ${DESCRIPTIONS_PER_SUBSYSTEM_MAX} services of one subsystem`,
      );
    const provider = this.#members.get(memberOf(service)).name;
    const { id } = this.#db
      .prepare<unknown[], { id: number }>(
        `INSERT INTO description (service, jws, digest, rev, title_en, title_vi, summary) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (service) DO UPDATE SET jws = excluded.jws, digest = excluded.digest, rev = excluded.rev,
           title_en = excluded.title_en, title_vi = excluded.title_vi, summary = excluded.summary
         RETURNING id`,
      )
      .get(service, jws, digest, rev, title.en, title.vi, summary) as { id: number };
    this.#db.prepare('DELETE FROM description_text WHERE rowid = ?').run(id);
    this.#db
      .prepare('INSERT INTO description_text (rowid, title, summary, path, provider) VALUES (?, ?, ?, ?, ?)')
      .run(
        id,
        fold(`${title.en} ${title.vi}`),
        fold(summary),
        fold(`${decodeURIComponent(service)} ${paths.join(' ')}`),
        fold(`${provider.en} ${provider.vi}`),
      );
  }

  /** The signed description, and its digest. @throws {OncewayError} `not_found` */
  get(service: ServiceId): { readonly jws: string; readonly digest: string } {
    const row = this.#row(service);
    if (row === undefined) throw new OncewayError('not_found', `${service} is not described`);
    return { jws: row.jws, digest: row.digest };
  }

  /** Services that fit all words of the query, best first; all of them, in order, for a query without words. */
  search(query: string): CatalogueEntry[] {
    const match = matchOf(query);
    const rows =
      match === ''
        ? this.#db
            .prepare<[number], DescriptionRow>('SELECT * FROM description ORDER BY service LIMIT ?')
            .all(PAGE_MAX)
        : this.#db
            .prepare<[string, number], DescriptionRow>(
              `SELECT d.* FROM description_text JOIN description AS d ON d.id = description_text.rowid
               WHERE description_text MATCH ? ORDER BY bm25(description_text, 8, 2, 1, 4), d.service LIMIT ?`,
            )
            .all(match, PAGE_MAX);
    return rows.map((row) => ({
      service: row.service,
      title: { en: row.title_en, vi: row.title_vi },
      ...(row.summary === '' ? {} : { summary: row.summary }),
      provider: this.#members.get(memberOf(row.service)).name,
    }));
  }

  #row(service: ServiceId): DescriptionRow | undefined {
    return this.#db
      .prepare<[string], DescriptionRow>('SELECT * FROM description WHERE service = ?')
      .get(service);
  }

  #count(service: ServiceId): number {
    const prefix = `${subsystemOf(service)}/`;
    const { count } = this.#db
      .prepare<[number, string], { count: number }>(
        'SELECT count(*) AS count FROM description WHERE substr(service, 1, ?) = ?',
      )
      .get(prefix.length, prefix) ?? { count: 0 };
    return count;
  }
}
