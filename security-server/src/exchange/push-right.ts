// `POST /rights`: shows a right that was decided on here to a server of its consumer. One attempt; when, and how often,
// is decided in jobs/push-rights.ts.
import { isErrorCode, OncewayError, type SecurityServerRecord } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { PUSH_TIMEOUT_MS, RIGHT_ANSWER_BYTES_MAX } from '../limits.js';
import type { PeerReply } from '../transport/peer-reply.js';
import type { Exchange } from './exchange.js';

const TAKEN = 204;

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
