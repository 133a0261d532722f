// Management requests and their states: submitted → waiting → approved | declined | revoked. Taking one in checks all
// that can be checked; an officer decides the rest; approval applies it in the same transaction (apply.ts).
import type { Digest, SecurityServerId } from '@onceway/schemas';
import { OncewayError, parseJws } from '@onceway/sdk/protocol';
import type { Approvals, ApprovalState } from '../access/approvals.js';
import type { Database } from '../database.js';
import { PAGE_MAX, REQUEST_JWS_BYTES_MAX, REQUESTS_WAITING_PER_SERVER_MAX } from '../limits.js';
import { applyRequest, checkRequest, type Registers } from './apply.js';
import {
  digestOfBase64,
  subjectOf,
  type RequestState,
  type RequestType,
  type Signers,
  type TakenRequest,
} from './management-request.js';
import {
  detailsFrom,
  viewFrom,
  type RequestDetails,
  type RequestRow,
  type RequestView,
} from './request-view.js';
import type { SubmittedRequest, VerifiedRequest } from './verify.js';

const approvalSubject = (jti: string): string => `management-request:${jti}`;

/** These only take trust away, so that nobody waits for an officer to have a stolen key off the list. */
const AT_ONCE: readonly RequestType[] = ['remove-client', 'remove-certificate'];

/** Who may speak at all: as many officers as the instance asks for. */
const BY_ALL_OFFICERS: readonly RequestType[] = ['register-server'];

export class Registration {
  readonly #db: Database;
  readonly #registers: Registers;
  readonly #approvals: Approvals;
  readonly #clock: () => number;
  readonly #randomBytes: (size: number) => Buffer;

  constructor(
    db: Database,
    registers: Registers,
    approvals: Approvals,
    clock: () => number,
    randomBytes: (size: number) => Buffer,
  ) {
    this.#db = db;
    this.#registers = registers;
    this.#approvals = approvals;
    this.#clock = clock;
    this.#randomBytes = randomBytes;
  }

  /** The view of a request that was received before, octet for octet: a server that died before it kept the answer
   *  gets its handle back, also after `exp`, and learns what was decided meanwhile. Nothing is verified, and need not
   *  be: the signatures are random, so only who signed these octets, or read them on their way here, can repeat them;
   *  and whoever read them there has seen the answer with the handle on the same connection. Officers are shown them
   *  once they have decided. The handle shows that decision, and can take back what still waits; it grants nothing.
   *  @throws {OncewayError} codes of the formats, for what is no JWS */
  received({ request: [byMember, byServer], certificates }: SubmittedRequest): RequestView | undefined {
    const { jti } = parseJws(byMember, REQUEST_JWS_BYTES_MAX).payload;
    if (typeof jti !== 'string') return undefined;
    const row = this.#db
      .prepare<string[], RequestRow>(
        'SELECT * FROM management_request WHERE jti = ? AND request = ? AND certificates = ?',
      )
      .get(jti, JSON.stringify([byMember, byServer]), JSON.stringify(certificates));
    return row && viewFrom(row, this.#given(row), 'handle');
  }

  /** To be asked before `submit`, and apart from it: whoever repeats somebody's request is not that somebody.
   *  @throws {OncewayError} `message_replayed` */
  refuseReplay({ jti }: TakenRequest): void {
    if (this.#db.prepare('SELECT 1 FROM management_request WHERE jti = ?').get(jti) !== undefined)
      throw new OncewayError('message_replayed', `request ${jti} was received before`);
  }

  /** Takes a verified request in. Must run inside the act's transaction. It was `submitted` while it was verified, and
   *  is `waiting` from here on. Declined and revoked requests do not count for `seq`: a forged one that an officer
   *  declines must not stop its server for ever.
   *  @throws {OncewayError} `sequence_invalid`, `request_pending`, `busy`, and what `checkRequest`
   *  refuses */
  submit(verified: VerifiedRequest): RequestView {
    const { payload, submitted, alg } = verified;
    const { jti, server, seq, type } = payload;
    const { last, waiting } = this.#db
      .prepare<[string], { last: number | null; waiting: number }>(
        `SELECT max(seq) AS last, count(*) FILTER (WHERE state = 'waiting') AS waiting
         FROM management_request WHERE server = ? AND state IN ('waiting', 'approved')`,
      )
      .get(server) ?? { last: null, waiting: 0 };
    if (seq <= (last ?? 0)) throw new OncewayError('sequence_invalid', `seq ${seq} is not above ${last}`);
    checkRequest(payload, submitted.certificates, this.#registers);
    const subject = subjectOf(payload);
    const same = this.#db
      .prepare(`SELECT 1 FROM management_request WHERE type = ? AND subject = ? AND state = 'waiting'`)
      .get(type, subject);
    if (same !== undefined) throw new OncewayError('request_pending', `${type} of ${subject} is waiting`);
    if (waiting >= REQUESTS_WAITING_PER_SERVER_MAX)
      throw new OncewayError('busy', `${waiting} requests of ${server} are waiting`);

    const handle = this.#randomBytes(16).toString('base64url');
    const now = this.#clock();
    this.#db
      .prepare(
        `INSERT INTO management_request
         (id, jti, type, server, member, seq, subject, state, payload, request, certificates, alg, submitted_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?)`,
      )
      .run(
        handle,
        jti,
        type,
        server,
        payload.member,
        seq,
        subject,
        JSON.stringify(payload),
        JSON.stringify(submitted.request),
        JSON.stringify(submitted.certificates),
        alg,
        now,
      );
    if (AT_ONCE.includes(type)) this.approve(jti, 'rule:at-once');
    return this.view(handle);
  }

  /** Applies a waiting request, once enough officers approve it. All or nothing: what is no longer possible, or its
   *  signers may no longer ask for, leaves it waiting, without this approval.
   *  @throws {OncewayError} `not_found`, `conflict` (decided already, or approved by this key), and what `checkRequest`
   *  and applying refuse. Not asked here, since it takes time: whether a certificate is revoked (verify.ts) */
  approve(jti: string, by: string): RequestView {
    const row = this.#waiting(jti);
    const { payload, certificates } = signedIn(row);
    checkRequest(payload, certificates, this.#registers);
    if (BY_ALL_OFFICERS.includes(row.type) && !this.#approvals.give(approvalSubject(jti), by))
      return viewFrom(row, this.#given(row), 'jti');
    applyRequest(payload, certificates, row.alg, this.#registers);
    const decided = this.#decide(jti, 'approved', by);
    if (payload.type === 'remove-certificate')
      this.endThoseOf(
        payload.certificate,
        by,
        `certificate ${payload.certificate} was removed by its server`,
      );
    return decided;
  }

  /** Revokes the waiting requests that a certificate has signed, or that would list it: whoever has its key must not
   *  have them granted. To be called in the act that takes it off the list. */
  endThoseOf(certificate: Digest, by: string, reason: string): void {
    const waiting = this.#db
      .prepare<[], RequestRow>(`SELECT * FROM management_request WHERE state = 'waiting'`)
      .all();
    for (const row of waiting) {
      const { payload, certificates } = signedIn(row);
      const added = payload.type === 'register-certificate' ? [payload.certificate] : [];
      if ([...certificates, ...added].some((der) => digestOfBase64(der) === certificate))
        this.#decide(row.jti, 'revoked', by, reason);
    }
  }

  /** What a waiting request asks for, and the certificates of its signers. @throws {OncewayError} `not_found`,
   *  `conflict` */
  toDecide(jti: string): { readonly payload: TakenRequest; readonly certificates: Signers } {
    return signedIn(this.#waiting(jti));
  }

  /** @throws {OncewayError} `not_found`, `conflict` */
  decline(jti: string, by: string, reason: string): RequestView {
    this.#waiting(jti);
    return this.#decide(jti, 'declined', by, reason);
  }

  /** Taken back by the requester or by an officer. @throws {OncewayError} `not_found`, `conflict` */
  revoke(jti: string, by: string, reason?: string): RequestView {
    this.#waiting(jti);
    return this.#decide(jti, 'revoked', by, reason);
  }

  /** What the requester sees. @throws {OncewayError} `not_found` */
  view(handle: string): RequestView {
    const row = this.#row('id', handle);
    return viewFrom(row, this.#given(row), 'handle');
  }

  /** Which request a handle is for, and of which server. @throws {OncewayError} `not_found` */
  requested(handle: string): { readonly jti: string; readonly server: SecurityServerId } {
    const { jti, server } = this.#row('id', handle);
    return { jti, server: server as SecurityServerId };
  }

  /** What officers see. @throws {OncewayError} `not_found` */
  details(jti: string): RequestDetails {
    const row = this.#row('jti', jti);
    return detailsFrom(row, this.#given(row));
  }

  /** How many wait for a decision. */
  waiting(): number {
    const row = this.#db
      .prepare<[], { count: number }>(
        `SELECT count(*) AS count FROM management_request WHERE state = 'waiting'`,
      )
      .get();
    return row?.count ?? 0;
  }

  /** Newest first, one page.
   *  @param page `before` is the last `id` of the page before; `limit` at most PAGE_MAX
   *  @throws {OncewayError} `not_found` where `before` is no request */
  list(
    state?: RequestState,
    { before, limit = PAGE_MAX }: { readonly before?: string; readonly limit?: number } = {},
  ): RequestDetails[] {
    if (before !== undefined) this.#row('jti', before);
    return this.#db
      .prepare<{ state: string | null; before: string | null; limit: number }, RequestRow>(
        `SELECT * FROM management_request
         WHERE state = coalesce(@state, state) AND (@before IS NULL OR (submitted_ms, rowid) <
           (SELECT submitted_ms, rowid FROM management_request WHERE jti = @before))
         ORDER BY submitted_ms DESC, rowid DESC LIMIT @limit`,
      )
      .all({ state: state ?? null, before: before ?? null, limit })
      .map((row) => detailsFrom(row, this.#given(row)));
  }

  #given({ jti, type }: RequestRow): ApprovalState | undefined {
    return BY_ALL_OFFICERS.includes(type) ? this.#approvals.of(approvalSubject(jti)) : undefined;
  }

  #row(by: 'id' | 'jti', value: string): RequestRow {
    const row = this.#db
      .prepare<[string], RequestRow>(`SELECT * FROM management_request WHERE ${by} = ?`)
      .get(value);
    if (row === undefined) throw new OncewayError('not_found', 'there is no such request');
    return row;
  }

  #waiting(jti: string): RequestRow {
    const row = this.#row('jti', jti);
    if (row.state !== 'waiting') throw new OncewayError('conflict', `the request is ${row.state} already`);
    return row;
  }

  #decide(jti: string, state: RequestState, by: string, reason?: string): RequestView {
    this.#db
      .prepare(
        'UPDATE management_request SET state = ?, decided_ms = ?, decided_by = ?, reason = ? WHERE jti = ?',
      )
      .run(state, this.#clock(), by, reason ?? null, jti);
    const row = this.#row('jti', jti);
    return viewFrom(row, this.#given(row), 'jti');
  }
}

/** What was signed, and the certificates of whose keys. */
function signedIn({ payload, certificates }: RequestRow): {
  readonly payload: TakenRequest;
  readonly certificates: Signers;
} {
  return {
    payload: JSON.parse(payload) as TakenRequest,
    certificates: JSON.parse(certificates) as Signers,
  };
}
