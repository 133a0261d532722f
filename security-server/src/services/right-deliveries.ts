// Which server has taken which revision of the rights decided on here, so that what is left is known after a restart.
import type { Digest, SecurityServerId, SubsystemId } from '@onceway/schemas';
import type { StateDatabase } from '../state/state-database.js';
import { readRight, type RightRevision } from './access-right.js';
import type { Subject } from './service.js';

/** `taken`, or the code with which a server refused a revision that another one has replaced since. */
export interface RightDelivery {
  readonly digest: Digest;
  readonly server: SecurityServerId;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly outcome: string;
}

/** A revision that a server has yet to take. */
export interface Undelivered extends RightRevision {
  /** No later revision replaces it. */
  readonly isNewest: boolean;
}

/** The servers of those to whom a right of this provider is given. */
export type ServersOf = (subject: Subject, provider: SubsystemId) => Iterable<SecurityServerId>;

interface Row {
  readonly digest: Digest;
  readonly id: string;
  readonly signed: string;
}

export class RightDeliveries {
  readonly #database: StateDatabase;
  readonly #clock: () => number;

  constructor(database: StateDatabase, clock: () => number) {
    this.#database = database;
    this.#clock = clock;
  }

  /** What each server has yet to take, older revisions first. A server that has taken nothing of a right gets only what
   *  is in force: those before may be signed by keys that are no longer listed. */
  undelivered(serversOf: ServersOf): Map<SecurityServerId, Undelivered[]> {
    const settled = new Set(this.#all().map(({ digest, server }) => `${digest} ${server}`));
    const due = new Map<SecurityServerId, Undelivered[]>();
    for (const revisions of this.#entered()) {
      const newest = revisions.at(-1);
      if (newest === undefined) continue;
      const { claims } = readRight(newest.signed);
      for (const server of serversOf(claims.consumer, claims.provider)) {
        const last = revisions.findLastIndex(({ digest }) => settled.has(`${digest} ${server}`));
        // Who joins a group learns nothing of what was over before.
        if (last < 0 && claims.state === 'revoked' && !('client' in claims.consumer)) continue;
        const left = revisions.slice(last < 0 ? -1 : last + 1);
        if (left.length === 0) continue;
        const of = due.get(server) ?? [];
        for (const row of left) of.push({ ...readRight(row.signed), isNewest: row === newest });
        due.set(server, of);
      }
    }
    return due;
  }

  /** @param outcome `taken`, or the code of a refusal */
  settle(digest: Digest, server: SecurityServerId, outcome: string): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO right_delivery VALUES (?, ?, ?, ?)')
      .run(digest, server, this.#clock(), outcome);
  }

  /** Of one revision, oldest first. */
  of(digest: Digest): RightDelivery[] {
    return this.#database
      .prepare('SELECT * FROM right_delivery WHERE digest = ? ORDER BY at, server')
      .all(digest) as RightDelivery[];
  }

  #all(): RightDelivery[] {
    return this.#database.prepare('SELECT * FROM right_delivery').all() as RightDelivery[];
  }

  /** The revisions of each right that are in the log. */
  #entered(): Row[][] {
    const rows = this.#database
      .prepare('SELECT digest, id, signed FROM access_right WHERE entered = 1 ORDER BY id, rev')
      .all() as Row[];
    const rights: Row[][] = [];
    for (const row of rows)
      if (rights.at(-1)?.[0]?.id === row.id) rights.at(-1)?.push(row);
      else rights.push([row]);
    return rights;
  }
}
