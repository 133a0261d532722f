// The answer of a service as the caller gets it, with the handles of its proof.
import type { ClientId, MemberId, MessageId, ServiceId } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { memberOf } from '../protocol/identifiers.js';
import type { AnswerHeaders, ReceivedAnswer } from './connection.js';
import { ExchangeError } from './exchange-error.js';

/** Where the proof of an exchange lies. Your own security server verified the answer's signature before you got it;
 *  the fields here are its word, and the evidence behind them can be exported from its log and verified offline. */
export interface Proof {
  /** Message id of the request, in both parties' logs; undefined where the server is a plain X-Road server. */
  readonly messageId: MessageId | undefined;
  /** Message id of the answer, in both parties' logs. */
  readonly answerId: MessageId | undefined;
  /** base64 of X-Road's request hash (PR-REST 1.0 §4.3). */
  readonly requestHash: string;
  /** The service that answered. */
  readonly service: ServiceId;
  /** The member whose signing key signed the answer. */
  readonly signer: MemberId;
  readonly xRoadId: string;
  /** X-Road's own id of this request, made by the consumer's server. */
  readonly requestId: string;
  /** Milliseconds since 1970 by this system's clock when the answer was complete here. */
  readonly at: number;
}

export interface Answer<T> {
  /** The service's own status: 4xx and 5xx of a service are answers, signed like any other. */
  readonly status: number;
  /** True for 2xx. */
  readonly ok: boolean;
  readonly headers: AnswerHeaders;
  readonly body: Buffer;
  readonly proof: Proof;
  text(): string;
  /** The body as JSON. `T` is what you expect, nothing has checked it.
   *  @throws {OncewayError} `json_invalid` */
  json(): T;
}

/** Only a security server appends this line to an answer, and it strips a service's own: whatever lacks it was made
 *  by a security server itself (PR-REST 1.0 §4.3). */
export const isServiceAnswer = (received: ReceivedAnswer): boolean =>
  received.headers.has('x-road-request-hash');

export interface Asked {
  readonly client: ClientId;
  /** Left out where an earlier answer is fetched again. */
  readonly service?: ServiceId;
  readonly xRoadId?: string;
}

/** @throws {ExchangeError} `answer_inconsistent` (unknown): the server gave the answer of another call. */
export function readAnswer<T>(received: ReceivedAnswer, asked: Asked, at: number): Answer<T> {
  const { status, headers, body } = received;
  const service = headers.get('x-road-service') as ServiceId | undefined;
  const xRoadId = headers.get('x-road-id');
  const messageId = headers.get('exchange-id') as MessageId | undefined;
  if (
    service === undefined ||
    xRoadId === undefined ||
    headers.get('x-road-client') !== asked.client ||
    (asked.service ?? service) !== service ||
    (asked.xRoadId ?? xRoadId) !== xRoadId
  )
    throw new ExchangeError('answer_inconsistent', 'the answer names another call', {
      hop: 'client',
      outcome: 'unknown',
      status,
      messageId,
      xRoadId: asked.xRoadId,
    });
  return {
    status,
    ok: status >= 200 && status < 300,
    headers,
    body,
    proof: {
      messageId,
      answerId: headers.get('exchange-answer') as MessageId | undefined,
      requestHash: headers.get('x-road-request-hash') ?? '',
      service,
      signer: memberOf(service),
      xRoadId,
      requestId: headers.get('x-road-request-id') ?? '',
      at,
    },
    text: () => body.toString('utf8'),
    json: () => {
      try {
        return JSON.parse(body.toString('utf8')) as T;
      } catch (cause) {
        throw new OncewayError('json_invalid', 'the answer of the service is not JSON', { cause });
      }
    },
  };
}
