// The way to one's own security server: kept-alive connections, a bound for time and for size. Sends each request
// once, and says of every failure whether anything can have left.
import type { IncomingHttpHeaders } from 'node:http';
import type { MessageId } from '@onceway/schemas';
import { Agent, buildConnector } from 'undici';
import { PEER_FIELDS_BYTES_MAX } from '../protocol/limits.js';
import { ExchangeError } from './exchange-error.js';
import type { PreparedRequest } from './request.js';

export interface TlsOptions {
  /** PEM of the authority, or of the certificate itself, that your security server shows. */
  readonly ca?: string | Buffer;
  /** PEM of this information system's own key and certificate, for mutual TLS. */
  readonly key?: string | Buffer;
  readonly cert?: string | Buffer;
}

/** Names in lower case; values of a repeated header joined by a comma. */
export type AnswerHeaders = ReadonlyMap<string, string>;

export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Buffer;
}

export interface SendOptions {
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
  readonly signal: AbortSignal | undefined;
  readonly xRoadId?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const TIMED_OUT = 'timed out';

export class Connection {
  readonly #origin: string;
  readonly #agent: Agent;
  /** Errors of connecting: the request was not written. undici's codes alone do not tell. */
  readonly #connecting = new WeakSet<Error>();

  constructor(origin: string, options: { readonly connectionsMax: number; readonly tls: TlsOptions }) {
    this.#origin = origin;
    const connect = buildConnector({ ...options.tls, timeout: CONNECT_TIMEOUT_MS });
    this.#agent = new Agent({
      connections: options.connectionsMax,
      pipelining: 1,
      // The call's own timeout rules; undici's would cut long answers of a provider that is allowed to be slow.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: PEER_FIELDS_BYTES_MAX,
      connect: (target, callback) => {
        connect(target, (...result) => {
          if (result[0] !== null) this.#connecting.add(result[0]);
          callback(...result);
        });
      },
    });
  }

  /** @throws {ExchangeError} `server_unreachable` (not_sent), `call_cancelled`, `outcome_unknown` (unknown),
   *  `body_too_large`, `answer_incomplete` (answered) */
  async send(request: PreparedRequest, options: SendOptions): Promise<ReceivedAnswer> {
    const { signal, xRoadId } = options;
    if (isAborted(signal)) throw cancelled(signal?.reason, 'not_sent', xRoadId);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(TIMED_OUT), options.timeoutMs);
    const stop = (): void => abort.abort();
    signal?.addEventListener('abort', stop, { once: true });
    let headers: AnswerHeaders | undefined;
    try {
      const answer = await this.#agent.request({
        origin: this.#origin,
        path: request.target,
        method: request.method,
        headers: [...request.lines],
        body: request.body ?? null,
        signal: abort.signal,
      });
      headers = readHeaders(answer.headers);
      const body = await readBody(answer.body, options.answerBytesMax, headers, xRoadId);
      return { status: answer.statusCode, headers, body };
    } catch (cause) {
      if (cause instanceof ExchangeError) throw cause;
      const broken = cause as NodeJS.ErrnoException;
      if (broken.code === 'UND_ERR_INVALID_ARG') throw cause;
      if (this.#connecting.has(broken))
        throw new ExchangeError('server_unreachable', `no connection to ${this.#origin}: ${broken.message}`, {
          hop: 'client',
          outcome: 'not_sent',
          xRoadId,
          cause,
        });
      const answered = headers?.has('exchange-answer') === true;
      const timedOut = abort.signal.reason === TIMED_OUT;
      if (!timedOut && isAborted(signal))
        throw cancelled(signal?.reason, answered ? 'answered' : 'unknown', xRoadId, headers);
      const why = timedOut
        ? `no answer within ${options.timeoutMs} ms`
        : `connection broke: ${broken.message}`;
      throw new ExchangeError(answered ? 'answer_incomplete' : 'outcome_unknown', why, {
        hop: 'client',
        outcome: answered ? 'answered' : 'unknown',
        messageId: messageIdOf(headers),
        xRoadId,
        cause,
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Waits for calls under way, then closes the connections. */
  async close(): Promise<void> {
    await this.#agent.close();
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

const messageIdOf = (headers: AnswerHeaders | undefined): MessageId | undefined =>
  headers?.get('exchange-id') as MessageId | undefined;

function cancelled(
  reason: unknown,
  outcome: 'not_sent' | 'unknown' | 'answered',
  xRoadId: string | undefined,
  headers?: AnswerHeaders,
): ExchangeError {
  return new ExchangeError('call_cancelled', 'the caller gave up', {
    hop: 'client',
    outcome,
    messageId: messageIdOf(headers),
    xRoadId,
    cause: reason,
  });
}

function readHeaders(received: IncomingHttpHeaders): AnswerHeaders {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(received))
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '));
  return headers;
}

async function readBody(
  body: AsyncIterable<unknown>,
  bytesMax: number,
  headers: AnswerHeaders,
  xRoadId: string | undefined,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax)
      throw new ExchangeError('body_too_large', `the answer exceeds ${bytesMax} octets`, {
        hop: 'client',
        outcome: headers.has('exchange-answer') ? 'answered' : 'unknown',
        messageId: messageIdOf(headers),
        xRoadId,
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
