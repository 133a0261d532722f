// Who has approved what, where one officer may not be enough. Counts keys; what an approval then does is decided where
// the thing itself stands (registration, trust changes).
import { OncewayError } from '@onceway/sdk/protocol';
import type { Database } from '../database.js';

/** How many officers must approve: fixed when the instance was begun, 1 for development and pilots. */
export type Officers = 1 | 2;

export interface ApprovalState {
  /** `1 of 2`. */
  readonly approvals: string;
  /** API keys in the order in which they approved. */
  readonly approvedBy: readonly string[];
}

export class Approvals {
  readonly #db: Database;
  readonly #needed: Officers;
  readonly #clock: () => number;

  constructor(db: Database, needed: Officers, clock: () => number) {
    this.#db = db;
    this.#needed = needed;
    this.#clock = clock;
  }

  of(subject: string): ApprovalState {
    const approvedBy = this.#db
      .prepare<[string], { officer: string }>(
        'SELECT officer FROM approval WHERE subject = ? ORDER BY given_ms, rowid',
      )
      .all(subject)
      .map(({ officer }) => officer);
    return { approvals: `${approvedBy.length} of ${this.#needed}`, approvedBy };
  }

  /** Whether this approval makes them enough. To be asked in one transaction with what it lets happen: where that is
   *  refused, the approval is not kept either.
   *  @throws {OncewayError} `conflict` where this key has approved it already */
  give(subject: string, officer: string): boolean {
    const { changes } = this.#db
      .prepare('INSERT OR IGNORE INTO approval VALUES (?, ?, ?)')
      .run(subject, officer, this.#clock());
    if (changes === 0)
      throw new OncewayError('conflict', `${officer} has approved already`, {
        rule: `${this.#needed} officers approve, each with a key of its own`,
      });
    return this.of(subject).approvedBy.length >= this.#needed;
  }

  forget(subject: string): void {
    this.#db.prepare('DELETE FROM approval WHERE subject = ?').run(subject);
  }
}
