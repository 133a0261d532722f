// Changes of what the exchange trusts: its trust services, and, where two officers must agree, who the officers are.
// One that needs another officer waits here; the last one needed applies it.
import type { Digest } from '@onceway/schemas';
import { digestOf, OncewayError, parseConfigurationRecord } from '@onceway/sdk/protocol';
import type { ApiKeys } from '../access/api-key.js';
import type { Approvals, ApprovalState } from '../access/approvals.js';
import type { Role } from '../audit/audit-trail.js';
import type { Database } from '../database.js';
import type { ApprovedService, ApprovedServices } from './approved-services.js';

export type TrustChange =
  | { readonly act: 'putTrustService'; readonly service: ApprovedService }
  | { readonly act: 'removeTrustService'; readonly type: ApprovedService['type']; readonly name: string }
  | { readonly act: 'createKey'; readonly role: Role; readonly name: string; readonly hash: string };

export interface ChangeView extends ApprovalState {
  /** Digest of the change: who approves an id approves this content. */
  readonly id: Digest;
  readonly state: 'waiting' | 'applied';
  readonly change: TrustChange;
  /** Milliseconds since 1970. */
  readonly proposedAt: number;
}

interface ChangeRow {
  id: Digest;
  change: string;
  proposed_ms: number;
}

interface Parts {
  readonly db: Database;
  readonly clock: () => number;
  readonly approvals: Approvals;
  readonly services: ApprovedServices;
  readonly keys: ApiKeys;
}

const subjectOf = (id: Digest): string => `change:${id}`;

export class TrustChanges {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Oldest first. */
  list(): ChangeView[] {
    return this.#parts.db
      .prepare<[], ChangeRow>('SELECT * FROM trust_change ORDER BY proposed_ms, rowid')
      .all()
      .map((row) => this.#view(row));
  }

  /** @throws {OncewayError} `not_found` */
  get(id: Digest): ChangeView {
    const row = this.#parts.db
      .prepare<[string], ChangeRow>('SELECT * FROM trust_change WHERE id = ?')
      .get(id);
    if (row === undefined) throw new OncewayError('not_found', 'no such change waits');
    return this.#view(row);
  }

  /** The first approval, and the only one where one officer is enough. The same change of another officer is the
   *  second. Must run inside the act's transaction, as `approve`.
   *  @throws {OncewayError} `conflict` (the same key again), and what applying it would refuse */
  propose(change: TrustChange, officer: string): ChangeView {
    const { db, clock, services } = this.#parts;
    if (change.act === 'putTrustService') parseConfigurationRecord(change.service);
    if (change.act === 'removeTrustService') services.get(change.type, change.name);
    const text = JSON.stringify(change);
    const id = digestOf(Buffer.from(text));
    db.prepare('INSERT OR IGNORE INTO trust_change VALUES (?, ?, ?)').run(id, text, clock());
    return this.approve(id, officer);
  }

  /** @throws {OncewayError} `not_found`, `conflict` (the same key again), and what applying refuses */
  approve(id: Digest, officer: string): ChangeView {
    this.get(id);
    const enough = this.#parts.approvals.give(subjectOf(id), officer);
    const view = this.get(id);
    if (!enough) return view;
    this.withdraw(id);
    this.#apply(view.change);
    return { ...view, state: 'applied' };
  }

  /** @throws {OncewayError} `not_found` */
  withdraw(id: Digest): void {
    this.get(id);
    this.#parts.db.prepare('DELETE FROM trust_change WHERE id = ?').run(id);
    this.#parts.approvals.forget(subjectOf(id));
  }

  #apply(change: TrustChange): void {
    const { services, keys } = this.#parts;
    switch (change.act) {
      case 'putTrustService':
        services.put(change.service);
        return;
      case 'removeTrustService':
        services.remove(change.type, change.name);
        return;
      case 'createKey':
        keys.enter(change.role, change.name, change.hash);
        return;
    }
  }

  #view({ id, change, proposed_ms: proposedAt }: ChangeRow): ChangeView {
    return {
      id,
      state: 'waiting',
      change: JSON.parse(change) as TrustChange,
      proposedAt,
      ...this.#parts.approvals.of(subjectOf(id)),
    };
  }
}
