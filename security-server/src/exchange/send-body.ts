// A step of the consumer's line, for bodies above 256 KiB only: the body leaves before its message is recorded, since only
// the closing makes a message of it. The closing is held back until the record is durable.
import { formatSalts, HEAD_BYTES_MAX, OncewayError } from '@onceway/sdk/protocol';
import { CONTINUE_TIMEOUT_MS, PEER_ANSWER_TIMEOUT_MS } from '../limits.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import { EarlyReplyError, type PeerTransfer } from '../transport/peer-transfer.js';
import { NotSentError } from '../transport/peer-transport.js';
import { bind } from './bind.js';
import type { Exchange } from './exchange.js';
import { ExchangeFailure } from './failure.js';
import { openReply } from './open-reply.js';
import { recordReply } from './record.js';
import { stage, type Forwarded, type RequestOnRecord, type SealedRequest, type Whole } from './stages.js';
import { passStream } from './streamed-body.js';

/** The consumer's. The peer has judged the opening before it takes the first octet.
 *  @throws {NotSentError} no octet of the body left, and an opening alone is no message: a new one may be made
 *  @throws {ExchangeFailure} the recorded refusal of a peer that does not take the body, or not all of it
 *  @throws {OncewayError} `body_aborted`, `body_too_slow`, `body_too_large`, `busy`, `log_unavailable`: nothing is
 *  recorded, and the peer discards what it has */
export async function sendBody(sealed: SealedRequest, exchange: Exchange): Promise<Whole<SealedRequest>> {
  const { body, connection, salts, mid: opening, signer } = sealed;
  if (!(body instanceof ArrivingBody)) throw new TypeError('this body has nothing to wait for');
  const transfer = connection.transfer({
    'exchange-message': sealed.envelope,
    'exchange-head': sealed.head.toString('base64url'),
    'exchange-salt': formatSalts(salts),
  });
  try {
    await transfer.taken(CONTINUE_TIMEOUT_MS);
    const streamed = await passStream(
      body,
      opening,
      signer,
      salts.body,
      [sealed.provider.id, `client ${sealed.client}`],
      (chunk) => transfer.write(chunk),
      exchange,
    );
    return stage<Whole<SealedRequest>>({ ...sealed, ...streamed, transfer });
  } catch (error) {
    if (error instanceof EarlyReplyError)
      throw await refusedEarly({ ...sealed, body: null }, transfer, exchange);
    transfer.abort();
    if (error instanceof OncewayError) throw error;
    if (!body.isTaken) throw new NotSentError('the peer did not take the body', { cause: error });
    throw new OncewayError('body_aborted', 'the peer broke off while the body was sent', { cause: error });
  }
}

/** A peer that answers before the closing can only refuse: there is no message yet. */
async function refusedEarly(
  request: RequestOnRecord,
  transfer: PeerTransfer,
  exchange: Exchange,
): Promise<unknown> {
  try {
    const reply = await transfer.reply(HEAD_BYTES_MAX, PEER_ANSWER_TIMEOUT_MS);
    if (reply.headers['exchange-head'] !== undefined || reply.following !== undefined)
      return new OncewayError('answer_invalid', 'an answer to a request that was not whole');
    const opened = await openReply(stage<Forwarded>({ request, reply, fetchedLater: false }), exchange);
    const bound = bind(opened);
    if (bound.kind === 'answer') return new OncewayError('answer_invalid', 'an answer to an opening');
    await recordReply(bound, exchange);
    return ExchangeFailure.ofRefusal(bound.message, request.mid);
  } catch (error) {
    return error instanceof OncewayError || error instanceof ExchangeFailure
      ? error
      : new OncewayError('body_aborted', 'the peer broke off while the body was sent', { cause: error });
  } finally {
    transfer.abort();
  }
}
