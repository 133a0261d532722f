// `POST /rights`: shows a right that was decided on here to a server of its consumer. One attempt; when, and how often,
// is decided in jobs/push-rights.ts.
import {
  isErrorCode,
  memberOf,
  OncewayError,
  parseJws,
  parseMessageHeader,
  parseRight,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { PUSH_TIMEOUT_MS, RIGHT_ANSWER_BYTES_MAX, RIGHT_BYTES_MAX } from '../limits.js';
import type { PeerReply } from '../transport/peer-reply.js';
import type { Exchange } from './exchange.js';

const TAKEN = 204;

/** Whether a peer could prove a right of ours still: what it was signed by is listed, valid and not revoked.
 *  @throws {OncewayError} `signer_not_listed`, `certificate_*`, `signing_key_unavailable` */
export async function checkShowable(
  signed: string,
  trust: TrustView,
  { server, credentials, sources, clock }: Exchange,
): Promise<void> {
  const { header, payload } = parseJws(signed, RIGHT_BYTES_MAX);
  const { 'x5t#S256': certificate } = parseMessageHeader(header);
  const member = memberOf(parseRight(payload).provider);
  if (trust.signingListing(member, server, certificate, clock()) === undefined)
    throw new OncewayError(
      'signer_not_listed',
      'the right was signed by a certificate that is listed no more',
    );
  await credentials.require(certificate, 'signing', trust, sources.own(trust));
}

/** Resolves once the peer has it, durably.
 *  @throws {OncewayError} the code with which it refused, `peer_refused` without one; `provider_unreachable` and the like */
export async function pushRight(
  signed: string,
  server: SecurityServerRecord,
  trust: TrustView,
  { peers, credentials, sources }: Exchange,
): Promise<void> {
  const connection = await peers.acquire(server, trust, true);
  let reply: PeerReply | undefined;
  try {
    await credentials.require(connection.certificate, 'authentication', trust, sources.of(server, trust));
    reply = await connection.send(
      'POST',
      '/rights',
      { 'content-type': 'application/jose' },
      Buffer.from(signed),
      RIGHT_ANSWER_BYTES_MAX,
      PUSH_TIMEOUT_MS,
    );
  } finally {
    peers.release(connection, reply !== undefined);
  }
  if (reply.status !== TAKEN) throw refusalOf(reply, server);
}

function refusalOf({ status, headers, body }: PeerReply, { id }: SecurityServerRecord): OncewayError {
  const retry = headers['retry-after'];
  const retrySeconds = typeof retry === 'string' && /^[1-9]\d{0,3}$/.test(retry) ? Number(retry) : undefined;
  const why = `${id} answered ${status}`;
  const code = codeIn(body);
  return new OncewayError(
    code !== undefined && isErrorCode(code) ? code : 'peer_refused',
    why,
    retrySeconds === undefined ? {} : { retrySeconds },
  );
}

function codeIn(body: Buffer): string | undefined {
  try {
    const { code } = JSON.parse(body.toString()) as { code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}
