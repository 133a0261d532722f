// Groups of clients that one provider keeps on its own server (X-Road's local groups), for rights to all of them at once.
// Durable first, then in force. Who is in one decides from the next message on.
import type { ClientId, Names, SubsystemId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { LOCAL_GROUP_MEMBERS_MAX, LOCAL_GROUPS_MAX } from '../limits.js';
import type { StateDatabase } from '../state/state-database.js';

export interface LocalGroup {
  readonly provider: SubsystemId;
  /** Unique for its provider. */
  readonly code: string;
  readonly description: Names;
  readonly members: readonly ClientId[];
}

interface Row {
  readonly provider: SubsystemId;
  readonly code: string;
  readonly description: string;
}

const keyOf = (provider: SubsystemId, code: string): string => `${provider} ${code}`;

export class LocalGroups {
  readonly #database: StateDatabase;
  readonly #members = new Map<string, Set<ClientId>>();

  constructor(database: StateDatabase) {
    this.#database = database;
    for (const { provider, code } of this.#rows()) this.#members.set(keyOf(provider, code), new Set());
    for (const { provider, code, client } of database.prepare('SELECT * FROM local_group_member').all() as {
      provider: SubsystemId;
      code: string;
      client: ClientId;
    }[])
      this.#members.get(keyOf(provider, code))?.add(client);
  }

  list(): LocalGroup[] {
    return this.#rows().map(({ provider, code, description }) => ({
      ...{ provider, code, description: JSON.parse(description) as Names },
      members: [...this.members(provider, code)].sort(),
    }));
  }

  has(provider: SubsystemId, code: string): boolean {
    return this.#members.has(keyOf(provider, code));
  }

  /** Those in the group; none where there is no such group. */
  members(provider: SubsystemId, code: string): ReadonlySet<ClientId> {
    return this.#members.get(keyOf(provider, code)) ?? new Set();
  }

  /** Makes the group, or describes it anew; its members stay. @throws {OncewayError} `conflict` for too many */
  put(provider: SubsystemId, code: string, description: Names): void {
    const groups = this.#rows().filter((group) => group.provider === provider);
    if (!this.has(provider, code) && groups.length >= LOCAL_GROUPS_MAX)
      throw refused('conflict', `a provider has at most ${LOCAL_GROUPS_MAX} groups`);
    this.#database
      .prepare(
        `INSERT INTO local_group VALUES (?, ?, ?) ON CONFLICT (provider, code) DO UPDATE
         SET description = excluded.description`,
      )
      .run(provider, code, JSON.stringify(description));
    const key = keyOf(provider, code);
    if (!this.#members.has(key)) this.#members.set(key, new Set());
  }

  /** @throws {OncewayError} `not_found` */
  remove(provider: SubsystemId, code: string): void {
    this.#of(provider, code);
    this.#database.prepare('DELETE FROM local_group WHERE provider = ? AND code = ?').run(provider, code);
    this.#members.delete(keyOf(provider, code));
  }

  /** @throws {OncewayError} `not_found`; `conflict` for too many */
  addMember(provider: SubsystemId, code: string, client: ClientId): void {
    const members = this.#of(provider, code);
    if (members.has(client)) return;
    if (members.size >= LOCAL_GROUP_MEMBERS_MAX)
      throw refused('conflict', `a group has at most ${LOCAL_GROUP_MEMBERS_MAX} members`);
    this.#database.prepare('INSERT INTO local_group_member VALUES (?, ?, ?)').run(provider, code, client);
    members.add(client);
  }

  /** In force at once. @throws {OncewayError} `not_found` */
  removeMember(provider: SubsystemId, code: string, client: ClientId): void {
    const members = this.#of(provider, code);
    if (!members.has(client)) throw refused('not_found', `${client} is not in ${code}`);
    this.#database
      .prepare('DELETE FROM local_group_member WHERE provider = ? AND code = ? AND client = ?')
      .run(provider, code, client);
    members.delete(client);
  }

  #of(provider: SubsystemId, code: string): Set<ClientId> {
    const members = this.#members.get(keyOf(provider, code));
    if (members === undefined) throw refused('not_found', `${provider} has no group ${code}`);
    return members;
  }

  #rows(): Row[] {
    return this.#database.prepare('SELECT * FROM local_group ORDER BY provider, code').all() as Row[];
  }
}

/** The administrator is told the rule: his own groups are no secret. */
function refused(code: 'conflict' | 'not_found', rule: string): OncewayError {
  return new OncewayError(code, rule, { rule });
}
