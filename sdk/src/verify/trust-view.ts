// One genuine configuration, read for deciding: who is whose server, which certificate may sign for whom.
// Built once per configuration, then only looked up. Knows no clock and no network.
import type { ClientId, Digest, MemberId, SecurityServerId } from '@onceway/schemas';
import {
  memberOf,
  OncewayError,
  type CertificationAuthorityRecord,
  type ConfigurationHead,
  type ConfigurationRecord,
  type ConfigurationReference,
  type GlobalGroupRecord,
  type ListedCertificate,
  type MemberRecord,
  type PolicyRecord,
  type SecurityServerRecord,
  type SignatureAlgorithm,
  type TimeStampingAuthorityRecord,
} from '../protocol/index.js';

export type SigningListing = SecurityServerRecord['signing'][number];

/** Whether a listed certificate is in its time; `from` and `until` in seconds, `until` exclusive. */
export function isListedAt(listed: ListedCertificate, atMs: number): boolean {
  return listed.from * 1000 <= atMs && atMs < listed.until * 1000;
}

const NO_GROUPS: ReadonlySet<string> = new Set();

export class TrustView {
  readonly head: ConfigurationHead;
  readonly reference: ConfigurationReference;
  readonly policy: PolicyRecord;
  readonly authorities: readonly CertificationAuthorityRecord[];
  readonly timeStampingAuthorities: readonly TimeStampingAuthorityRecord[];
  readonly servers: readonly SecurityServerRecord[];
  readonly members: readonly MemberRecord[];
  readonly #members = new Map<MemberId, MemberRecord>();
  readonly #servers = new Map<SecurityServerId, SecurityServerRecord>();
  readonly #hosts = new Map<ClientId, SecurityServerRecord[]>();
  readonly #byAuthentication = new Map<Digest, { server: SecurityServerRecord; listed: ListedCertificate }>();
  readonly #groups = new Map<ClientId, Set<string>>();
  readonly #groupCodes = new Set<string>();
  readonly #digests = new Map<ConfigurationRecord, Digest>();

  /** @throws {OncewayError} `configuration_invalid` where records contradict each other */
  constructor(
    head: ConfigurationHead,
    reference: ConfigurationReference,
    addressed: Iterable<readonly [Digest, ConfigurationRecord]>,
  ) {
    this.head = head;
    this.reference = reference;
    for (const [digest, record] of addressed) this.#digests.set(record, digest);
    const records = [...this.#digests.keys()];
    const of = <T extends ConfigurationRecord['type']>(type: T) =>
      records.filter((record): record is Extract<ConfigurationRecord, { type: T }> => record.type === type);
    const [policy, ...more] = of('policy');
    if (policy === undefined || more.length > 0)
      throw new OncewayError('configuration_invalid', 'a configuration holds exactly one policy');
    this.policy = policy;
    this.authorities = of('certification-authority');
    this.timeStampingAuthorities = of('time-stamping-authority');
    this.members = of('member');
    this.servers = of('security-server');
    for (const member of this.members) this.#members.set(member.id, member);
    for (const server of this.servers) this.#addServer(server);
    for (const group of of('global-group')) this.#addGroup(group);
  }

  #addServer(server: SecurityServerRecord): void {
    this.#servers.set(server.id, server);
    for (const client of server.clients)
      this.#hosts.set(client, [...(this.#hosts.get(client) ?? []), server]);
    for (const listed of server.authentication) {
      if (this.#byAuthentication.has(listed.certificate))
        throw new OncewayError(
          'configuration_invalid',
          'one authentication certificate is listed for two servers',
        );
      this.#byAuthentication.set(listed.certificate, { server, listed });
    }
  }

  #addGroup(group: GlobalGroupRecord): void {
    this.#groupCodes.add(group.code);
    for (const member of group.members)
      this.#groups.set(member, (this.#groups.get(member) ?? new Set()).add(group.code));
  }

  member(id: MemberId): MemberRecord | undefined {
    return this.#members.get(id);
  }

  server(id: SecurityServerId): SecurityServerRecord | undefined {
    return this.#servers.get(id);
  }

  /** The servers where a client is registered; none for a suspended or unknown member. */
  serversOf(client: ClientId): readonly SecurityServerRecord[] {
    return this.isActive(client) ? (this.#hosts.get(client) ?? []) : [];
  }

  hosts(server: SecurityServerId, client: ClientId): boolean {
    return this.#hosts.get(client)?.some((host) => host.id === server) ?? false;
  }

  /** Whether the member behind a client or server is admitted and not suspended. */
  isActive(id: ClientId | SecurityServerId): boolean {
    const member = this.#members.get(memberOf(id));
    return member !== undefined && member.suspended !== true;
  }

  /** The server whose authentication certificate this is, at this time. */
  serverOfCertificate(certificate: Digest, atMs: number): SecurityServerRecord | undefined {
    const found = this.#byAuthentication.get(certificate);
    return found !== undefined && isListedAt(found.listed, atMs) && this.isActive(found.server.id)
      ? found.server
      : undefined;
  }

  /** The listing by which a certificate may sign for a member on a server, at this time. */
  signingListing(
    member: MemberId,
    server: SecurityServerId,
    certificate: Digest,
    atMs: number,
  ): SigningListing | undefined {
    return this.#servers
      .get(server)
      ?.signing.find(
        (listed) =>
          listed.member === member && listed.certificate === certificate && isListedAt(listed, atMs),
      );
  }

  /** Codes of the global groups a client is in. */
  groupsOf(client: ClientId): ReadonlySet<string> {
    return this.#groups.get(client) ?? NO_GROUPS;
  }

  /** The clients in a global group; none where there is no such group. */
  clientsOf(code: string): readonly ClientId[] {
    return [...this.#groups].flatMap(([client, codes]) => (codes.has(code) ? [client] : []));
  }

  /** Whether there is a global group of this code, with members or without. */
  hasGroup(code: string): boolean {
    return this.#groupCodes.has(code);
  }

  /** Whether a client is in the configuration: an admitted member, or a subsystem of one. */
  hasClient(id: ClientId): boolean {
    const member = this.#members.get(memberOf(id));
    return member !== undefined && (member.id === id || member.subsystems.some((each) => each.id === id));
  }

  /** Whether the policy allows an algorithm at this time. */
  allowsAlgorithm(alg: SignatureAlgorithm, atMs: number): boolean {
    return this.policy.algorithms.some(
      (allowed) =>
        allowed.alg === alg &&
        allowed.from * 1000 <= atMs &&
        (allowed.until === undefined || atMs < allowed.until * 1000),
    );
  }

  /** Address of a record of this configuration. */
  digestOf(record: ConfigurationRecord): Digest {
    const digest = this.#digests.get(record);
    if (digest === undefined) throw new TypeError('a record of another configuration');
    return digest;
  }
}
