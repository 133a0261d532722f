// The one error class of the formats. What a code means to a caller stands in problems.ts, nowhere else.
import type { ErrorCode } from './problems.js';

export type { ErrorCode } from './problems.js';

/** An error with a code from the closed union. Decide on `code`, never on the text.
 *  `message` is for operators' logs: it may name what was wrong, and is never shown to a peer. */
export class OncewayError extends Error {
  readonly code: ErrorCode;
  /** Opaque id of the rule that decided, e.g. of an access right; shown to the caller. */
  readonly rule: string | undefined;
  /** Seconds after which the same call may succeed; null where waiting does not help. */
  readonly retrySeconds: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; rule?: string; retrySeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'OncewayError';
    this.code = code;
    this.rule = options.rule;
    this.retrySeconds = options.retrySeconds ?? null;
  }
}

/** The code of an error, or `broken` for anything that is not ours: a bug, shown as such and never explained. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof OncewayError ? error.code : 'broken';
}
