// A plain access right as a signed statement (design §7, with empty attributes), and read back from it.
import { createHmac } from 'node:crypto';
import type { Digest, RightClaims, ServiceId } from '@onceway/schemas';
import { digestOf, OncewayError, parseJws, parseRight, subsystemOf } from '@onceway/sdk/protocol';
import { RIGHT_BYTES_MAX } from '../limits.js';
import { parsePattern } from './endpoint-pattern.js';
import type { AccessRight, Subject } from './service.js';

/** What an administrator decides. */
export interface Grant {
  readonly service: ServiceId;
  readonly subject: Subject;
  /** Left out: the whole service. */
  readonly endpoint?: { readonly method: string; readonly path: string };
  /** Seconds since 1970, exclusive. */
  readonly until?: number;
  readonly reason: string;
}

export interface RightRevision {
  readonly claims: RightClaims;
  readonly digest: Digest;
  readonly signed: string;
}

/** Claims in the order of the design; `prev` names the revision this one replaces.
 *  @throws {OncewayError} `request_invalid` when something does not fit the schema */
export function rightClaims(
  id: string,
  state: RightClaims['state'],
  { service, subject, endpoint, until, reason }: Grant,
  previous: RightRevision | undefined,
  by: { readonly nowS: number; readonly decidedBy: string },
): RightClaims {
  // What is signed must also be readable by the decision.
  if (endpoint !== undefined) parsePattern(endpoint.path);
  return parseRight({
    v: 1,
    id,
    rev: (previous?.claims.rev ?? 0) + 1,
    ...(previous === undefined ? {} : { prev: previous.digest }),
    provider: subsystemOf(service),
    consumer: subject,
    service,
    attributes: [],
    endpoints: endpoint === undefined ? [] : [endpoint],
    purposes: [],
    from: previous?.claims.from ?? by.nowS,
    ...(until === undefined ? {} : { until }),
    state,
    reason,
    decidedBy: by.decidedBy,
  });
}

/** @throws {OncewayError} `broken` for a stored right that is none */
export function readRight(signed: string): RightRevision {
  try {
    return {
      signed,
      digest: digestOf(Buffer.from(signed)),
      claims: parseRight(parseJws(signed, RIGHT_BYTES_MAX).payload),
    };
  } catch (cause) {
    throw new OncewayError('broken', 'state.db holds a right that is malformed', { cause });
  }
}

/** Undefined for one that grants nothing (any more). */
export function accessRightOf({ claims, digest }: RightRevision): AccessRight | undefined {
  const { id, rev, service, consumer, endpoints, from, until, state } = claims;
  if (service === undefined || (state !== 'granted' && state !== 'changed')) return undefined;
  const [endpoint] = endpoints;
  return {
    id,
    rev,
    service,
    subject: consumer,
    ...(endpoint === undefined ? {} : { endpoint }),
    from,
    ...(until === undefined ? {} : { until }),
    digest,
  };
}

/** Who decided, as the member's own pseudonym: others can tell two officers apart, and not who they are. */
export function pseudonymOf(key: Uint8Array, quarter: string, officer: string): string {
  const mac = createHmac('sha256', key).update('officer\0').update(officer.normalize('NFC')).digest();
  return `${quarter}.${mac.subarray(0, 16).toString('base64url')}`;
}
