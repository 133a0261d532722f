// The decision who may call what, in memory. It is told of changes by service-store.ts, and asks nobody.
import type { ClientId, Digest, ServiceId, SubsystemId } from '@onceway/schemas';
import { OncewayError, subsystemOf } from '@onceway/sdk/protocol';
import { bySpecificity, matches, parsePattern, readPath, type PathPattern } from './endpoint-pattern.js';
import type { LocalGroups } from './local-groups.js';
import type {
  AccessDecision,
  AccessRequest,
  AccessRight,
  Endpoint,
  Service,
  ServiceDirectory,
  SignedRight,
} from './service.js';

interface PreparedRight {
  readonly right: AccessRight;
  /** Undefined: the whole service. */
  readonly endpoint: { readonly method: string; readonly pattern: PathPattern } | undefined;
}

interface PreparedService {
  readonly service: Service;
  /** The more specific first: the first that matches gives `op` its name. */
  readonly endpoints: readonly { readonly endpoint: Endpoint; readonly pattern: PathPattern }[];
}

/** What is read from storage only when asked for: never on the way to a decision. */
export interface DirectoryDocuments {
  description(id: ServiceId): string | undefined;
  right(digest: Digest): SignedRight | undefined;
}

export class MemoryServiceDirectory implements ServiceDirectory {
  readonly #services = new Map<ServiceId, PreparedService>();
  readonly #rights = new Map<ServiceId, PreparedRight[]>();
  readonly #clock: () => number;
  readonly #documents: DirectoryDocuments;
  readonly #localGroups: Pick<LocalGroups, 'members'>;

  constructor(clock: () => number, documents: DirectoryDocuments, localGroups: Pick<LocalGroups, 'members'>) {
    this.#clock = clock;
    this.#documents = documents;
    this.#localGroups = localGroups;
  }

  /** @throws {OncewayError} `request_invalid` for an endpoint that is none; nothing is changed then */
  putService(service: Service): void {
    const endpoints = service.endpoints
      .map((endpoint) => ({ endpoint, pattern: parsePattern(endpoint.path) }))
      .sort((a, b) => 2 * bySpecificity(a.pattern, b.pattern) + anyLast(a.endpoint) - anyLast(b.endpoint));
    this.#services.set(service.id, { service, endpoints });
  }

  removeService(id: ServiceId): void {
    this.#services.delete(id);
    this.#rights.delete(id);
  }

  /** @throws {OncewayError} `request_invalid` */
  putRight(right: AccessRight): void {
    const endpoint =
      right.endpoint === undefined
        ? undefined
        : { method: right.endpoint.method, pattern: parsePattern(right.endpoint.path) };
    this.#rights.set(right.service, [...this.#others(right), { right, endpoint }]);
  }

  removeRight(right: Pick<AccessRight, 'id' | 'service'>): void {
    this.#rights.set(right.service, this.#others(right));
  }

  rights(): AccessRight[] {
    return [...this.#rights.values()].flat().map(({ right }) => right);
  }

  find(id: ServiceId): Service | undefined {
    return this.#services.get(id)?.service;
  }

  authorize({ client, service: id, method, path, groups }: AccessRequest): AccessDecision {
    const prepared = this.#services.get(id);
    if (prepared === undefined) throw new OncewayError('service_unknown', `no service ${id}`);
    const readings = readPath(path);
    const held = this.#held(client, groups, id);
    const granting = held.find(
      ({ endpoint }) =>
        endpoint === undefined || (fits(endpoint.method, method) && matches(endpoint.pattern, readings)),
    );
    if (granting === undefined) {
      // A right that is there and does not reach so far tells the caller more than none.
      const rule = held[0]?.right.id;
      throw new OncewayError(
        'access_denied',
        `no right of ${client} to ${method} ${id}${path}`,
        rule === undefined ? {} : { rule },
      );
    }
    const { id: rule, digest: right } = granting.right;
    if (prepared.service.disabled !== undefined)
      throw new OncewayError('service_disabled', prepared.service.disabled.notice, { rule });
    const named = prepared.endpoints.find(
      ({ endpoint, pattern }) => fits(endpoint.method, method) && matches(pattern, readings),
    )?.endpoint;
    const op = named?.described === undefined ? `${method} *` : `${method} ${named.described}`;
    return { rule, op, right };
  }

  list(subsystem: SubsystemId): readonly Service[] {
    return this.services().filter(({ id }) => subsystemOf(id) === subsystem);
  }

  services(): Service[] {
    return [...this.#services.values()].map(({ service }) => service);
  }

  allowed(client: ClientId, groups: ReadonlySet<string>, subsystem: SubsystemId): readonly Service[] {
    return this.list(subsystem).flatMap((service) => {
      const held = this.#held(client, groups, service.id);
      if (held.length === 0) return [];
      const endpoints = service.endpoints.filter(({ method, path }) =>
        held.some(
          ({ right, endpoint }) =>
            endpoint === undefined ||
            (fits(endpoint.method, method) &&
              (right.endpoint?.path === path || matches(endpoint.pattern, [path.slice(1).split('/')]))),
        ),
      );
      return [{ ...service, endpoints }];
    });
  }

  description(id: ServiceId): string | undefined {
    return this.#documents.description(id);
  }

  right(digest: Digest): SignedRight | undefined {
    return this.#documents.right(digest);
  }

  localGroup(provider: SubsystemId, code: string): ReadonlySet<ClientId> {
    return this.#localGroups.members(provider, code);
  }

  #others({ id, service }: Pick<AccessRight, 'id' | 'service'>): PreparedRight[] {
    return (this.#rights.get(service) ?? []).filter(({ right }) => right.id !== id);
  }

  /** The rights in force of one client, also through its groups. */
  #held(client: ClientId, groups: ReadonlySet<string>, service: ServiceId): PreparedRight[] {
    const rights = this.#rights.get(service);
    if (rights === undefined) return [];
    const nowS = this.#clock() / 1000;
    return rights.filter(({ right: { subject, from, until } }) => {
      if (nowS < from || (until !== undefined && nowS >= until)) return false;
      if ('client' in subject) return subject.client === client;
      if ('group' in subject) return groups.has(subject.group);
      return this.localGroup(subsystemOf(service), subject.localGroup).has(client);
    });
  }
}

const fits = (allowed: string, method: string): boolean => allowed === '*' || allowed === method;

const anyLast = (endpoint: Endpoint): number => (endpoint.method === '*' ? 1 : 0);
