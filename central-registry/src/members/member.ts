// Members and their subsystems: who is admitted, and under which names. Suspending keeps everything and stops all.
import type { MemberId, SubsystemId } from '@onceway/schemas';
import {
  formatMemberId,
  formatSubsystemId,
  memberOf,
  memberParts,
  OncewayError,
  type MemberRecord,
  type Names,
} from '@onceway/sdk/protocol';
import type { Database } from '../database.js';

export interface Member {
  readonly id: MemberId;
  readonly name: Names;
  /** Why it is suspended. */
  readonly suspended?: string;
  readonly subsystems: readonly { readonly id: SubsystemId; readonly name?: Names }[];
}

interface MemberRow {
  id: MemberId;
  name_en: string;
  name_vi: string;
  suspended: string | null;
}
interface SubsystemRow {
  id: SubsystemId;
  member: MemberId;
  name_en: string | null;
  name_vi: string | null;
}

export class Members {
  readonly #db: Database;
  readonly #instance: string;
  readonly #clock: () => number;

  constructor(db: Database, instance: string, clock: () => number) {
    this.#db = db;
    this.#instance = instance;
    this.#clock = clock;
  }

  list(): Member[] {
    const subsystems = new Map<MemberId, SubsystemRow[]>();
    for (const row of this.#db.prepare<[], SubsystemRow>('SELECT * FROM subsystem ORDER BY id').all())
      subsystems.set(row.member, [...(subsystems.get(row.member) ?? []), row]);
    return this.#db
      .prepare<[], MemberRow>('SELECT * FROM member ORDER BY id')
      .all()
      .map((row) => memberFrom(row, subsystems.get(row.id) ?? []));
  }

  /** @throws {OncewayError} `member_unknown` */
  get(id: MemberId): Member {
    const row = this.#db.prepare<[string], MemberRow>('SELECT * FROM member WHERE id = ?').get(id);
    if (row === undefined) throw new OncewayError('member_unknown', `${id} is not a member`);
    return memberFrom(
      row,
      this.#db
        .prepare<[string], SubsystemRow>('SELECT * FROM subsystem WHERE member = ? ORDER BY id')
        .all(id),
    );
  }

  /** @throws {OncewayError} `member_unknown`, `client_suspended` */
  active(id: MemberId): Member {
    const member = this.get(id);
    if (member.suspended !== undefined) throw new OncewayError('client_suspended', `${id} is suspended`);
    return member;
  }

  idOf(memberClass: string, memberCode: string): MemberId {
    return formatMemberId({ instance: this.#instance, memberClass, memberCode });
  }

  /** @throws {OncewayError} `already_registered` */
  add(id: MemberId, name: Names): Member {
    if (this.#db.prepare('SELECT 1 FROM member WHERE id = ?').get(id) !== undefined)
      throw new OncewayError('already_registered', `${id} is a member already`);
    this.#db
      .prepare('INSERT INTO member (id, name_en, name_vi, created_ms) VALUES (?, ?, ?, ?)')
      .run(id, name.en, name.vi, this.#clock());
    return this.get(id);
  }

  rename(id: MemberId, name: Names): Member {
    this.get(id);
    this.#db.prepare('UPDATE member SET name_en = ?, name_vi = ? WHERE id = ?').run(name.en, name.vi, id);
    return this.get(id);
  }

  /** @throws {OncewayError} `member_unknown`, `conflict` where it is suspended already */
  suspend(id: MemberId, reason: string): Member {
    if (this.get(id).suspended !== undefined)
      throw new OncewayError('conflict', `${id} is suspended already`);
    this.#db.prepare('UPDATE member SET suspended = ? WHERE id = ?').run(reason, id);
    return this.get(id);
  }

  /** @throws {OncewayError} `member_unknown`, `conflict` where it is not suspended */
  lift(id: MemberId): Member {
    if (this.get(id).suspended === undefined) throw new OncewayError('conflict', `${id} is not suspended`);
    this.#db.prepare('UPDATE member SET suspended = NULL WHERE id = ?').run(id);
    return this.get(id);
  }

  subsystemIdOf(member: MemberId, subsystemCode: string): SubsystemId {
    return formatSubsystemId({ ...memberParts(member), subsystemCode });
  }

  /** Adds a subsystem, or names one that a client registration has brought.
   *  @throws {OncewayError} `member_unknown` */
  putSubsystem(id: SubsystemId, name?: Names): void {
    this.get(memberOf(id));
    this.#db
      .prepare(
        `INSERT INTO subsystem VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
         name_en = coalesce(excluded.name_en, name_en), name_vi = coalesce(excluded.name_vi, name_vi)`,
      )
      .run(id, memberOf(id), name?.en ?? null, name?.vi ?? null);
  }

  /** @throws {OncewayError} `not_found`; `conflict` where a server still hosts it */
  removeSubsystem(id: SubsystemId): void {
    if (this.#db.prepare('SELECT 1 FROM server_client WHERE client = ?').get(id) !== undefined)
      throw new OncewayError('conflict', `${id} is registered on a security server`);
    if (this.#db.prepare('DELETE FROM subsystem WHERE id = ?').run(id).changes === 0)
      throw new OncewayError('not_found', `${id} is not a subsystem`);
  }

  records(): MemberRecord[] {
    return this.list().map(({ id, name, suspended, subsystems }) => ({
      v: 1,
      type: 'member',
      id,
      name,
      ...(suspended === undefined ? {} : { suspended: true }),
      subsystems,
    }));
  }
}

function memberFrom(row: MemberRow, subsystems: readonly SubsystemRow[]): Member {
  return {
    id: row.id,
    name: { en: row.name_en, vi: row.name_vi },
    ...(row.suspended === null ? {} : { suspended: row.suspended }),
    subsystems: subsystems.map(({ id, name_en: en, name_vi: vi }) => ({
      id,
      ...(en === null || vi === null ? {} : { name: { en, vi } }),
    })),
  };
}
