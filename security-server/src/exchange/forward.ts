// Sends a recorded request and waits for the reply. After the first octet nothing is sent again: where the connection
// breaks, the same server is asked what became of it (design §3, uncertain outcomes).
import { formatSalts, OncewayError, HEAD_BYTES_MAX } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { OUTCOME_ASK_TIMEOUT_MS, PEER_ANSWER_TIMEOUT_MS } from '../limits.js';
import { SpooledBody, type Body } from '../message-log/message-log.js';
import type { PeerTransfer } from '../transport/peer-transfer.js';
import type { PeerReply } from '../transport/peer-reply.js';
import { NotSentError, type PeerConnection } from '../transport/peer-transport.js';
import type { Exchange } from './exchange.js';
import { deliveryMs } from './streamed-body.js';
import { stage, type Forwarded, type RecordedRequest, type RequestOnRecord } from './stages.js';

/** @throws {NotSentError} nothing left: another server may be tried with a new message
 *  @throws {OncewayError} `outcome_unknown` when the peer could not be asked either, `answer_invalid` (too large) */
export async function forward(
  request: RecordedRequest,
  trust: TrustView,
  exchange: Exchange,
): Promise<Forwarded> {
  const { connection, transfer } = request;
  if (transfer !== undefined) return closeTransfer(request, transfer, trust, exchange);
  let reply: PeerReply;
  try {
    reply = await connection.send(
      'POST',
      '/exchange',
      {
        'exchange-message': request.envelope,
        'exchange-head': request.head.toString('base64url'),
        'exchange-salt': formatSalts(request.salts),
      },
      inMemory(request.body),
      exchange.limits.bodyBytesMax + HEAD_BYTES_MAX,
    );
  } catch (error) {
    exchange.peers.release(connection, false);
    if (error instanceof NotSentError || error instanceof OncewayError) throw error;
    return forwardLater(request, trust, exchange, error);
  }
  giveBack(connection, reply, exchange);
  return stage<Forwarded>({ request, reply, fetchedLater: false });
}

/** Whose body was sent already: with its closing it is a message, sent at most once. */
async function closeTransfer(
  request: RecordedRequest,
  transfer: PeerTransfer,
  trust: TrustView,
  exchange: Exchange,
): Promise<Forwarded> {
  const { body, closed, connection } = request;
  if (closed === undefined || !(body instanceof SpooledBody)) throw new TypeError('not a streamed request');
  // The peer's service is given so much more time for a body of this size.
  const timeoutMs = PEER_ANSWER_TIMEOUT_MS + deliveryMs(body.bytes, exchange.limits.bodyBounds);
  try {
    transfer.end(closed.closing);
    const reply = await transfer.reply(exchange.limits.bodyBytesMax + HEAD_BYTES_MAX, timeoutMs);
    if (reply.following === undefined) exchange.peers.release(connection, false);
    else giveBack(connection, reply, exchange);
    return stage<Forwarded>({ request, reply, fetchedLater: false });
  } catch (error) {
    exchange.peers.release(connection, false);
    if (error instanceof OncewayError) throw error;
    return forwardLater(request, trust, exchange, error);
  }
}

/** The reply that the peer has of a request whose own connection broke.
 *  @throws {OncewayError} `outcome_unknown` */
export async function forwardLater(
  request: RequestOnRecord,
  trust: TrustView,
  exchange: Exchange,
  cause: unknown,
): Promise<Forwarded> {
  const reply = await askOutcome(request, trust, exchange, cause);
  return stage<Forwarded>({ request, reply, fetchedLater: true });
}

/** A connection over which an answer is streamed is not given to anybody else. */
function giveBack(connection: PeerConnection, { following }: PeerReply, exchange: Exchange): void {
  if (following === undefined) exchange.peers.release(connection, true);
  else following.onceClosed(() => exchange.peers.release(connection, false));
}

function inMemory(body: Body): Buffer | null {
  if (body instanceof SpooledBody) throw new TypeError('a streamed body is not sent whole');
  return body;
}

/** Asks the same server until it answers something else than "still running", or the time is up. */
async function askOutcome(
  request: RequestOnRecord,
  trust: TrustView,
  exchange: Exchange,
  cause: unknown,
): Promise<PeerReply> {
  const until = exchange.clock() + exchange.limits.outcomeAskTotalMs;
  do {
    const reply = await fetchOutcome(request, trust, exchange).catch(() => undefined);
    if (reply?.status === 200) return reply;
    await new Promise((resolve) => setTimeout(resolve, exchange.limits.outcomeAskIntervalMs));
  } while (exchange.clock() < until);
  throw new OncewayError('outcome_unknown', 'the connection broke and the peer can not be asked', { cause });
}

/** One `GET /exchange/{mid}` to the server that a request was sent to. */
export async function fetchOutcome(
  request: Pick<RequestOnRecord, 'mid' | 'provider' | 'closed'>,
  trust: TrustView,
  exchange: Exchange,
): Promise<PeerReply> {
  const connection = await exchange.peers.acquire(request.provider, trust);
  let reply: PeerReply | undefined;
  try {
    await exchange.credentials.require(
      connection.certificate,
      'authentication',
      trust,
      exchange.sources.of(request.provider, trust),
    );
    reply = await connection.send(
      'GET',
      // The peer knows the opening, also of what never came to its closing.
      `/exchange/${request.closed?.opening ?? request.mid}`,
      {},
      null,
      exchange.limits.bodyBytesMax + HEAD_BYTES_MAX,
      OUTCOME_ASK_TIMEOUT_MS,
    );
    return reply;
  } finally {
    if (reply === undefined) exchange.peers.release(connection, false);
    else giveBack(connection, reply, exchange);
  }
}
