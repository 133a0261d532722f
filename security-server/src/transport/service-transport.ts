// Calls the services of the members hosted here. Follows no redirect, sends nothing twice, and knows for each failure
// whether the service can have been reached.
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Digest } from '@onceway/schemas';
import { digestOf, HEAD_BYTES_MAX, linesOf, OncewayError, type HeadLine } from '@onceway/sdk/protocol';
import { Agent, buildConnector } from 'undici';
import { SERVICE_CONNECT_TIMEOUT_MS } from '../limits.js';
import type { PinnedCertificate } from '../services/service.js';
import type { ArrivingBody } from './arriving-body.js';
import { AnswerTimeoutError, ask } from './ask.js';
import type { TlsIdentity } from './peer-transport.js';

export interface ServiceAnswer {
  readonly status: number;
  readonly lines: readonly HeadLine[];
  readonly body: Buffer | ArrivingBody | null;
}

/** A body on disk. */
export interface StoredBody {
  readonly bytes: number;
  read(): AsyncIterable<Buffer>;
}

/** No connection came about: the service can not have been called. */
class NotReachedError extends Error {}

const TIMED_OUT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ABORT_ERR', 'TimeoutError']);

/** Origin and target as they stand: a URL parser would rewrite dots, quotes and an empty query of what was signed. */
function rawTarget(url: string): { readonly origin: string; readonly path: string } {
  const start = url.indexOf('://') + 3;
  const end = start + url.slice(start).search(/[/?]|$/);
  const rest = url.slice(end);
  return { origin: url.slice(0, end), path: rest.startsWith('/') ? rest : `/${rest}` };
}

function failure(cause: unknown): OncewayError {
  if (cause instanceof OncewayError) return cause;
  const { code, name } = cause as { code?: unknown; name?: unknown };
  if (cause instanceof NotReachedError)
    return new OncewayError('service_unreachable', cause.message, { cause: cause.cause });
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new OncewayError('service_answer_invalid', `a head above ${HEAD_BYTES_MAX} octets`, { cause });
  if (cause instanceof AnswerTimeoutError || TIMED_OUT.has(String(code)) || TIMED_OUT.has(String(name)))
    return new OncewayError('service_timeout', 'the service did not answer in time', { cause });
  return new OncewayError('service_failed', `the service broke off: ${String(code)}`, { cause });
}

/** The certificate that a service must show. */
export type Pin = Pick<PinnedCertificate, 'digest' | 'from' | 'until'>;

export interface ServiceTransportOptions {
  /** Shown to a service that asks who calls it; undefined where there is none. */
  readonly identity: () => TlsIdentity | undefined;
  readonly clock: () => number;
}

export class ServiceTransport {
  readonly #options: ServiceTransportOptions;
  readonly #agent: Agent;
  /** Connections to a service with a pin serve no other: they are proven by it. */
  readonly #pinned = new Map<Digest, Agent>();

  constructor(options: ServiceTransportOptions) {
    this.#options = options;
    this.#agent = this.#agentFor(undefined);
  }

  /** One call; the body is delivered as it is. An answer's body beyond `bytesMax` is still to come: its pace is judged
   *  by whoever takes it.
   *  @param limits `timeoutMs` until the answer is there, or so much of it; `pin`: over https, compared in place of chain
   *  and names
   *  @throws {OncewayError} `service_unreachable` (not called), `service_timeout`, `service_failed`,
   *  `service_answer_invalid` */
  async call(
    url: string,
    method: string,
    lines: readonly HeadLine[],
    body: Buffer | StoredBody | null,
    limits: { readonly timeoutMs: number; readonly bytesMax: number; readonly pin?: Pin | undefined },
  ): Promise<ServiceAnswer> {
    const { timeoutMs, bytesMax, pin } = limits;
    const agent = pin === undefined ? this.#agent : this.#agentOf(pin);
    const { origin, path } = rawTarget(url);
    try {
      const answer = await ask(
        agent,
        {
          origin,
          path,
          method,
          ...carried(lines, body),
          headersTimeout: timeoutMs,
          // In memory the whole answer has its time; streamed, a pace.
          bodyTimeout: 0,
        },
        {
          bytesMax,
          timeoutMs,
          from: 'question',
          tooLarge: () => new OncewayError('service_answer_invalid', `the answer exceeds ${bytesMax} octets`),
          streams: 'larger',
        },
      );
      const { status, body: octets, following } = answer;
      return {
        status,
        lines: answerLines(answer.rawHeaders()),
        body: following ?? (octets.length === 0 ? null : octets),
      };
    } catch (cause) {
      throw failure(cause);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent, ...this.#pinned.values()].map((agent) => agent.destroy()));
  }

  /** @throws {OncewayError} `service_unreachable` outside the certificate's time, on open connections too */
  #agentOf({ digest, from, until }: Pin): Agent {
    const nowS = this.#options.clock() / 1000;
    if (nowS < from || nowS >= until)
      throw new OncewayError('service_unreachable', `certificate ${digest} is not valid at this time`);
    let agent = this.#pinned.get(digest);
    if (agent === undefined) this.#pinned.set(digest, (agent = this.#agentFor(digest)));
    return agent;
  }

  #agentFor(pin: Digest | undefined): Agent {
    return new Agent({
      connect: (options, done) => {
        const { key, cert } = this.#options.identity() ?? {};
        const open = buildConnector({
          timeout: SERVICE_CONNECT_TIMEOUT_MS,
          // A resumed session would not show its certificate again.
          maxCachedSessions: 0,
          ...(key === undefined ? {} : { key, cert }),
          // Said, so that no variable of the environment says otherwise.
          rejectUnauthorized: pin === undefined,
        });
        open(options, (cause, socket) => {
          if (cause !== null) return done(new NotReachedError(cause.message, { cause }), null);
          if (pin === undefined || shows(socket, pin)) return done(null, socket);
          // Nothing of a request was written yet.
          socket.destroy();
          done(new NotReachedError('the service shows another certificate'), null);
        });
      },
      connections: 256,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      maxHeaderSize: HEAD_BYTES_MAX,
      maxRedirections: 0,
    } as Agent.Options);
  }
}

function shows(socket: Socket | TLSSocket, pin: Digest): boolean {
  const shown = 'getPeerX509Certificate' in socket ? socket.getPeerX509Certificate() : undefined;
  return shown !== undefined && digestOf(shown.raw) === pin;
}

/** Lines and body of a call: a body on disk is read a segment at a time, and its length is known. */
function carried(
  lines: readonly HeadLine[],
  body: Buffer | StoredBody | null,
): { readonly headers: string[]; readonly body: Buffer | Readable | null } {
  const headers = lines.flat();
  if (body === null || body instanceof Uint8Array) return { headers, body };
  headers.push('Content-Length', String(body.bytes));
  return { headers, body: Readable.from(body.read(), { objectMode: false }) };
}

/** The service's lines that travel: not the thirteen, not those the server sets, nothing of the exchange's own. */
function answerLines(raw: readonly string[]): HeadLine[] {
  return linesOf(raw).filter(([name]) => {
    const lower = name.toLowerCase();
    return !SET_BY_SERVER.has(lower) && !lower.startsWith('exchange-');
  });
}

const SET_BY_SERVER: ReadonlySet<string> = new Set([
  'x-road-id',
  'x-road-client',
  'x-road-service',
  'x-road-request-id',
  'x-road-request-hash',
]);
