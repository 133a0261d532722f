// What this server asks of the registry: signed, kept before it is sent, followed until decided. Repeating a step after
// a crash goes on with the same request.
import { randomBytes as systemRandomBytes } from 'node:crypto';
import type { ClientId, ManagementRequest, MemberId, SecurityServerId } from '@onceway/schemas';
import {
  algorithmOf,
  codeOf,
  OncewayError,
  parseManagementRequest,
  signOctets,
  uuidV7,
} from '@onceway/sdk/protocol';
import type { Token } from '../keys/signer.js';
import { signStatement } from '../keys/statement.js';
import type { StateDatabase } from '../state/state-database.js';
import { ask, type RegistryCall } from './registry.js';

/** The registry takes 300 s at most; a clock may be off by the skew. */
const LIFETIME_S = 240;
/** Hands over a handle: 128 random bits in base64url, or whatever the registry takes for one. */
const HANDLE = /^[A-Za-z0-9_-]{1,100}$/;

type Base = 'v' | 'jti' | 'exp' | 'instance' | 'seq' | 'server';
type WithoutBase<T> = T extends unknown ? Omit<T, Base> : never;
/** A request without what is the same in all of them. */
export type Wish = WithoutBase<ManagementRequest>;

/** `signed`: kept, and not known to have arrived. `lost`: never arrived in time; ask again. */
export type RequestState = 'signed' | 'submitted' | 'waiting' | 'approved' | 'declined' | 'revoked' | 'lost';

export interface RequestStatus {
  readonly seq: number;
  readonly type: ManagementRequest['type'];
  /** What it is about: the server, a client, a certificate. */
  readonly subject: string;
  readonly state: RequestState;
  /** Why it was declined, in the officer's words. */
  readonly reason?: string;
}

interface Row extends Omit<RequestStatus, 'reason'> {
  readonly body: string;
  /** Seconds. */
  readonly expires: number;
  readonly handle: string | null;
  readonly reason: string | null;
}

export interface RequestParts {
  readonly database: StateDatabase;
  readonly token: Pick<Token, 'signingKey' | 'authentication'>;
  readonly registry: RegistryCall;
  readonly server: SecurityServerId;
  readonly clock: () => number;
  readonly randomBytes?: (size: number) => Buffer;
}

export class ManagementRequests {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Newest first. */
  list(): RequestStatus[] {
    return this.#rows('1 = 1').map(statusOf);
  }

  /** Signs and sends, unless the same wish waits already: then that one goes on. One whose answer was lost is sent
   *  again as it is, whatever its age: the registry answers what became of the request that it knows by these octets.
   *  @throws {OncewayError} `signing_key_unavailable`, `registry_unreachable` (repeat it), what the registry refuses */
  async submit(wish: Wish): Promise<RequestStatus> {
    const subject = subjectOf(wish) ?? this.#parts.server;
    const open = this.#rows(
      "type = ? AND subject = ? AND state IN ('signed', 'submitted', 'waiting')",
      wish.type,
      subject,
    )[0];
    if (open === undefined) return this.#send(await this.#sign(wish, subject));
    if (open.handle !== null) return this.refresh(open.seq);
    try {
      return await this.#send(open);
    } catch (error) {
      // It never arrived, and is too old by now.
      if (codeOf(error) !== 'message_expired') throw error;
      return this.#send(await this.#sign(wish, subject));
    }
  }

  /** Asks how it stands. @throws {OncewayError} `not_found`, `registry_unreachable` */
  async refresh(seq: number): Promise<RequestStatus> {
    const [row] = this.#rows('seq = ?', seq);
    if (row === undefined) throw new OncewayError('not_found', `no request ${seq}`);
    if (row.handle === null || (row.state !== 'submitted' && row.state !== 'waiting')) return statusOf(row);
    return this.#take(seq, await ask(this.#parts.registry, 'GET', `/management-requests/${row.handle}`));
  }

  /** A request for what another one waits for, whose handle this server has not (its state was restored from a copy),
   *  is settled by what the configuration lists. */
  settle(type: ManagementRequest['type'], subject: string): void {
    for (const { seq } of this.#rows(
      "type = ? AND subject = ? AND handle IS NULL AND state = 'waiting'",
      type,
      subject,
    ))
      this.#decide(seq, 'approved');
  }

  async #sign(wish: Wish, subject: string): Promise<Row> {
    const { database, token, server, clock } = this.#parts;
    const random = this.#parts.randomBytes ?? systemRandomBytes;
    const now = clock();
    const nowS = Math.floor(now / 1000);
    const { type, member, ...rest } = wish;
    const last = database.prepare('SELECT max(seq) AS seq FROM management_request').get() as {
      seq: number | null;
    };
    // Not below the clock: a server that was restored from a copy must not count what it counted before.
    const seq = Math.max((last.seq ?? 0) + 1, nowS);
    const payload = parseManagementRequest({
      v: 1,
      jti: uuidV7(now, random(10)),
      exp: nowS + LIFETIME_S,
      instance: server.split('/', 1)[0],
      seq,
      type,
      member,
      server,
      ...rest,
    });
    const signing = token.signingKey(member);
    const { key, certificate, certificateDigest } = token.authentication();
    const alg = algorithmOf(key);
    if (alg === undefined)
      throw new OncewayError('signing_key_unavailable', 'the authentication key can not sign');
    const authentication = {
      alg,
      certificateDigest,
      sign: (input: Uint8Array) => signOctets(alg, key, input),
    };
    const body = JSON.stringify({
      request: [
        await signStatement('management-request+jws', payload, signing, now),
        await signStatement('management-request+jws', payload, authentication, now),
      ],
      certificates: [signing.certificate, certificate].map(({ raw }) => raw.toString('base64')),
    });
    const row: Row = {
      seq,
      type,
      subject,
      body,
      expires: payload.exp,
      state: 'signed',
      handle: null,
      reason: null,
    };
    // Kept before it is sent: after a crash the same octets are sent again, not a second request.
    database
      .prepare(
        'INSERT INTO management_request VALUES (@seq, @type, @subject, @body, @expires, @state, @handle, @reason)',
      )
      .run(row);
    return row;
  }

  async #send(row: Row): Promise<RequestStatus> {
    try {
      const answer = await ask(
        this.#parts.registry,
        'POST',
        '/management-requests',
        JSON.parse(row.body) as object,
      );
      return this.#take(row.seq, answer);
    } catch (error) {
      const code = codeOf(error);
      // Another one for the same thing waits, of which this server has lost even the record (settle).
      if (code === 'request_pending') return this.#decide(row.seq, 'waiting');
      if (code !== 'registry_unreachable') this.#decide(row.seq, 'lost');
      throw error;
    }
  }

  #take(seq: number, { id, state, reason }: Readonly<Record<string, unknown>>): RequestStatus {
    const known = ['submitted', 'waiting', 'approved', 'declined', 'revoked'] as const;
    const found = known.find((each) => each === state);
    if (found === undefined || typeof id !== 'string' || !HANDLE.test(id))
      throw new OncewayError('registry_unreachable', 'the registry answers something else than a request');
    return this.#decide(seq, found, id, typeof reason === 'string' ? reason : undefined);
  }

  #decide(seq: number, state: RequestState, handle?: string, reason?: string): RequestStatus {
    this.#parts.database
      .prepare(
        'UPDATE management_request SET state = ?, handle = coalesce(?, handle), reason = coalesce(?, reason) WHERE seq = ?',
      )
      .run(state, handle ?? null, reason ?? null, seq);
    const [row] = this.#rows('seq = ?', seq);
    if (row === undefined) throw new TypeError(`request ${seq} is gone`);
    return statusOf(row);
  }

  #rows(where: string, ...values: readonly (string | number)[]): Row[] {
    return this.#parts.database
      .prepare(`SELECT * FROM management_request WHERE ${where} ORDER BY seq DESC`)
      .all(...values) as Row[];
  }
}

function statusOf({ seq, type, subject, state, reason }: Row): RequestStatus {
  return { seq, type, subject, state, ...(reason === null ? {} : { reason }) };
}

/** One of a kind waits at a time; undefined: the server itself. */
function subjectOf(wish: Wish): string | undefined {
  if ('client' in wish) return wish.client;
  return 'certificate' in wish ? wish.certificate : undefined;
}

/** The wish to let a client speak here; with `signing` where the registry lists no certificate of its member yet. */
export function clientWish(client: ClientId, member: MemberId, signing: Buffer | undefined): Wish {
  return {
    type: 'register-client',
    member,
    client,
    ...(signing === undefined ? {} : { signing: signing.toString('base64') }),
  };
}
