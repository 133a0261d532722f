// Security servers: address, clients, logs and the certificates listed for them. Changed only by approved requests,
// and by officers who suspend a server or revoke a certificate.
import type { ClientId, Digest, LogOrigin, MemberId, SecurityServerId, VerifierKey } from '@onceway/schemas';
import { memberOf, OncewayError, type SecurityServerRecord } from '@onceway/sdk/protocol';
import type { Database } from '../database.js';
import {
  certificateFrom,
  type CertificateRow,
  type CertificateUsage,
  type ServerCertificate,
} from './server-certificate.js';

export interface SecurityServer {
  readonly id: SecurityServerId;
  readonly owner: MemberId;
  readonly address: string;
  readonly suspended?: string;
  readonly clients: readonly ClientId[];
  readonly logs: SecurityServerRecord['logs'];
  readonly certificates: readonly Omit<ServerCertificate, 'der'>[];
}

interface ServerRow {
  id: SecurityServerId;
  owner: MemberId;
  address: string;
  suspended: string | null;
}

export class SecurityServers {
  readonly #db: Database;
  readonly #clock: () => number;

  constructor(db: Database, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  list(): SecurityServer[] {
    return this.#db
      .prepare<[], ServerRow>('SELECT * FROM security_server ORDER BY id')
      .all()
      .map((row) => this.#complete(row));
  }

  find(id: SecurityServerId): SecurityServer | undefined {
    const row = this.#db.prepare<[string], ServerRow>('SELECT * FROM security_server WHERE id = ?').get(id);
    return row && this.#complete(row);
  }

  /** @throws {OncewayError} `server_unknown` */
  get(id: SecurityServerId): SecurityServer {
    const server = this.find(id);
    if (server === undefined) throw new OncewayError('server_unknown', `${id} is not a security server`);
    return server;
  }

  certificate(digest: Digest): ServerCertificate | undefined {
    const row = this.#db
      .prepare<[string], CertificateRow>('SELECT * FROM server_certificate WHERE digest = ?')
      .get(digest);
    return row && certificateFrom(row);
  }

  /** The listing of a certificate for this use, now. */
  listed(server: SecurityServerId, usage: CertificateUsage, member: MemberId, digest: Digest): boolean {
    const found = this.certificate(digest);
    return (
      found !== undefined &&
      found.removed === undefined &&
      found.server === server &&
      found.usage === usage &&
      found.member === member &&
      this.#clock() < found.untilS * 1000
    );
  }

  /** Adds a server that an officer has approved. @throws {OncewayError} `already_registered` */
  add(id: SecurityServerId, address: string, logs: SecurityServerRecord['logs']): void {
    if (this.find(id) !== undefined)
      throw new OncewayError('already_registered', `${id} is registered already`);
    this.#db
      .prepare('INSERT INTO security_server (id, owner, address, created_ms) VALUES (?, ?, ?, ?)')
      .run(id, memberOf(id), address, this.#clock());
    for (const { origin, key } of logs) {
      if (this.logServer(origin) !== undefined)
        throw new OncewayError('already_registered', `the log ${origin} is registered already`);
      this.#db.prepare('INSERT INTO server_log VALUES (?, ?, ?)').run(origin, id, key);
    }
  }

  logServer(origin: LogOrigin): SecurityServerId | undefined {
    return this.#db
      .prepare<[string], { server: SecurityServerId }>('SELECT server FROM server_log WHERE origin = ?')
      .get(origin)?.server;
  }

  /** The key of a log of a registered server. */
  logKey(origin: LogOrigin): VerifierKey | undefined {
    return this.#db
      .prepare<[string], { key: VerifierKey }>(
        `SELECT l.key FROM server_log AS l JOIN security_server AS s ON s.id = l.server
         WHERE l.origin = ? AND s.suspended IS NULL`,
      )
      .get(origin)?.key;
  }

  changeAddress(id: SecurityServerId, address: string): void {
    this.get(id);
    this.#db.prepare('UPDATE security_server SET address = ? WHERE id = ?').run(address, id);
  }

  /** @throws {OncewayError} `already_registered` where this or another server ever had the certificate */
  addCertificate(certificate: ServerCertificate): void {
    const { digest, server, usage, member, alg, der, fromS, untilS } = certificate;
    if (this.certificate(digest) !== undefined)
      throw new OncewayError('already_registered', `certificate ${digest} was registered before`);
    this.#db
      .prepare('INSERT INTO server_certificate VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)')
      .run(digest, server, usage, member, alg, der, fromS, untilS);
  }

  /** Takes a certificate off the list for ever. @throws {OncewayError} `not_found` */
  removeCertificate(digest: Digest, reason: string): ServerCertificate {
    const found = this.certificate(digest);
    if (found === undefined || found.removed !== undefined)
      throw new OncewayError('not_found', `certificate ${digest} is not listed`);
    this.#db.prepare('UPDATE server_certificate SET removed = ? WHERE digest = ?').run(reason, digest);
    return found;
  }

  /** @throws {OncewayError} `already_registered` */
  addClient(server: SecurityServerId, client: ClientId): void {
    if (
      this.#db.prepare('INSERT OR IGNORE INTO server_client VALUES (?, ?)').run(server, client).changes === 0
    )
      throw new OncewayError('already_registered', `${client} is registered on ${server} already`);
  }

  /** @throws {OncewayError} `client_unknown` */
  removeClient(server: SecurityServerId, client: ClientId): void {
    const { changes } = this.#db
      .prepare('DELETE FROM server_client WHERE server = ? AND client = ?')
      .run(server, client);
    if (changes === 0) throw new OncewayError('client_unknown', `${client} is not registered on ${server}`);
  }

  /** @throws {OncewayError} `server_unknown`, `conflict` */
  suspend(id: SecurityServerId, reason: string): SecurityServer {
    if (this.get(id).suspended !== undefined)
      throw new OncewayError('conflict', `${id} is suspended already`);
    this.#db.prepare('UPDATE security_server SET suspended = ? WHERE id = ?').run(reason, id);
    return this.get(id);
  }

  /** @throws {OncewayError} `server_unknown`, `conflict` */
  lift(id: SecurityServerId): SecurityServer {
    if (this.get(id).suspended === undefined) throw new OncewayError('conflict', `${id} is not suspended`);
    this.#db.prepare('UPDATE security_server SET suspended = NULL WHERE id = ?').run(id);
    return this.get(id);
  }

  /** A suspended server stands in no configuration: to everybody else it is a stranger. */
  records(nowS: number): SecurityServerRecord[] {
    return this.list()
      .filter((server) => server.suspended === undefined)
      .map(({ id, address, clients, logs, certificates }) => {
        const listed = (usage: CertificateUsage) =>
          certificates.filter((one) => one.usage === usage && one.removed === undefined && nowS < one.untilS);
        return {
          v: 1,
          type: 'security-server',
          id,
          address,
          authentication: listed('authentication').map(({ digest, fromS, untilS }) => ({
            certificate: digest,
            from: fromS,
            until: untilS,
          })),
          signing: listed('signing').map(({ digest, fromS, untilS, member, alg }) => ({
            certificate: digest,
            from: fromS,
            until: untilS,
            member,
            alg,
          })),
          clients,
          logs,
        };
      });
  }

  #complete(row: ServerRow): SecurityServer {
    const { id } = row;
    return {
      id,
      owner: row.owner,
      address: row.address,
      ...(row.suspended === null ? {} : { suspended: row.suspended }),
      clients: this.#db
        .prepare<[string], { client: ClientId }>(
          'SELECT client FROM server_client WHERE server = ? ORDER BY client',
        )
        .all(id)
        .map(({ client }) => client),
      logs: this.#db
        .prepare<[string], { origin: LogOrigin; key: VerifierKey }>(
          'SELECT origin, key FROM server_log WHERE server = ? ORDER BY origin',
        )
        .all(id),
      certificates: this.#db
        .prepare<[string], CertificateRow>(
          'SELECT * FROM server_certificate WHERE server = ? ORDER BY usage, from_s, digest',
        )
        .all(id)
        .map(certificateFrom)
        .map(({ der: _, ...certificate }) => certificate),
    };
  }
}
