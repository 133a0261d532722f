// The audit trail: every administrative act, successful or refused, is an entry of a transparency log of its own
// (docs/protocol.md#audit). An act and its entry are one transaction.
import type { KeyObject } from 'node:crypto';
import type { LogOrigin, VerifierKey } from '@onceway/schemas';
import { codeOf, type ErrorCode } from '@onceway/sdk/protocol';
import { signCheckpoint, vkeyOf } from '@onceway/sdk/verify';
import type { ApprovalState } from '../access/approvals.js';
import type { Database } from '../database.js';
import { STRANGERS_NOTE_MS } from '../limits.js';
import { TransparencyLog } from '../transparency-log/transparency-log.js';

export const ROLES = ['registration-officer', 'security-officer', 'system-administrator', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** Who acts: an API key by its id and role, a security server by its identifier, or the process itself. */
export interface Actor {
  readonly who: string;
  readonly role: Role | 'security-server' | 'operator';
}

export interface Act {
  /** What is done: the operation of the interface. */
  readonly act: string;
  /** To what: an identifier. Never a name of a person. */
  readonly what: string;
  readonly reason?: string;
}

/** Where more than one officer may have to approve: how many have, and with which keys. */
export type EntryAddition = { readonly [Claim in keyof ApprovalState]?: ApprovalState[Claim] | undefined };

export class AuditTrail {
  readonly log: TransparencyLog;
  readonly #db: Database;
  readonly #clock: () => number;
  readonly #signer: { readonly origin: LogOrigin; readonly key: KeyObject };
  readonly #changed: () => void;
  readonly #entered = new WeakSet();
  readonly #strangers = new Map<string, { count: number; sinceMs: number }>();

  /** `changed` is called after each act that was committed. */
  constructor(
    db: Database,
    clock: () => number,
    signer: { readonly origin: LogOrigin; readonly key: KeyObject },
    changed: () => void,
  ) {
    this.#db = db;
    this.#clock = clock;
    this.#signer = signer;
    this.#changed = changed;
    this.log = new TransparencyLog(db, 'audit');
  }

  /** Does an act in one transaction with its entry. A crash leaves both or neither. What is refused with a code is
   *  entered too, and thrown on.
   *  @param also what the entry holds besides, once the change is made */
  perform<T>(actor: Actor, act: Act, change: () => T, also: (changed: T) => EntryAddition = () => ({})): T {
    let result: T;
    try {
      result = this.#db
        .transaction(() => {
          const value = change();
          this.#enter(actor, { ...act, ...also(value) }, 'done');
          return value;
        })
        .immediate();
    } catch (error) {
      this.refused(actor, act, error);
      throw error;
    }
    this.#changed();
    return result;
  }

  /** Enters an act that was refused; each error once. */
  refused(actor: Actor, act: Act, error: unknown): void {
    if (error === null || typeof error !== 'object' || this.#entered.has(error)) return;
    this.#entered.add(error);
    this.#db.transaction(() => this.#enter(actor, act, codeOf(error))).immediate();
  }

  /** Counts a refused call of somebody unknown: strangers must not be able to fill the trail. What was entered under
   *  a name is not counted again. */
  stranger(act: string, error: unknown): void {
    if (error !== null && typeof error === 'object' && this.#entered.has(error)) return;
    const key = `${act} ${codeOf(error)}`;
    const now = this.#clock();
    const counted = this.#strangers.get(key);
    const count = (counted?.count ?? 0) + 1;
    if (counted !== undefined && now - counted.sinceMs < STRANGERS_NOTE_MS) {
      counted.count = count;
      return;
    }
    this.#strangers.set(key, { count: 0, sinceMs: now });
    this.#db
      .transaction(() => this.log.append('strangers', now, { act, outcome: codeOf(error), count }))
      .immediate();
  }

  /** By it the trail's checkpoints are verified. */
  get key(): VerifierKey {
    return vkeyOf(this.#signer.origin, this.#signer.key);
  }

  /** A signed checkpoint over the trail as it stands now (C2SP tlog-checkpoint). */
  checkpoint(): string {
    const { origin, key } = this.#signer;
    return signCheckpoint({ origin, size: this.log.size, root: this.log.root() }, key);
  }

  #enter(actor: Actor, act: Act & EntryAddition, outcome: ErrorCode | 'done'): void {
    this.log.append('act', this.#clock(), { ...actor, ...act, outcome });
  }
}
