// Reads a refusal that a security server made, in either of its two forms: RFC 9457 or X-Road's fault.
// What cannot be told apart is taken as "the service may have acted".
import type { MessageId } from '@onceway/schemas';
import { isErrorCode, PROBLEMS } from '../protocol/problems.js';
import type { ErrorCode, Hop } from '../protocol/problems.js';
import type { ReceivedAnswer } from './connection.js';
import { ExchangeError } from './exchange-error.js';
import type { ExchangeOutcome } from './exchange-error.js';

const HOPS: ReadonlySet<string> = new Set<Hop>([
  'client',
  'consumer-server',
  'provider-server',
  'service',
  'registry',
]);

/** Nothing left the consumer's side, whoever says so. */
const NEVER_SENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'provider_unreachable',
  'server_unreachable',
  'not_recorded',
]);

/** Decided before the service is called. Every code that is not here may have come after it. */
const BEFORE_SERVICE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'identifier_invalid',
  'head_invalid',
  'head_too_large',
  'request_invalid',
  'not_found',
  'request_target_invalid',
  'method_invalid',
  'represented_party_invalid',
  'client_missing',
  'form_invalid',
  'purpose_invalid',
  'busy',
  'unauthenticated',
  'client_unknown',
  'client_not_authenticated',
  'client_suspended',
  'provider_unknown',
  'security_server_invalid',
  'service_unknown',
  'service_disabled',
  'access_denied',
  'configuration_missing',
  'configuration_expired',
  'configuration_fork',
  'certificate_invalid',
  'certificate_revoked',
  'certificate_status_unknown',
  'peer_not_authenticated',
  'clock_skewed',
  'envelope_invalid',
  'signature_invalid',
  'signer_not_listed',
  'commitment_mismatch',
  'message_misdirected',
  'message_expired',
  'message_from_future',
  'message_replayed',
  'message_void',
  'target_mismatch',
  'peer_refused',
  'service_url_missing',
  'service_unreachable',
  'time_stamping_overdue',
  'witness_overdue',
]);

/** Made before the request's record or after the answer's: our own server's `Exchange-Id` tells which. */
const BEFORE_OR_AFTER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'log_unavailable',
  'log_broken',
  'signing_key_unavailable',
]);

function outcomeOf(code: ErrorCode, hop: Hop, recorded: boolean, ownForm: boolean): ExchangeOutcome {
  if (NEVER_SENT.has(code)) return 'not_sent';
  const ownSide = hop === 'consumer-server' || hop === 'client';
  if (BEFORE_SERVICE.has(code)) return ownSide && !recorded ? 'not_sent' : 'refused';
  return BEFORE_OR_AFTER.has(code) && ownForm && ownSide && !recorded ? 'not_sent' : 'unknown';
}

/** X-Road's fault names (7.7 CamelCase and 7.8 snake_case fold into one) and the most general code of each. */
const FAULTS: Readonly<
  Record<string, ErrorCode | { readonly consumer: ErrorCode; readonly provider: ErrorCode }>
> = {
  invalidclientidentifier: 'client_missing',
  badrequest: 'request_invalid',
  invalidrequest: 'request_invalid',
  unknownmember: 'provider_unknown',
  sslauthenticationfailed: { consumer: 'client_not_authenticated', provider: 'peer_refused' },
  outdatedglobalconf: 'configuration_expired',
  globalconfoutdated: 'configuration_expired',
  maintenancemode: 'provider_unreachable',
  networkerror: { consumer: 'provider_unreachable', provider: 'service_unreachable' },
  unknownhost: { consumer: 'provider_unreachable', provider: 'service_unreachable' },
  unknownservice: 'service_unknown',
  servicetype: 'service_unknown',
  servicedisabled: 'service_disabled',
  servicemissingurl: 'service_url_missing',
  accessdenied: 'access_denied',
  invalidsecurityserver: 'security_server_invalid',
  clientproxyversionnotsupported: 'peer_refused',
  cannotcreatesignature: 'signing_key_unavailable',
  loggingfailed: 'log_unavailable',
  timestampingfailed: 'time_stamping_overdue',
  ioerror: 'outcome_unknown',
  inconsistentresponse: 'answer_inconsistent',
  signatureverification: { consumer: 'answer_invalid', provider: 'signature_invalid' },
  invalidresponse: 'service_answer_invalid',
};

function readFault(fault: string): { code: ErrorCode; hop: Hop } {
  const parts = fault
    .toLowerCase()
    .replaceAll('_', '')
    .split('.')
    .filter((part) => part !== 'core');
  const provider = parts[1] === 'serverproxy';
  for (const part of parts) {
    const found = Object.hasOwn(FAULTS, part) ? FAULTS[part] : undefined;
    if (found === undefined) continue;
    const code = typeof found === 'string' ? found : provider ? found.provider : found.consumer;
    return { code, hop: provider ? 'provider-server' : 'consumer-server' };
  }
  return { code: 'broken', hop: provider ? 'provider-server' : 'consumer-server' };
}

function readObject(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The error that a security server's refusal stands for. Its texts are the server's; nothing here is verified. */
export function readRefusal(
  answer: ReceivedAnswer,
  context: { readonly xRoadId?: string | undefined; readonly language: 'en' | 'vi' },
): ExchangeError {
  const { status, headers, body } = answer;
  const object = readObject(body);
  const recordedId = headers.get('exchange-id') ?? textOf(object['messageId']);
  const common = {
    status,
    messageId: recordedId as MessageId | undefined,
    xRoadId: context.xRoadId,
    retrySeconds: readSeconds(object['retry'] ?? headers.get('retry-after')),
  };
  const problem = /^application\/problem\+json\b/i.test(headers.get('content-type') ?? '');
  const named = textOf(object['code']);
  if (problem && named !== undefined) {
    const code: ErrorCode = isErrorCode(named) ? named : 'broken';
    const hop = textOf(object['hop']);
    const at = hop !== undefined && HOPS.has(hop) ? (hop as Hop) : 'consumer-server';
    return new ExchangeError(code, textOf(object['detail']) ?? textOf(object['title']) ?? named, {
      ...common,
      hop: at,
      outcome: outcomeOf(code, at, recordedId !== undefined, true),
      rule: textOf(object['rule']),
      instance: textOf(object['instance']),
      hint: textOf(object['hint']) ?? PROBLEMS[code].hint[context.language],
    });
  }
  const fault = headers.get('x-road-error') ?? textOf(object['type']);
  const { code, hop } = readFault(fault ?? '');
  return new ExchangeError(code, textOf(object['message']) ?? PROBLEMS[code].title, {
    ...common,
    hop,
    outcome: outcomeOf(code, hop, recordedId !== undefined, false),
    hint: PROBLEMS[code].hint[context.language],
    fault,
    instance: textOf(object['detail']),
  });
}

function readSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
