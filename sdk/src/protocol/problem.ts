// The two shapes in which a refusal reaches a caller: RFC 9457 and X-Road's fault. Both say only what the table of
// problems says; an error's own message never leaves the server.
import { PROBLEMS, type ErrorCode, type Hop } from './problems.js';

/** Body of `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly instance?: string;
  readonly code: ErrorCode;
  readonly hop: Hop;
  /** How to mend it, in the caller's language. */
  readonly hint: string;
  /** Opaque id of the rule that refused. */
  readonly rule?: string;
  readonly messageId?: string;
  /** Seconds, as in Retry-After. */
  readonly retry?: number;
}

/** Body of an X-Road fault: exactly these three, in this order. */
export interface Fault {
  readonly type: string;
  readonly message: string;
  readonly detail: string;
}

export interface ProblemOptions {
  readonly hop: Hop;
  readonly language?: 'en' | 'vi';
  readonly messageId?: string | undefined;
  readonly rule?: string | undefined;
  readonly retrySeconds?: number | null | undefined;
  /** URI of this occurrence. */
  readonly instance?: string | undefined;
}

/** RFC 9457. `type` leads to the code's place in docs/problems.md. */
export function problemOf(code: ErrorCode, options: ProblemOptions): Problem {
  const { status, title, hint } = PROBLEMS[code];
  const { instance, rule, messageId, retrySeconds } = options;
  return {
    type: `https://onceway.dev/problems#${code}`,
    title,
    status,
    ...(instance !== undefined && { instance }),
    code,
    hop: options.hop,
    hint: hint[options.language ?? 'en'],
    ...(rule !== undefined && { rule }),
    ...(messageId !== undefined && { messageId }),
    ...(typeof retrySeconds === 'number' && { retry: retrySeconds }),
  };
}

/** `Server.ClientProxy.X` where the consumer's server refused, `Server.ServerProxy.X` where the provider's did; in the
 *  spelling of X-Road up to 7.7 (camel) or from 7.8 on (snake). Its status is 500.
 *  @param options.detail random UUID, which the operator finds again in the server's own log */
export function faultOf(
  code: ErrorCode,
  hop: Hop,
  options: { readonly spelling: 'camel' | 'snake'; readonly detail: string },
): Fault {
  const { fault, title } = PROBLEMS[code];
  const proxy = hop === 'provider-server' || hop === 'service' ? 'ServerProxy' : 'ClientProxy';
  const type =
    options.spelling === 'camel'
      ? `Server.${proxy}.${fault}`
      : `server.${proxy.toLowerCase()}.${snakeOf(fault)}`;
  return { type, message: title, detail: options.detail };
}

function snakeOf(fault: string): string {
  // X-Road 7.8's own exception to the mechanical rule.
  if (fault === 'OutdatedGlobalConf') return 'global_conf_outdated';
  return fault.replace(/([a-z])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$2_').toLowerCase();
}
