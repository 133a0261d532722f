// How a management request is kept, and what of it the requester and the officers see. Decides nothing.
import type { ApprovalState } from '../access/approvals.js';
import type { RequestState, RequestType, TakenRequest } from './management-request.js';

/** What the requester sees by its handle. Times in milliseconds. */
export interface RequestView {
  /** To the requester its handle; to officers, who must not act in its name, the request's `jti`. */
  readonly id: string;
  readonly type: RequestType;
  readonly state: RequestState;
  /** Of officers, where more than one may have to approve: `1 of 2`. */
  readonly approvals?: string;
  readonly reason?: string;
  readonly decidedAt?: number;
}

/** What officers see: also what was signed. */
export interface RequestDetails extends RequestView, Partial<ApprovalState> {
  readonly server: string;
  readonly member: string;
  readonly submittedAt: number;
  readonly decidedBy?: string;
  readonly payload: TakenRequest;
  /** Both compact JWS, as they came: with the certificates the proof of who asked. Left out while it waits: whoever sends
   *  these octets again gets the handle (Registration.received), and could take the request back in its server's name. */
  readonly request?: readonly string[];
  /** Of both signers, base64 DER. */
  readonly certificates: readonly string[];
}

export interface RequestRow {
  /** The handle. */
  id: string;
  jti: string;
  type: RequestType;
  server: string;
  member: string;
  state: RequestState;
  payload: string;
  request: string;
  certificates: string;
  alg: string;
  submitted_ms: number;
  decided_ms: number | null;
  decided_by: string | null;
  reason: string | null;
}

export function viewFrom(
  row: RequestRow,
  given: ApprovalState | undefined,
  id: 'handle' | 'jti',
): RequestView {
  return {
    id: id === 'handle' ? row.id : row.jti,
    type: row.type,
    state: row.state,
    ...(given === undefined ? {} : { approvals: given.approvals }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.decided_ms === null ? {} : { decidedAt: row.decided_ms }),
  };
}

export function detailsFrom(row: RequestRow, given: ApprovalState | undefined): RequestDetails {
  return {
    ...viewFrom(row, given, 'jti'),
    ...given,
    server: row.server,
    member: row.member,
    submittedAt: row.submitted_ms,
    ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
    payload: JSON.parse(row.payload) as TakenRequest,
    ...(row.state === 'waiting' ? {} : { request: JSON.parse(row.request) as string[] }),
    certificates: JSON.parse(row.certificates) as string[],
  };
}
