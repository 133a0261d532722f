// The administrator's side of services and rights: each change is durable, then in force (service-directory.ts).
// One writer: changes wait for each other.
import { randomBytes as systemRandomBytes } from 'node:crypto';
import type { Digest, Names, RightClaims, ServiceId } from '@onceway/schemas';
import { memberOf, OncewayError, subsystemOf, uuidV7, type SubsystemId } from '@onceway/sdk/protocol';
import type { Token } from '../keys/signer.js';
import { signStatement } from '../keys/statement.js';
import { SERVICE_TIMEOUT_MS_DEFAULT } from '../limits.js';
import type { StateDatabase } from '../state/state-database.js';
import {
  accessRightOf,
  pseudonymOf,
  readRight,
  rightClaims,
  type Grant,
  type RightRevision,
} from './access-right.js';
import { readDescription } from './description.js';
import { LocalGroups } from './local-groups.js';
import { RightDeliveries } from './right-deliveries.js';
import { MemoryServiceDirectory } from './service-directory.js';
import type { AccessRight, Service } from './service.js';
import { checkBaseUrl, checkCode, checkTimeout, pinOf, unfit, type ServiceChange } from './service-change.js';

export interface ServiceStoreOptions {
  readonly database: StateDatabase;
  readonly token: Pick<Token, 'signingKey' | 'pseudonymKey'>;
  /** Enters a `right+jws` in the server's log; resolves once it is durable. */
  readonly enterRight: (signed: string) => Promise<unknown>;
  /** Called after a right was entered: others are to be told. */
  readonly rightEntered?: () => void;
  readonly clock: () => number;
  readonly randomBytes?: (size: number) => Buffer;
}

export interface PublishedDescription {
  readonly service: ServiceId;
  readonly rev: number;
  readonly document: string;
  readonly names?: Names;
}

export class ServiceStore {
  readonly directory: MemoryServiceDirectory;
  readonly localGroups: LocalGroups;
  readonly deliveries: RightDeliveries;
  readonly #options: ServiceStoreOptions;
  #last: Promise<unknown> = Promise.resolve();

  /** Reads everything into memory. @throws {OncewayError} `broken` for a state.db that was altered by hand */
  constructor(options: ServiceStoreOptions) {
    this.#options = options;
    this.localGroups = new LocalGroups(options.database);
    this.deliveries = new RightDeliveries(options.database, options.clock);
    this.directory = new MemoryServiceDirectory(
      options.clock,
      {
        description: (id) => this.#description(id)?.document,
        right: (digest) => {
          const revision = this.#revision(digest);
          if (revision === undefined) return undefined;
          const { provider, consumer: subject } = revision.claims;
          return { right: revision.signed, provider, subject };
        },
      },
      this.localGroups,
    );
    const { database } = options;
    for (const { definition } of database.prepare('SELECT definition FROM service').all() as {
      definition: string;
    }[])
      this.directory.putService(JSON.parse(definition) as Service);
    for (const { signed } of database
      .prepare(
        'SELECT signed FROM access_right AS r WHERE entered = 1 AND rev = (SELECT max(rev) FROM access_right WHERE id = r.id)',
      )
      .all() as { signed: string }[]) {
      const right = accessRightOf(readRight(signed));
      if (right !== undefined) this.directory.putRight(right);
    }
  }

  /** Enters what a crash left signed and not entered in the log. Call it before the listeners open.
   *  @throws {OncewayError} `log_unavailable` */
  async recover(): Promise<void> {
    await this.#inTurn(() => this.#enterPending());
  }

  /** Adds a service or changes it. A switched-off service stays off, and rights stay as they are.
   *  @throws {OncewayError} `request_invalid` */
  async putService(id: ServiceId, change: ServiceChange): Promise<Service> {
    return this.#inTurn(async () => {
      const before = this.directory.find(id);
      const description = change.description === undefined ? undefined : readDescription(change.description);
      const described = description !== undefined || before?.type === 'OPENAPI';
      if (described && change.endpoints !== undefined)
        throw unfit('the endpoints of a described service are those of its description');
      const names = change.names ?? before?.names;
      const pinned = change.certificate === undefined ? before?.certificate : pinOf(change.certificate);
      const service: Service = {
        id: checkCode(id),
        type: described ? 'OPENAPI' : 'REST',
        ...(names === undefined ? {} : { names }),
        baseUrl: checkBaseUrl(change.baseUrl, pinned !== undefined),
        ...(pinned === undefined ? {} : { certificate: pinned }),
        timeoutMs: checkTimeout(change.timeoutMs ?? before?.timeoutMs ?? SERVICE_TIMEOUT_MS_DEFAULT),
        endpoints: description?.endpoints ?? change.endpoints ?? before?.endpoints ?? [],
        ...(before?.disabled === undefined ? {} : { disabled: before.disabled }),
      };
      this.#put(service, description?.document);
      return service;
    });
  }

  /** Switches a service off with a notice, or on again. @throws {OncewayError} `service_unknown` */
  async setDisabled(id: ServiceId, notice: string | undefined): Promise<Service> {
    return this.#inTurn(async () => {
      const { disabled: _before, ...service } = this.#service(id);
      const changed: Service = notice === undefined ? service : { ...service, disabled: { notice } };
      this.#put(changed, undefined);
      return changed;
    });
  }

  /** @throws {OncewayError} `service_unknown`; `conflict` while somebody has a right to it: revoking is an act of its own */
  async removeService(id: ServiceId): Promise<void> {
    await this.#inTurn(async () => {
      this.#service(id);
      if (this.directory.rights().some(({ service }) => service === id))
        throw new OncewayError('conflict', `rights to ${id} are in force; revoke them first`);
      this.#options.database.prepare('DELETE FROM service WHERE id = ?').run(id);
      this.directory.removeService(id);
    });
  }

  /** Grants, or changes what the same subject has for the same endpoint. The same again changes nothing.
   *  In force once it is durable in the log; after `log_unavailable` ask again: nothing is in force meanwhile.
   *  @throws {OncewayError} `service_unknown`, `request_invalid`, `signing_key_unavailable`, `log_unavailable` */
  async grant(grant: Grant, officer: string): Promise<AccessRight> {
    return this.#inTurn(async () => {
      this.#service(grant.service);
      const { subject } = grant;
      if ('localGroup' in subject && !this.localGroups.has(subsystemOf(grant.service), subject.localGroup))
        throw unknownGroup(grant.service, subject.localGroup);
      await this.#enterPending();
      const here = this.directory.rights().find((right) => keyOf(right) === keyOf(grant));
      if (here !== undefined && here.until === grant.until) return here;
      const previous = here && this.#revision(here.digest);
      const id = here?.id ?? uuidV7(this.#options.clock(), this.#random(10));
      const revision = await this.#sign(
        id,
        here === undefined ? 'granted' : 'changed',
        grant,
        previous,
        officer,
      );
      await this.#enterPending();
      const right = accessRightOf(revision);
      if (right === undefined) throw new TypeError('a granted right grants nothing');
      return right;
    });
  }

  /** In force at once; its entry follows, at the latest when the server starts again.
   *  @throws {OncewayError} `not_found`, `signing_key_unavailable`, `log_unavailable` (revoked all the same) */
  async revoke(id: string, reason: string, officer: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.#enterPending();
      const right = this.directory.rights().find((each) => each.id === id);
      const previous = right && this.#revision(right.digest);
      if (right === undefined || previous === undefined)
        throw new OncewayError('not_found', `no right ${id}`);
      await this.#sign(id, 'revoked', { ...right, reason }, previous, officer);
      this.directory.removeRight(right);
      await this.#enterPending();
    });
  }

  /** @throws {OncewayError} `not_found`; `conflict` while it has a right: revoking is an act of its own */
  async removeLocalGroup(provider: SubsystemId, code: string): Promise<void> {
    await this.#inTurn(async () => {
      const held = this.directory
        .rights()
        .some(
          ({ service, subject }) =>
            'localGroup' in subject && subject.localGroup === code && subsystemOf(service) === provider,
        );
      if (held) {
        const rule = `rights of group ${code} are in force; revoke them first`;
        throw new OncewayError('conflict', rule, { rule });
      }
      this.localGroups.remove(provider, code);
    });
  }

  /** All revisions of a right, oldest first, as they were signed. */
  history(id: string): RightRevision[] {
    const rows = this.#options.database
      .prepare('SELECT signed FROM access_right WHERE id = ? ORDER BY rev')
      .all(id) as { signed: string }[];
    return rows.map(({ signed }) => readRight(signed));
  }

  /** Descriptions that the catalogue has not got yet. */
  unpublished(): PublishedDescription[] {
    const rows = this.#options.database
      .prepare('SELECT service, rev, document FROM description WHERE published < rev')
      .all() as { service: ServiceId; rev: number; document: string }[];
    return rows.map((row) => {
      const names = this.directory.find(row.service)?.names;
      return names === undefined ? row : { ...row, names };
    });
  }

  markPublished({ service, rev }: PublishedDescription): void {
    this.#options.database
      .prepare('UPDATE description SET published = max(published, ?) WHERE service = ?')
      .run(rev, service);
  }

  /** Memory changes first, since it alone can refuse (an endpoint that is none); a transaction that fails is undone. */
  #put(service: Service, document: string | undefined): void {
    const before = this.directory.find(service.id);
    this.directory.putService(service);
    try {
      const { database } = this.#options;
      database.transaction(() => {
        database
          .prepare(
            'INSERT INTO service VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET definition = excluded.definition',
          )
          .run(service.id, JSON.stringify(service));
        if (document !== undefined)
          database
            .prepare(
              `INSERT INTO description VALUES (?, ?, ?, 0) ON CONFLICT (service) DO UPDATE
               SET rev = max(rev + 1, excluded.rev), document = excluded.document WHERE document <> excluded.document`,
            )
            // Seconds as the first revision: one that was removed and comes again is newer than all before.
            .run(service.id, Math.floor(this.#options.clock() / 1000), document);
      })();
    } catch (cause) {
      if (before === undefined) this.directory.removeService(service.id);
      else this.directory.putService(before);
      throw cause;
    }
  }

  /** Signs a revision and keeps it, not yet entered. A crash from here on leaves it to recover(). */
  async #sign(
    id: string,
    state: RightClaims['state'],
    grant: Grant,
    previous: RightRevision | undefined,
    officer: string,
  ): Promise<RightRevision> {
    const { token, clock, database } = this.#options;
    const member = memberOf(grant.service);
    const now = clock();
    const date = new Date(now);
    const quarter = `${date.getUTCFullYear()}-Q${Math.floor(date.getUTCMonth() / 3) + 1}`;
    const decidedBy = pseudonymOf(token.pseudonymKey(member, quarter), quarter, officer);
    const claims = rightClaims(id, state, grant, previous, { nowS: Math.floor(now / 1000), decidedBy });
    const signed = await signStatement('right+jws', claims, token.signingKey(member), now);
    const revision = readRight(signed);
    database
      .prepare('INSERT INTO access_right VALUES (?, ?, ?, ?, ?, 0)')
      .run(revision.digest, id, claims.rev, grant.service, signed);
    return revision;
  }

  /** The log first, then memory: a right is in force from the moment its entry is durable. */
  async #enterPending(): Promise<void> {
    const { database, enterRight, rightEntered } = this.#options;
    const pending = database
      .prepare('SELECT signed FROM access_right WHERE entered = 0 ORDER BY id, rev')
      .all();
    for (const { signed } of pending as { signed: string }[]) {
      await enterRight(signed);
      const revision = readRight(signed);
      database.prepare('UPDATE access_right SET entered = 1 WHERE digest = ?').run(revision.digest);
      const right = accessRightOf(revision);
      const { id, service } = revision.claims;
      if (right !== undefined) this.directory.putRight(right);
      else if (service !== undefined) this.directory.removeRight({ id, service });
    }
    if (pending.length > 0) rightEntered?.();
  }

  #service(id: ServiceId): Service {
    const service = this.directory.find(id);
    if (service === undefined) throw new OncewayError('service_unknown', `no service ${id}`);
    return service;
  }

  #revision(digest: Digest): RightRevision | undefined {
    const row = this.#options.database
      .prepare('SELECT signed FROM access_right WHERE digest = ?')
      .get(digest);
    return row === undefined ? undefined : readRight((row as { signed: string }).signed);
  }

  #description(id: ServiceId): { document: string } | undefined {
    return this.#options.database.prepare('SELECT document FROM description WHERE service = ?').get(id) as
      { document: string } | undefined;
  }

  #random(size: number): Buffer {
    return (this.#options.randomBytes ?? systemRandomBytes)(size);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(act);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const keyOf = ({ service, subject, endpoint }: Pick<Grant, 'service' | 'subject' | 'endpoint'>): string =>
  JSON.stringify([service, subject, endpoint?.method ?? null, endpoint?.path ?? null]);

function unknownGroup(service: ServiceId, code: string): OncewayError {
  const rule = `${subsystemOf(service)} has no group ${code}: onceway-server group create`;
  return new OncewayError('subject_unknown', rule, { rule });
}
