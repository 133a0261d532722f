// The one error of the client: why a call has no answer of the service, and what may have happened there.
// A service's own 4xx or 5xx is an answer, not an error.
import type { MessageId } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import type { ErrorCode, Hop } from '../protocol/problems.js';

/** What is known of the request.
 *  - `not_sent`: it never left your side; a new call is safe.
 *  - `refused`: it was refused before the service was called; a new call is safe, and useless until it is mended.
 *  - `unknown`: the service may have acted. Ask `client.outcome(messageId)`, or ask the service, before you repeat.
 *  - `answered`: the service answered and the answer is on record, but it could not be read to its end here. */
export type ExchangeOutcome = 'not_sent' | 'refused' | 'unknown' | 'answered';

export interface RefusalDetails {
  readonly hop: Hop;
  readonly outcome: ExchangeOutcome;
  readonly rule?: string | undefined;
  readonly hint?: string | undefined;
  readonly status?: number | undefined;
  readonly messageId?: MessageId | undefined;
  readonly xRoadId?: string | undefined;
  readonly fault?: string | undefined;
  readonly instance?: string | undefined;
  readonly retrySeconds?: number | undefined;
  readonly cause?: unknown;
}

/** The exchange refused or broke off a call. React on `code` and `outcome`, never on the text. */
export class ExchangeError extends OncewayError {
  /** Where on the way it was refused. */
  readonly hop: Hop;
  readonly outcome: ExchangeOutcome;
  /** How to mend it, in the language of the client. */
  readonly hint: string | undefined;
  /** HTTP status of the security server's answer; undefined when none came. */
  readonly status: number | undefined;
  /** Message id of the recorded request (`Exchange-Id`): the handle for `client.outcome`. */
  readonly messageId: MessageId | undefined;
  /** The `X-Road-Id` this call carried: it stands in your own logs and in the other side's. */
  readonly xRoadId: string | undefined;
  /** X-Road's fault code as it came, where the server spoke plain X-Road. */
  readonly fault: string | undefined;
  /** Id of this failure in the log of the security server that refused: tell it to its administrator. */
  readonly instance: string | undefined;

  constructor(code: ErrorCode, message: string, details: RefusalDetails) {
    super(code, message, {
      cause: details.cause,
      ...(details.rule === undefined ? {} : { rule: details.rule }),
      ...(details.retrySeconds === undefined ? {} : { retrySeconds: details.retrySeconds }),
    });
    this.name = 'ExchangeError';
    this.hop = details.hop;
    this.outcome = details.outcome;
    this.hint = details.hint;
    this.status = details.status;
    this.messageId = details.messageId;
    this.xRoadId = details.xRoadId;
    this.fault = details.fault;
    this.instance = details.instance;
  }
}
