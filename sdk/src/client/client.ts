// One typed call to a service of another organisation, through one's own security server, and the answer with its
// proof. It signs and verifies nothing itself: the security server does.
import { randomUUID } from 'node:crypto';
import { parseDigest } from '../protocol/octets.js';
import { parseServiceId, readClientId } from '../protocol/identifiers.js';
import { isServiceAnswer, readAnswer } from './answer.js';
import type { Answer } from './answer.js';
import { Connection } from './connection.js';
import type { TlsOptions } from './connection.js';
import { ExchangeError } from './exchange-error.js';
import { readRefusal } from './refusal.js';
import { prepareRequest } from './request.js';
import type { CallOptions } from './request.js';

/** Longer than the 60 s that a security server gives a service: its answer says what happened, ours only that we
 *  stopped waiting. */
const TIMEOUT_MS = 90_000;
const ANSWER_BYTES_MAX = 10 * 1024 * 1024;
const CONNECTIONS_MAX = 64;

export interface ClientOptions {
  /** Client listener of your own security server: `http://127.0.0.1:8080`. */
  readonly server: string;
  /** The subsystem that speaks: `INSTANCE/CLASS/CODE/SUBSYSTEM`. */
  readonly client: string;
  /** Language of hints. */
  readonly language?: 'en' | 'vi';
  /** Default for calls, milliseconds; 90 s unless given. */
  readonly timeoutMs?: number;
  /** Largest answer that is taken, octets; 10 MiB unless given. */
  readonly answerBytesMax?: number;
  /** Connections kept to the security server, and so the calls in flight at once. */
  readonly connectionsMax?: number;
  /** For an https listener. */
  readonly tls?: TlsOptions;
  readonly clock?: () => number;
  readonly uuid?: () => string;
}

/** What became of a request. `running`: ask again later. Only after `not_recorded` or `refused` is it safe to send
 *  a new message. */
export type Outcome<T> =
  | { readonly state: 'answered'; readonly answer: Answer<T> }
  | { readonly state: 'running' }
  | { readonly state: 'not_recorded' | 'refused' | 'unknown'; readonly error: ExchangeError };

export interface Client {
  /** Calls a service once. Nothing is ever sent twice, not even after a broken connection.
   *
   *  A service's own 4xx or 5xx is an answer. Everything that is not an answer of the service is an
   *  {@link ExchangeError}: which hop, which rule, how to mend it, and whether the service may have acted.
   *
   *  @param service `INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE`
   *  @throws {ExchangeError} with the security servers' codes (docs/problems.md), or this side's
   *  `server_unreachable`, `call_cancelled`, `outcome_unknown`, `answer_incomplete`, `answer_inconsistent`,
   *  `body_too_large`, `request_target_invalid`, `head_invalid`, `head_too_large`
   *  @throws {OncewayError} `identifier_invalid`
   *  @throws {TypeError} options that contradict each other */
  call<T = unknown>(service: string, options?: CallOptions): Promise<Answer<T>>;
  /** Asks what became of an earlier request of this client; the answer, if there is one, is the recorded one.
   *  @param messageId `error.messageId` or `answer.proof.messageId`
   *  @throws {ExchangeError} when it cannot be asked now (`not_found`: this server holds no such request of this
   *  client). Its `outcome` is `unknown`: that the question failed says nothing of the request
   *  @throws {OncewayError} `base64url_invalid` */
  outcome<T = unknown>(
    messageId: string,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<T>>;
  /** Waits for calls under way, then closes the connections. */
  close(): Promise<void>;
}

/** A question after an outcome that failed: whatever is known of the question, nothing is of the request. */
function unanswered(error: unknown): unknown {
  if (!(error instanceof ExchangeError)) return error;
  const { code, retrySeconds, ...details } = error;
  return new ExchangeError(code, error.message, {
    ...details,
    outcome: 'unknown',
    cause: error,
    retrySeconds: retrySeconds ?? undefined,
  });
}

/** Makes a client: one for each subsystem, kept for the life of the process (its connections are kept alive).
 *
 *  @example
 *  ```ts
 *  const client = createClient({ server: 'http://127.0.0.1:8080', client: 'VN/GOV/MOH/HOSPITALS' });
 *  try {
 *    const answer = await client.call<{ name: string }>('VN/GOV/NSO/CODE-LISTS/communes', {
 *      path: '/records/00004',
 *      userId: 'staff:17',
 *      issue: 'HN-2026-000123',
 *    });
 *    if (answer.ok) console.log(answer.json().name, 'signed by', answer.proof.signer, answer.proof.messageId);
 *    else console.log('the service says', answer.status);
 *  } catch (error) {
 *    if (!(error instanceof ExchangeError)) throw error;
 *    console.log(error.hop, 'refused:', error.code, error.rule, error.hint);
 *    if (error.outcome === 'unknown' && error.messageId !== undefined)
 *      console.log((await client.outcome(error.messageId)).state);
 *  } finally {
 *    await client.close();
 *  }
 *  ```
 *  @throws {OncewayError} `identifier_invalid`
 *  @throws {TypeError} `server` is not an http or https origin */
export function createClient(options: ClientOptions): Client {
  const client = readClientId(options.client);
  const origin = URL.canParse(options.server) ? new URL(options.server) : undefined;
  if (
    origin === undefined ||
    !/^https?:$/.test(origin.protocol) ||
    origin.pathname !== '/' ||
    origin.search !== ''
  )
    throw new TypeError('server is the origin of a client listener, such as http://127.0.0.1:8080');
  const { clock = Date.now, uuid = randomUUID, language } = options;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const answerBytesMax = options.answerBytesMax ?? ANSWER_BYTES_MAX;
  const instance = client.slice(0, client.indexOf('/'));
  const connection = new Connection(origin.origin, {
    connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
    tls: options.tls ?? {},
  });

  return {
    async call<T>(service: string, call: CallOptions = {}): Promise<Answer<T>> {
      const asked = { client, service: parseServiceId(service), xRoadId: `${instance}-${uuid()}` };
      const request = prepareRequest(client, asked.service, call, { xRoadId: asked.xRoadId, language });
      const received = await connection.send(request, {
        timeoutMs: call.timeoutMs ?? timeoutMs,
        answerBytesMax,
        signal: call.signal,
        xRoadId: asked.xRoadId,
      });
      if (!isServiceAnswer(received))
        throw readRefusal(received, { xRoadId: asked.xRoadId, language: language ?? 'en' });
      return readAnswer<T>(received, asked, clock());
    },

    async outcome<T>(
      messageId: string,
      ask: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
    ): Promise<Outcome<T>> {
      const id = parseDigest(messageId);
      const received = await connection
        .send(
          {
            method: 'GET',
            target: `/exchange/${id}`,
            lines: ['X-Road-Client', client, 'Accept', 'application/problem+json'],
            body: undefined,
          },
          { timeoutMs: ask.timeoutMs ?? timeoutMs, answerBytesMax, signal: ask.signal },
        )
        .catch((error: unknown) => {
          throw unanswered(error);
        });
      if (isServiceAnswer(received))
        return { state: 'answered', answer: readAnswer<T>(received, { client }, clock()) };
      if (received.status === 202) return { state: 'running' };
      const error = readRefusal(received, { language: language ?? 'en' });
      if (error.code === 'not_recorded') return { state: 'not_recorded', error };
      if (error.code === 'outcome_unknown') return { state: 'unknown', error };
      if (error.hop === 'provider-server') return { state: 'refused', error };
      throw unanswered(error);
    },

    close: () => connection.close(),
  };
}
