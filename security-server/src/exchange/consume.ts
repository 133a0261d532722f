// The consumer's line: one request of an information system, from its arrival to its answer. Read it from top to
// bottom; each step takes what only the step before can make (stages.ts). docs/architecture.md draws it.
import { NotSentError } from '../transport/peer-transport.js';
import { authenticate } from './authenticate.js';
import { bind } from './bind.js';
import { connect } from './connect.js';
import { trustNow, type Exchange } from './exchange.js';
import { ExchangeFailure } from './failure.js';
import { forward } from './forward.js';
import { identify } from './identify.js';
import { keepRight } from './keep-right.js';
import { openReply } from './open-reply.js';
import { recordReply, recordRequest } from './record.js';
import { route } from './route.js';
import { SpooledBody } from '../message-log/message-log.js';
import { sealRequest } from './seal.js';
import { sendBody } from './send-body.js';
import {
  isWhole,
  type Answer,
  type BoundReply,
  type Connected,
  type Identified,
  type OpenedReply,
  type ReceivedRequest,
  type RecordedRequest,
  type SealedRequest,
  type Whole,
} from './stages.js';
import { isAborted } from './streamed-body.js';

/** A server whose idle connection turns out broken is tried again with a new one; then the next server. */
const ATTEMPTS_MAX = 3;

/** @throws {ExchangeFailure} with the code of docs/problems.md, the hop, and the recorded request if there is one */
export async function consume(received: ReceivedRequest, exchange: Exchange): Promise<Answer> {
  const identified = identify(received, exchange);
  for (let attempt = 1; ; attempt++) {
    try {
      return await consumeOnce(identified, exchange);
    } catch (error) {
      // Nothing left this server: a new message may be made. The first one has its outcome entry.
      if (!(error instanceof NotSentError)) throw error;
      if (attempt === ATTEMPTS_MAX)
        throw new ExchangeFailure('provider_unreachable', 'consumer-server', { cause: error });
    }
  }
}

async function consumeOnce(identified: Identified, exchange: Exchange): Promise<Answer> {
  let connected: Connected | undefined;
  let whole: Whole<SealedRequest> | undefined;
  let recorded: RecordedRequest | undefined;
  let opened: OpenedReply | undefined;
  try {
    let trust = trustNow(exchange); // refuses while the configuration is expired or the evidence is behind
    const authenticated = authenticate(identified, trust, exchange); // which client is speaking
    const routed = route(authenticated, trust); // which service, and who hosts it
    connected = await connect(routed, trust, exchange); // open before sealing: the envelope names the receiver
    const sealed = await sealRequest(connected, trust, exchange); // head, commitments, signature
    if (isWhole(sealed)) whole = sealed;
    else {
      whole = await sendBody(sealed, exchange); // above 256 KiB: all but the closing leaves
      trust = trustNow(exchange); // hours may have passed: what is asked is asked by the trust of now,
      authenticate(identified, trust, exchange); // by a client that may still speak
    }
    recorded = await recordRequest(whole, trust, exchange); // durable: from here we can prove that we asked
    const forwarded = await forward(recorded, trust, exchange); // at most once
    opened = await openReply(forwarded, exchange); // signer, certificate, signature, content
    const bound = bind(opened); // this reply belongs to that request
    await recordReply(bound, exchange); // durable before the information system learns anything
    void keepRight(bound, exchange); // beside it: the right that the provider decided by
    return answer(bound);
  } catch (error) {
    await giveUp(whole, opened);
    throw await settle(error, connected, recorded, exchange);
  }
}

function answer(bound: BoundReply): Answer {
  const { request } = bound;
  if (bound.kind === 'refusal') throw ExchangeFailure.ofRefusal(bound.message, request.mid);
  return { head: bound.answerHead, body: bound.body, requestId: request.mid, answerId: bound.message.mid };
}

/** Nothing is left lying: a connection that was not used goes back, and a recorded request does not stay without a
 *  word on what became of it. Should that entry fail, the next start writes it. */
async function settle(
  error: unknown,
  connected: Connected | undefined,
  recorded: RecordedRequest | undefined,
  exchange: Exchange,
): Promise<unknown> {
  if (recorded === undefined) {
    if (connected !== undefined) exchange.peers.release(connected.connection, true);
    return error instanceof NotSentError ? error : ExchangeFailure.of(error, 'consumer-server');
  }
  if (error instanceof ExchangeFailure && error.answerId !== undefined) return error;
  const notSent = error instanceof NotSentError;
  const outcome = notSent ? 'not_sent' : isAborted(error) ? 'aborted' : 'unknown';
  await exchange.log
    .appendOutcome(recorded.mid, 'out', outcome)
    .catch((failed: unknown) => exchange.failed('outcome', failed, { message: recorded.mid }));
  return notSent ? error : ExchangeFailure.of(error, 'consumer-server', recorded.mid);
}

/** Of streamed bodies nothing is kept that no entry holds, and a closing that was held back does not leave. */
async function giveUp(
  whole: Whole<SealedRequest> | undefined,
  opened: OpenedReply | undefined,
): Promise<void> {
  whole?.transfer?.abort();
  if (whole?.body instanceof SpooledBody) await whole.body.discard();
  if (opened?.kind === 'answer' && opened.body instanceof SpooledBody) await opened.body.discard();
}
