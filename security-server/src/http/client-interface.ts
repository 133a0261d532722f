// The listener for information systems: X-Road's message protocol for REST. Takes a request, bounded, gives it to the
// consumer's line, and writes its answer; decides nothing else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  CLIENT_HEAD_BYTES_MAX,
  CLIENT_HEAD_LINES_MAX,
  linesOf,
  OncewayError,
  type Hop,
} from '@onceway/sdk/protocol';
import { askOwnOutcome } from '../exchange/ask-own-outcome.js';
import { consume } from '../exchange/consume.js';
import type { Exchange } from '../exchange/exchange.js';
import { ExchangeFailure } from '../exchange/failure.js';
import type { Answer } from '../exchange/stages.js';
import { listClients } from '../services/list-clients.js';
import { LISTENER_CONNECTIONS_MAX, REQUEST_TIMEOUT_MS } from '../limits.js';
import { discardRest, readBody } from './body.js';
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

export function createClientInterface(options: ClientInterfaceOptions): Server {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const places = new Places(options.concurrentMax, requestTimeoutMs);
  const server = createServer(
    {
      maxHeaderSize: CLIENT_HEAD_BYTES_MAX,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / 10,
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      places.admit(request, response, () =>
        handle(request, response).catch((error: unknown) => refuse(request, response, error)),
      );
    },
  );
  server.maxRequestsPerSocket = 0;
  server.maxConnections = LISTENER_CONNECTIONS_MAX;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const failure = ExchangeFailure.of(unread(error), HERE);
    const response = places.newest(socket);
    if (response?.req.complete === false && !response.headersSent) {
      response.setHeader('Connection', 'close');
      refuse(response.req, response, failure);
    } else if (error.code === 'ECONNRESET' || !socket.writable || response?.writableFinished === false)
      // Octets now would be taken for the answer to an earlier request.
      socket.destroy();
    else {
      const detail = options.uuid();
      options.failed(failure, detail);
      socket.end(unreadRefusal(failure, detail));
    }
  });
  return server;

  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const failure = ExchangeFailure.of(error, HERE);
    const detail = options.uuid();
    options.failed(failure, detail);
    if (response.headersSent) return void response.destroy();
    discardRest(request);
    const { accept, 'accept-language': language } = request.headers;
    writeRefusal(response, failure, { accept, language }, detail);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    places.take(response);
    const target = request.url ?? '';
    const lines = linesOf(request.rawHeaders);
    if (request.rawHeaders.length > 2 * CLIENT_HEAD_LINES_MAX)
      throw new OncewayError('head_too_large', `more than ${CLIENT_HEAD_LINES_MAX} lines`);
    const method = request.method ?? '';
    if (target.startsWith('/r1/')) {
      const body = await readBody(request, options.exchange.limits.bodyBytesMax);
      write(response, await consume({ method, target, lines, body }, options.exchange), method);
    } else if (method === 'GET' && (target === '/listClients' || target.startsWith('/listClients?')))
      json(response, listClients(options.exchange.configuration.current()));
    else if (method === 'GET' && target.startsWith('/exchange/'))
      write(
        response,
        await askOwnOutcome(target.slice('/exchange/'.length), lines, options.exchange),
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

function write(response: ServerResponse, answer: Answer, method: string): void {
  const { head, body } = answer;
  const fields: string[] = head.lines.flat();
  fields.push('Exchange-Id', answer.requestId, 'Exchange-Answer', answer.answerId);
  // One Date: the service's, where it sent one.
  if (head.lines.some(([name]) => name.toLowerCase() === 'date')) response.sendDate = false;
  if (method !== 'HEAD' && head.status !== 204 && head.status !== 304)
    fields.push('Content-Length', String(body?.length ?? 0));
  response.writeHead(head.status, fields);
  response.end(body ?? undefined);
}

function json(response: ServerResponse, text: string): void {
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
