// How an exchange that did not succeed reaches its caller: the code, the hop that refused, and the message it is about.
import type { MessageId } from '@onceway/schemas';
import {
  codeOf,
  isErrorCode,
  OncewayError,
  type Envelope,
  type ErrorCode,
  type Hop,
  type RefusalClaims,
} from '@onceway/sdk/protocol';

/** What the provider's server says of its service, not of itself. */
const OF_THE_SERVICE: ReadonlySet<string> = new Set([
  'service_unreachable',
  'service_timeout',
  'service_failed',
  'service_answer_invalid',
] satisfies ErrorCode[]);

export class ExchangeFailure extends Error {
  readonly code: ErrorCode;
  readonly hop: Hop;
  readonly rule: string | undefined;
  readonly retrySeconds: number | null;
  /** The recorded request, where there is one: its outcome can be asked for. */
  readonly requestId: MessageId | undefined;
  /** The recorded refusal of the provider. */
  readonly answerId: MessageId | undefined;

  constructor(
    code: ErrorCode,
    hop: Hop,
    details: {
      readonly rule?: string | undefined;
      readonly retrySeconds?: number | null;
      readonly requestId?: MessageId | undefined;
      readonly answerId?: MessageId | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(`${code} at ${hop}`, { cause: details.cause });
    this.code = code;
    this.hop = hop;
    this.rule = details.rule;
    this.retrySeconds = details.retrySeconds ?? null;
    this.requestId = details.requestId;
    this.answerId = details.answerId;
  }

  /** Any error of a step, at this hop. */
  static of(error: unknown, hop: Hop, requestId?: MessageId): ExchangeFailure {
    if (error instanceof ExchangeFailure) return error;
    const ours = error instanceof OncewayError ? error : undefined;
    return new ExchangeFailure(codeOf(error), hop, {
      rule: ours?.rule,
      retrySeconds: ours?.retrySeconds ?? null,
      requestId,
      cause: error,
    });
  }

  /** A signed refusal of the provider's server; the code of a newer server may be unknown here. */
  static ofRefusal({ claims, mid }: Envelope<RefusalClaims>, requestId: MessageId): ExchangeFailure {
    const code = isErrorCode(claims.code) ? claims.code : 'peer_refused';
    return new ExchangeFailure(code, OF_THE_SERVICE.has(code) ? 'service' : 'provider-server', {
      rule: claims.rule,
      retrySeconds: claims.retry,
      requestId,
      answerId: mid,
    });
  }
}
