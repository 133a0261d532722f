// The listeners for information systems, plain and TLS: X-Road's message protocol for REST. Takes a request, bounded,
// gives it to the consumer's line with what its connection proves, and writes its answer; decides nothing else.
import { constants } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import {
  CLIENT_HEAD_BYTES_MAX,
  CLIENT_HEAD_LINES_MAX,
  digestOf,
  linesOf,
  OncewayError,
  type Hop,
} from '@onceway/sdk/protocol';
import type { Channel } from '../clients/client-connections.js';
import { askOwnOutcome } from '../exchange/ask-own-outcome.js';
import { consume } from '../exchange/consume.js';
import type { Exchange } from '../exchange/exchange.js';
import { ExchangeFailure } from '../exchange/failure.js';
import type { Answer } from '../exchange/stages.js';
import { listClients } from '../services/list-clients.js';
import { LISTENER_CONNECTIONS_MAX, REQUEST_TIMEOUT_MS } from '../limits.js';
import type { TlsIdentity } from '../transport/peer-transport.js';
import { SpooledBody } from '../message-log/message-log.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import { discardRest, readBody, writeStored } from './body.js';
import { Places } from './places.js';
import { unreadRefusal, writeRefusal } from './refusal.js';

export interface ClientInterfaceOptions {
  readonly exchange: Exchange;
  readonly concurrentMax: number;
  /** A client must have sent its whole request within this, and read its answer within as much again. */
  readonly requestTimeoutMs?: number;
  readonly uuid: () => string;
  /** Told of each failure with the id that its caller saw. */
  readonly failed: (failure: ExchangeFailure, detail: string) => void;
}

const HERE: Hop = 'consumer-server';

const PLAIN: Channel = { tls: false };

export function createClientInterface(options: ClientInterfaceOptions): Server {
  const server = createServer(boundsOf(options));
  serve(server, options, () => PLAIN);
  return server;
}

/** The same over TLS. A certificate is asked for and none is needed: which client must show which is decided for each
 *  request (exchange/authenticate.ts). */
export function createClientTlsInterface(options: ClientInterfaceOptions, identity: TlsIdentity): TlsServer {
  const channels = new WeakMap<Duplex, Channel>();
  const server = createTlsServer({
    ...boundsOf(options),
    ...clientTlsContext(identity),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  });
  // Once for each connection, before a request is read from it. A resumed session names the certificate it began with.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const shown = socket.getPeerX509Certificate();
    channels.set(socket, { tls: true, certificate: shown && digestOf(shown.raw) });
  });
  serve(server, options, (socket) => channels.get(socket));
  return server;
}

/** TLS 1.2 as well: X-Road's clients speak it. Who was shown a certificate once can not show another on the same
 *  connection. */
export function clientTlsContext({ key, cert }: TlsIdentity) {
  return { key, cert, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const;
}

function boundsOf({ requestTimeoutMs = REQUEST_TIMEOUT_MS }: ClientInterfaceOptions) {
  return {
    maxHeaderSize: CLIENT_HEAD_BYTES_MAX,
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / 10,
    keepAliveTimeout: 65_000,
  };
}

/** @param channelOf undefined while a connection has not come through its handshake */
function serve(
  server: Server | TlsServer,
  options: ClientInterfaceOptions,
  channelOf: (socket: Duplex) => Channel | undefined,
): void {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const places = new Places(options.concurrentMax, requestTimeoutMs);
  /** Connections over which a body is being streamed. */
  const paced = new WeakSet<Duplex>();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    places.admit(request, response, () =>
      handle(request, response).catch((error: unknown) => refuse(request, response, error)),
    );
  });
  server.maxRequestsPerSocket = 0;
  server.maxConnections = LISTENER_CONNECTIONS_MAX;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Not of HTTP: a handshake that failed, TLS that broke, a connection that is gone. Nobody is there to be answered.
    if (!/^(?:HPE|ERR_HTTP)_/.test(error.code ?? '')) return void socket.destroy();
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && paced.has(socket)) return;
    const failure = ExchangeFailure.of(unread(error), HERE);
    const response = places.newest(socket);
    if (response?.req.complete === false && !response.headersSent) {
      response.setHeader('Connection', 'close');
      refuse(response.req, response, failure);
    } else if (!socket.writable || response?.writableFinished === false)
      // Octets now would be taken for the answer to an earlier request.
      socket.destroy();
    else {
      const detail = options.uuid();
      options.failed(failure, detail);
      socket.end(unreadRefusal(failure, detail));
      // node:http keeps no time here any more, and its sender need never close.
      const linger = setTimeout(() => socket.destroy(), requestTimeoutMs).unref();
      socket.once('close', () => clearTimeout(linger));
    }
  });

  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const failure = ExchangeFailure.of(error, HERE);
    const detail = options.uuid();
    options.failed(failure, detail);
    if (response.headersSent) return void response.destroy();
    discardRest(request, requestTimeoutMs);
    const { accept, 'accept-language': language } = request.headers;
    writeRefusal(response, failure, { accept, language }, detail);
  }

  /** From here on its pace is judged, and not the time that it takes. */
  function follow(request: IncomingMessage, first: readonly Buffer[]): ArrivingBody {
    paced.add(request.socket);
    request.once('close', () => paced.delete(request.socket));
    return new ArrivingBody(request, { first });
  }

  async function write(response: ServerResponse, answer: Answer, method: string): Promise<void> {
    const { head, body } = answer;
    const fields: string[] = head.lines.flat();
    fields.push('Exchange-Id', answer.requestId, 'Exchange-Answer', answer.answerId);
    // One Date: the service's, where it sent one.
    if (head.lines.some(([name]) => name.toLowerCase() === 'date')) response.sendDate = false;
    const isStored = body instanceof SpooledBody;
    if (method !== 'HEAD' && head.status !== 204 && head.status !== 304)
      fields.push('Content-Length', String((isStored ? body.bytes : body?.length) ?? 0));
    response.writeHead(head.status, fields);
    if (!isStored) return void response.end(body ?? undefined);
    try {
      await writeStored(response, body, options.exchange.limits.bodyBounds);
    } finally {
      // Where the same answer was entered meanwhile, by another question for it, no entry has taken this one over.
      await body.discard();
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    places.take(response);
    const target = request.url ?? '';
    const lines = linesOf(request.rawHeaders);
    if (request.rawHeaders.length > 2 * CLIENT_HEAD_LINES_MAX)
      throw new OncewayError('head_too_large', `more than ${CLIENT_HEAD_LINES_MAX} lines`);
    const method = request.method ?? '';
    const channel = channelOf(request.socket);
    if (channel === undefined) throw new TypeError('a request came before its handshake');
    if (target.startsWith('/r1/')) {
      const { bodyBytesMax, bodyBounds } = options.exchange.limits;
      if (Number(request.headers['content-length'] ?? 0) > bodyBounds.bytesMax)
        throw new OncewayError('body_too_large', `Content-Length is above ${bodyBounds.bytesMax}`);
      const body = await readBody(request, bodyBytesMax, (first) => follow(request, first));
      await write(
        response,
        await consume({ channel, method, target, lines, body }, options.exchange),
        method,
      );
    } else if (method === 'GET' && (target === '/listClients' || target.startsWith('/listClients?')))
      json(response, listClients(options.exchange.configuration.current()));
    else if (method === 'GET' && target.startsWith('/exchange/'))
      await write(
        response,
        await askOwnOutcome(target.slice('/exchange/'.length), { lines, channel }, options.exchange),
        method,
      );
    else throw new OncewayError('request_target_invalid', 'neither /r1/, /listClients nor /exchange/');
  }
}

/** Why node:http could not read a request. */
function unread(error: NodeJS.ErrnoException): OncewayError {
  const because = { cause: error };
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new OncewayError('head_too_large', `more than ${CLIENT_HEAD_BYTES_MAX} octets`, because);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new OncewayError('request_timeout', 'the request did not come in time', because);
    default:
      return new OncewayError('head_invalid', 'not HTTP/1.1', because);
  }
}

function json(response: ServerResponse, text: string): void {
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
