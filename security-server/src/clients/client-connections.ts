// How the information systems of each client may connect, and which certificates they show (X-Road's connection types).
// Kept in state.db, asked in memory. What a connection that does not fit means is decided in exchange/authenticate.ts.
import type { ClientId, Digest } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { parseCertificates } from '../keys/import-pem.js';
import { checkStrength, describeCertificate, type CertificateInfo } from '../keys/key-material.js';
import { CLIENT_CERTIFICATES_MAX } from '../limits.js';
import type { StateDatabase } from '../state/state-database.js';

/** `http`: nothing is asked of the connection. `https`: TLS. `mutual`: TLS with one of the client's certificates. */
export type ConnectionType = 'http' | 'https' | 'mutual';

/** What is known of the connection on which a request came. */
export type Channel =
  { readonly tls: false } | { readonly tls: true; readonly certificate: Digest | undefined };

/** A certificate of an information system; compared as a whole, whoever issued it. */
export type ClientCertificate = Omit<CertificateInfo, 'active'>;

export interface ClientConnection {
  readonly type: ConnectionType;
  readonly certificates: ReadonlyMap<Digest, ClientCertificate>;
}

export interface ClientConnectionsOptions {
  readonly database: StateDatabase;
  /** Whether there is a listener for TLS: X-Road's default is `mutual`, and without one nobody could connect so. */
  readonly servesTls: boolean;
  readonly clock: () => number;
}

export class ClientConnections {
  readonly #options: ClientConnectionsOptions;
  readonly #unset: ClientConnection;
  readonly #connections = new Map<ClientId, ClientConnection>();

  constructor(options: ClientConnectionsOptions) {
    this.#options = options;
    this.#unset = { type: options.servesTls ? 'mutual' : 'http', certificates: new Map() };
    const { database } = options;
    for (const { client, type } of database.prepare('SELECT client, type FROM client_connection').all() as {
      client: ClientId;
      type: ConnectionType;
    }[])
      this.#connections.set(client, { ...this.#unset, type });
    for (const { client, der } of database.prepare('SELECT client, der FROM client_certificate').all() as {
      client: ClientId;
      der: Buffer;
    }[])
      this.#keep(client, certificateOf(der));
  }

  /** The one that was set; else `mutual`, or `http` on a server without a listener for TLS. */
  of(client: ClientId): ClientConnection {
    return this.#connections.get(client) ?? this.#unset;
  }

  /** All that were set or have a certificate. */
  list(): ReadonlyMap<ClientId, ClientConnection> {
    return this.#connections;
  }

  /** Holds from the next request on, also on connections that are open. */
  setType(client: ClientId, type: ConnectionType): void {
    this.#options.database
      .prepare(
        'INSERT INTO client_connection VALUES (?, ?) ON CONFLICT (client) DO UPDATE SET type = excluded.type',
      )
      .run(client, type);
    this.#connections.set(client, { ...this.of(client), type });
  }

  /** Adding one twice changes nothing.
   *  @param pem the certificate; what follows it is not kept
   *  @throws {OncewayError} `key_invalid` (no certificate, too weak, or ended); `conflict` above the bound */
  addCertificate(client: ClientId, pem: string): ClientCertificate {
    const [shown] = parseCertificates(pem);
    if (shown === undefined) throw new OncewayError('key_invalid', 'no certificate');
    checkStrength(shown.publicKey);
    const certificate = certificateOf(shown.raw);
    if (certificate.until * 1000 <= this.#options.clock())
      throw new OncewayError('key_invalid', 'the certificate has ended', {
        rule: 'the certificate has ended',
      });
    const { certificates } = this.of(client);
    if (!certificates.has(certificate.digest) && certificates.size >= CLIENT_CERTIFICATES_MAX)
      throw new OncewayError('conflict', `a client has at most ${CLIENT_CERTIFICATES_MAX} certificates`);
    this.#options.database
      .prepare('INSERT INTO client_certificate VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
      .run(client, certificate.digest, shown.raw);
    this.#keep(client, certificate);
    return certificate;
  }

  /** Refused from the next request on, also on connections that are open. @throws {OncewayError} `not_found` */
  removeCertificate(client: ClientId, digest: Digest): void {
    const { changes } = this.#options.database
      .prepare('DELETE FROM client_certificate WHERE client = ? AND digest = ?')
      .run(client, digest);
    if (changes === 0) throw new OncewayError('not_found', `${client} has no certificate ${digest}`);
    const certificates = new Map(this.of(client).certificates);
    certificates.delete(digest);
    this.#connections.set(client, { ...this.of(client), certificates });
  }

  #keep(client: ClientId, certificate: ClientCertificate): void {
    const { type, certificates } = this.of(client);
    this.#connections.set(client, {
      type,
      certificates: new Map([...certificates, [certificate.digest, certificate]]),
    });
  }
}

function certificateOf(der: Uint8Array): ClientCertificate {
  const { publicKey: _key, ...certificate } = describeCertificate(der);
  return certificate;
}
