// Connections to other security servers: mutual TLS 1.3, kept alive, one message at a time on each. A connection is
// open and proven to be the listed server's before a message is sealed for it. Decides nothing about messages.
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import type { Digest, SecurityServerId } from '@onceway/schemas';
import {
  digestOf,
  OncewayError,
  PEER_FIELDS_BYTES_MAX,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { Client } from 'undici';
import {
  BODY_IDLE_MS,
  PASSED_ON_PATIENCE,
  PEER_ANSWER_TIMEOUT_MS,
  PEER_CONNECT_TIMEOUT_MS,
  PEER_CONNECTIONS_MAX,
  PEER_BODY_TIMEOUT_MS,
  PEER_IDLE_MS,
  PEER_WAIT_MS,
} from '../limits.js';
import { ask } from './ask.js';
import type { PeerReply } from './peer-reply.js';
import { PeerTransfer } from './peer-transfer.js';

export interface TlsIdentity {
  /** PEM of the own authentication key and its certificate with issuers. */
  readonly key: string;
  readonly cert: string;
}

/** The connection broke before the first octet of the request left: nothing was sent, another may be tried. */
export class NotSentError extends Error {}

const pem = (der: string): string => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`;

/** One connection that is in nobody's use, or in one's. */
export class PeerConnection {
  readonly server: SecurityServerId;
  /** Digest of the certificate the peer showed. */
  readonly certificate: Digest;
  readonly #socket: TLSSocket;
  readonly #client: Client;
  readonly #answerTimeoutMs: number;
  readonly #host: string;
  #handedOver = false;

  constructor(
    server: SecurityServerRecord,
    socket: TLSSocket,
    certificate: Digest,
    answerTimeoutMs = PEER_ANSWER_TIMEOUT_MS,
  ) {
    this.server = server.id;
    this.certificate = certificate;
    this.#socket = socket;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#host = new URL(server.address).host;
    this.#client = new Client(server.address, {
      // The socket is open already. undici asks again only after it broke, and then nothing was sent.
      connect: (_options, done) => {
        const isGone = this.#handedOver;
        this.#handedOver = true;
        // Not within the call: undici waits for ever for a connection that is there before it returns.
        setImmediate(() => {
          if (isGone) done(new NotSentError('the connection is gone'), null);
          else done(null, socket);
        });
      },
      pipelining: 1,
      keepAliveTimeout: PEER_IDLE_MS,
      bodyTimeout: PASSED_ON_PATIENCE * BODY_IDLE_MS,
      maxHeaderSize: PEER_FIELDS_BYTES_MAX,
    });
  }

  get alive(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && !this.#client.destroyed;
  }

  /** Sends one request and reads its whole answer.
   *  @param timeoutMs until the answer begins, where that is less than for a message
   *  @throws {NotSentError} nothing left; any other error: the peer may have it */
  send(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body: Buffer | null,
    bytesMax: number,
    timeoutMs?: number,
  ): Promise<PeerReply> {
    if (!this.alive) return Promise.reject(new NotSentError('the connection is gone'));
    return ask(
      this.#client,
      { method, path, headers, body, headersTimeout: timeoutMs ?? this.#answerTimeoutMs },
      {
        bytesMax,
        timeoutMs: PEER_BODY_TIMEOUT_MS,
        from: 'head',
        tooLarge: () => new OncewayError('answer_invalid', `the peer sent more than ${bytesMax} octets`),
        streams: 'with trailers',
      },
    );
  }

  /** Begins a request with a streamed body. Only on a connection that was opened for it, and nothing else after it. */
  transfer(fields: Readonly<Record<string, string>>): PeerTransfer {
    this.#handedOver = true;
    return new PeerTransfer(this.#socket, this.#host, fields);
  }

  close(): void {
    this.#socket.destroy();
    void this.#client.destroy();
  }
}

interface Peer {
  readonly idle: PeerConnection[];
  readonly waiting: ((connection: PeerConnection | undefined) => void)[];
  open: number;
  /** For resumption, with the certificate that was shown when it began: a resumed handshake shows none. */
  session?: { readonly ticket: Buffer; readonly certificate: Digest };
}

/** Bounds, for tests: they tighten those of limits.ts. */
export interface PeerLimits {
  readonly connectionsMax?: number;
  readonly waitMs?: number;
  readonly answerTimeoutMs?: number;
}

export class PeerTransport {
  readonly #identity: () => TlsIdentity;
  readonly #clock: () => number;
  readonly #limits: PeerLimits;
  readonly #peers = new Map<SecurityServerId, Peer>();
  readonly #connections = new Set<PeerConnection>();

  constructor(options: {
    readonly identity: () => TlsIdentity;
    readonly clock: () => number;
    readonly limits?: PeerLimits;
  }) {
    this.#identity = options.identity;
    this.#clock = options.clock;
    this.#limits = options.limits ?? {};
  }

  /** An open connection to this server, idle or new, whose certificate is listed for it now.
   *  @param urgent does not wait while all connections are taken: for the few questions that those who took them wait
   *  for, which would otherwise wait for one another
   *  @param fresh a new one: a request whose body is streamed goes over no connection that undici has
   *  @throws {OncewayError} `provider_unreachable`, `peer_not_authenticated`, `busy` */
  async acquire(
    server: SecurityServerRecord,
    trust: TrustView,
    urgent = false,
    fresh = false,
  ): Promise<PeerConnection> {
    const peer = this.#peerOf(server.id);
    // At the bound an idle one makes room.
    if (fresh && peer.open >= (this.#limits.connectionsMax ?? PEER_CONNECTIONS_MAX)) {
      const idle = peer.idle.pop();
      if (idle !== undefined) this.#drop(peer, idle);
    }
    for (let idle = fresh ? undefined : peer.idle.pop(); idle !== undefined; idle = peer.idle.pop()) {
      if (idle.alive && this.#isListed(idle, trust)) return idle;
      this.#drop(peer, idle);
    }
    if (!urgent && peer.open >= (this.#limits.connectionsMax ?? PEER_CONNECTIONS_MAX)) {
      const handed = await this.#wait(peer, server.id);
      if (handed !== undefined && !fresh && handed.alive && this.#isListed(handed, trust)) return handed;
      if (handed !== undefined) this.#drop(peer, handed);
      return this.acquire(server, trust, false, fresh);
    }
    peer.open++;
    try {
      return await this.#connect(server, trust, peer);
    } catch (error) {
      peer.open--;
      peer.waiting.shift()?.(undefined);
      throw error;
    }
  }

  /** Gives a connection back: to the next who waits, else to the idle ones; a broken one is dropped. */
  release(connection: PeerConnection, reusable: boolean): void {
    const peer = this.#peerOf(connection.server);
    if (!reusable || !connection.alive) {
      this.#drop(peer, connection);
      peer.waiting.shift()?.(undefined);
      return;
    }
    const next = peer.waiting.shift();
    if (next === undefined) peer.idle.push(connection);
    else next(connection);
  }

  /** After the own certificate changed: a resumed session would still show the old one. */
  forgetSessions(): void {
    for (const peer of this.#peers.values()) {
      delete peer.session;
      for (const connection of peer.idle.splice(0)) this.#drop(peer, connection);
    }
  }

  /** Closes idle connections whose certificate the configuration no longer lists. Those in use are judged when they
   *  are next acquired. */
  prune(trust: TrustView): void {
    for (const peer of this.#peers.values())
      for (const connection of peer.idle.splice(0))
        if (this.#isListed(connection, trust)) peer.idle.push(connection);
        else this.#drop(peer, connection);
  }

  /** Those in use, too: by now only questions whose askers have given up. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** The connection of whoever gives one back, or undefined where a new one may be opened. First come, first served. */
  #wait(peer: Peer, server: SecurityServerId): Promise<PeerConnection | undefined> {
    const busy = (): OncewayError =>
      new OncewayError('busy', `too many messages wait for ${server}`, { retrySeconds: 1 });
    if (peer.waiting.length >= PEER_CONNECTIONS_MAX) throw busy();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        peer.waiting.splice(peer.waiting.indexOf(handOver), 1);
        reject(busy());
      }, this.#limits.waitMs ?? PEER_WAIT_MS);
      const handOver = (connection: PeerConnection | undefined): void => {
        clearTimeout(timer);
        resolve(connection);
      };
      peer.waiting.push(handOver);
    });
  }

  #peerOf(server: SecurityServerId): Peer {
    let peer = this.#peers.get(server);
    if (peer === undefined) this.#peers.set(server, (peer = { idle: [], waiting: [], open: 0 }));
    return peer;
  }

  #drop(peer: Peer, connection: PeerConnection): void {
    peer.open--;
    this.#connections.delete(connection);
    connection.close();
  }

  #isListed(connection: PeerConnection, trust: TrustView): boolean {
    return trust.serverOfCertificate(connection.certificate, this.#clock())?.id === connection.server;
  }

  async #connect(server: SecurityServerRecord, trust: TrustView, peer: Peer): Promise<PeerConnection> {
    const resumed = peer.session;
    const socket = await this.#handshake(server, trust, peer);
    // checkServerIdentity is not called on a resumed session, so the certificate is judged here, always.
    const certificate = socket.isSessionReused()
      ? resumed?.certificate
      : digestOf(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
    if (certificate !== undefined) {
      socket.on('session', (ticket) => (peer.session = { ticket, certificate }));
      const connection = new PeerConnection(server, socket, certificate, this.#limits.answerTimeoutMs);
      if (this.#isListed(connection, trust)) {
        this.#connections.add(connection);
        return connection;
      }
    }
    socket.destroy();
    throw new OncewayError(
      'peer_not_authenticated',
      `${server.address} did not show a certificate of ${server.id}`,
    );
  }

  #handshake(server: SecurityServerRecord, trust: TrustView, peer: Peer): Promise<TLSSocket> {
    const { hostname, port } = new URL(server.address);
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({
        ...this.#identity(),
        host: hostname,
        port: Number(port || 443),
        ca: trust.authorities.flatMap((authority) => authority.certificates.map(pem)),
        minVersion: 'TLSv1.3',
        // Whose certificate it is says the configuration, not a name in it.
        checkServerIdentity: () => undefined,
        ...(peer.session === undefined ? {} : { session: peer.session.ticket }),
      });
      const timer = setTimeout(() => fail(new Error('timeout')), PEER_CONNECT_TIMEOUT_MS);
      const fail = (cause: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        delete peer.session;
        // Somebody answered, with a certificate that no approved authority gave, or not for this use, or out of its time.
        const unproven = socket.authorizationError as Error | null;
        const code = unproven === null ? 'provider_unreachable' : 'peer_not_authenticated';
        reject(new OncewayError(code, `${server.id} at ${server.address}: ${cause.message}`, { cause }));
      };
      socket.once('error', fail);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        // undici takes over; until then a late error must not end the process.
        socket.on('error', () => undefined);
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }
}
