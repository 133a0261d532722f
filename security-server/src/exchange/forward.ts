// Sends a recorded request and waits for the reply. After the first octet nothing is sent again: where the connection
// breaks, the same server is asked what became of it (design §3, uncertain outcomes).
import { formatSalts, OncewayError, HEAD_BYTES_MAX } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { OUTCOME_ASK_TIMEOUT_MS } from '../limits.js';
import { NotSentError, type PeerReply } from '../transport/peer-transport.js';
import type { Exchange } from './exchange.js';
import { stage, type Forwarded, type RecordedRequest, type RequestOnRecord } from './stages.js';

/** @throws {NotSentError} nothing left: another server may be tried with a new message
 *  @throws {OncewayError} `outcome_unknown` when the peer could not be asked either, `answer_invalid` (too large) */
export async function forward(
  request: RecordedRequest,
  trust: TrustView,
  exchange: Exchange,
): Promise<Forwarded> {
  const { connection } = request;
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
      request.body,
      exchange.limits.bodyBytesMax + HEAD_BYTES_MAX,
    );
  } catch (error) {
    exchange.peers.release(connection, false);
    if (error instanceof NotSentError || error instanceof OncewayError) throw error;
    return stage<Forwarded>({
      request,
      reply: await askOutcome(request, trust, exchange, error),
      fetchedLater: true,
    });
  }
  exchange.peers.release(connection, true);
  return stage<Forwarded>({ request, reply, fetchedLater: false });
}

/** Asks the same server until it answers something else than "still running", or the time is up. */
async function askOutcome(
  request: RecordedRequest,
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
  request: Pick<RequestOnRecord, 'mid' | 'provider'>,
  trust: TrustView,
  exchange: Exchange,
): Promise<PeerReply> {
  const connection = await exchange.peers.acquire(request.provider, trust);
  let reusable = false;
  try {
    await exchange.credentials.require(
      connection.certificate,
      'authentication',
      trust,
      exchange.sources.of(request.provider, trust),
    );
    const reply = await connection.send(
      'GET',
      `/exchange/${request.mid}`,
      {},
      null,
      exchange.limits.bodyBytesMax + HEAD_BYTES_MAX,
      OUTCOME_ASK_TIMEOUT_MS,
    );
    reusable = true;
    return reply;
  } finally {
    exchange.peers.release(connection, reusable);
  }
}
