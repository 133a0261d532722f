// The listener for other security servers: mutual TLS 1.3, three addresses. Takes a message, bounded, gives it to the
// provider's line, and writes its reply; what is not answered under a signature is answered without detail.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Digest, MessageId, SecurityServerId } from '@onceway/schemas';
import {
  codeOf,
  digestOf,
  formatSalts,
  OncewayError,
  parseDigest,
  PEER_FIELDS_BYTES_MAX,
  problemOf,
  type ErrorCode,
} from '@onceway/sdk/protocol';
import { beginStream } from '../exchange/answer-body.js';
import { showCredential } from '../exchange/show-credential.js';
import type { Exchange } from '../exchange/exchange.js';
import { outcome } from '../exchange/outcome.js';
import { provide } from '../exchange/provide.js';
import type { ReceivedMessage, Reply } from '../exchange/stages.js';
import { takeRight } from '../exchange/take-right.js';
import {
  CONNECTIONS_OF_ONE_MAX,
  LISTENER_CONNECTIONS_MAX,
  PEER_IDLE_MS,
  REQUEST_TIMEOUT_MS,
  RIGHT_BYTES_MAX,
} from '../limits.js';
import { SpooledBody, type Body } from '../message-log/message-log.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import type { TlsIdentity } from '../transport/peer-transport.js';
import { discardRest, readBody, writeStored } from './body.js';
import { Places } from './places.js';

export interface PeerInterfaceOptions {
  readonly exchange: Exchange;
  readonly identity: TlsIdentity;
  readonly concurrentMax: number;
  /** A peer must have sent its whole message within this, and read its answer within as much again. */
  readonly requestTimeoutMs?: number;
  /** Connections of one peer, and of all strangers together. */
  readonly connectionsOfOneMax?: number;
  /** Told of everything that was answered unsigned; the peer is undefined for a stranger. */
  readonly refused: (
    code: ErrorCode,
    error: unknown,
    certificate: Digest | undefined,
    peer: SecurityServerId | undefined,
  ) => void;
}

/** What a listed peer may learn of an unsigned refusal: whether to come back, to look elsewhere, or to send less. A
 *  stranger learns that it is one. */
const SHOWN: ReadonlySet<ErrorCode> = new Set([
  'busy',
  'not_found',
  'body_too_large',
  'configuration_expired',
  'log_unavailable',
  'message_replayed',
  'message_void',
]);

/** ... and of a right that was not taken: it is the provider's administrator who must mend it. */
const SHOWN_OF_RIGHTS: ReadonlySet<ErrorCode> = new Set([
  'client_unknown',
  'conflict',
  'envelope_invalid',
  'request_invalid',
  'signature_invalid',
  'signer_not_listed',
]);

/** What a request that could not be read is answered with, as Node would. */
const UNREAD: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
]);

export function createPeerInterface(options: PeerInterfaceOptions): Server {
  const certificates = new WeakMap<object, Digest>();
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, connectionsOfOneMax = CONNECTIONS_OF_ONE_MAX } = options;
  const places = new Places(options.concurrentMax, requestTimeoutMs);
  /** Requests whose senders wait for our word before they send a body; connections over which one is being streamed. */
  const expecting = new WeakSet<IncomingMessage>();
  const paced = new WeakSet<Duplex>();
  const connections = new Map<SecurityServerId | undefined, number>();
  const server = createServer(
    {
      ...options.identity,
      minVersion: 'TLSv1.3',
      // Every connection must show a certificate; whose it is, and whether it is still listed, is judged for each
      // message against the configuration, so that a stranger gets an answer that says what to mend.
      requestCert: true,
      rejectUnauthorized: false,
      maxHeaderSize: PEER_FIELDS_BYTES_MAX,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / 10,
      keepAliveTimeout: 2 * PEER_IDLE_MS,
      handshakeTimeout: REQUEST_TIMEOUT_MS,
    },
    take,
  );
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(request);
    take(request, response);
  });
  // A body that follows has no time as a whole: Node's limit is for all others.
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && paced.has(socket)) return;
    const status = UNREAD.get(error.code) ?? (error.code?.startsWith('HPE_') === true ? 400 : undefined);
    if (status !== undefined && socket.writable && places.newest(socket)?.headersSent !== true)
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
    socket.destroy(error);
  });
  server.maxConnections = LISTENER_CONNECTIONS_MAX;
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peerOf(socket);
    const open = connections.get(peer) ?? 0;
    if (open >= connectionsOfOneMax) return void socket.destroy();
    connections.set(peer, open + 1);
    socket.once('close', () => {
      const left = (connections.get(peer) ?? 0) - 1;
      if (left > 0) connections.set(peer, left);
      else connections.delete(peer);
    });
  });
  return server;

  function take(request: IncomingMessage, response: ServerResponse): void {
    places.admit(request, response, () =>
      handle(request, response).catch((error: unknown) => refuse(request, response, error)),
    );
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { exchange } = options;
    const { method, url = '' } = request;
    const socket = request.socket as TLSSocket;
    const certificate = certificateOf(socket);
    if (certificate === undefined)
      throw new OncewayError('peer_not_authenticated', 'no certificate was shown');
    const peer = peerOf(socket);
    // A stranger's body is not even read, and it takes no place from those who are listed.
    if (peer === undefined)
      throw new OncewayError('peer_not_authenticated', `no server is listed with ${certificate}`);
    places.take(response, peer);
    const message = (body: ReceivedMessage['body']): ReceivedMessage => ({
      certificate,
      envelope: once(request, 'exchange-message'),
      head: once(request, 'exchange-head'),
      salts: once(request, 'exchange-salt'),
      body,
      response,
    });
    if (method === 'POST' && url === '/exchange') {
      const body = expecting.has(request)
        ? follow(request, response)
        : await readBody(request, exchange.limits.bodyBytesMax);
      await write(request, response, await provide(message(body), exchange));
    } else if (method === 'POST' && url === '/rights') {
      await takeRight(await readBody(request, RIGHT_BYTES_MAX), certificate, exchange);
      response.writeHead(204).end();
    } else if (method === 'GET' && url.startsWith('/exchange/')) {
      const mid = parseDigest(url.slice('/exchange/'.length)) as string as MessageId;
      await write(request, response, await outcome(mid, message(null), exchange));
    } else if (method === 'GET' && url.startsWith('/credentials/')) {
      const text = await showCredential(
        parseDigest(url.slice('/credentials/'.length)),
        certificate,
        exchange,
      );
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
      });
      response.end(text);
    } else throw new OncewayError('not_found', 'no such address');
  }

  /** Nothing of it is read before `begin`. From then on its pace is judged, and not the time that it takes. */
  function follow(request: IncomingMessage, response: ServerResponse): ArrivingBody {
    const { socket } = request;
    paced.add(socket);
    request.once('close', () => paced.delete(socket));
    return new ArrivingBody(request, {
      trailers: () => request.rawTrailers,
      begin: () => response.writeContinue(),
    });
  }

  async function write(request: IncomingMessage, response: ServerResponse, reply: Reply): Promise<void> {
    if (reply.kind === 'running') {
      response.writeHead(202, { 'Content-Length': 0 });
      return void response.end();
    }
    const { envelope, head, salts, body, closed } = reply;
    if (response.headersSent) {
      // A streamed answer that is whole but for its closing; or a refusal that came too late, and can be asked for.
      if (closed === undefined) return void response.destroy();
      response.addTrailers({ 'Exchange-Closing': closed.closing });
      return void response.end();
    }
    if (body instanceof SpooledBody && head !== undefined && salts !== undefined) {
      beginStream(response, { envelope, head, salts });
      return writeStored(response, body, options.exchange.limits.bodyBounds, closed?.closing);
    }
    const octets = inMemory(body);
    discardRest(request, requestTimeoutMs);
    response.writeHead(200, {
      'Exchange-Message': envelope,
      ...(head === undefined ? {} : { 'Exchange-Head': head.toString('base64url') }),
      ...(salts === undefined ? {} : { 'Exchange-Salt': formatSalts(salts) }),
      'Content-Length': octets?.length ?? 0,
    });
    response.end(octets ?? undefined);
  }

  function certificateOf(socket: TLSSocket): Digest | undefined {
    const known = certificates.get(socket);
    if (known !== undefined) return known;
    const shown = socket.getPeerX509Certificate();
    if (shown === undefined) return undefined;
    const digest = digestOf(shown.raw);
    certificates.set(socket, digest);
    return digest;
  }

  /** Who is at the other end, by the newest configuration, expired or not: for places and for what is shown. Whether
   *  a message is taken is decided by the one in force. Undefined for a stranger. */
  function peerOf(socket: TLSSocket): SecurityServerId | undefined {
    const certificate = certificateOf(socket);
    if (certificate === undefined) return undefined;
    const { configuration, clock } = options.exchange;
    return configuration.latest()?.serverOfCertificate(certificate, clock())?.id;
  }

  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const code = codeOf(error);
    const socket = request.socket as TLSSocket;
    const peer = peerOf(socket);
    options.refused(code, error, certificates.get(socket), peer);
    options.exchange.notes.add(code, peer);
    if (response.headersSent) return void response.destroy();
    discardRest(request, requestTimeoutMs);
    const isShown = SHOWN.has(code) || (request.url === '/rights' && SHOWN_OF_RIGHTS.has(code));
    const shown = peer !== undefined && isShown ? code : 'peer_not_authenticated';
    const problem = problemOf(shown, { hop: 'provider-server' });
    const text = JSON.stringify(problem);
    response.writeHead(problem.status, {
      'Content-Type': 'application/problem+json',
      'Content-Length': Buffer.byteLength(text),
      ...(error instanceof OncewayError && error.retrySeconds !== null
        ? { 'Retry-After': String(error.retrySeconds) }
        : {}),
    });
    response.end(text);
  }
}

function once({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const given = rawHeaders[i] as string;
    if (given.length !== name.length || given.toLowerCase() !== name) continue;
    if (found !== undefined) return undefined;
    found = rawHeaders[i + 1];
  }
  return found;
}

function inMemory(body: Body): Buffer | null {
  if (body instanceof SpooledBody) throw new TypeError('a streamed body without its opening');
  return body;
}
