// `GET /exchange/{Exchange-Id}` of an information system: what became of its own request. Looks in the own log first;
// where it stayed open, asks the server that the request was sent to, and records what it says.
import type { MessageId } from '@onceway/schemas';
import {
  OncewayError,
  parseAnswerHead,
  parseDigest,
  parseRefusalEnvelope,
  parseRequestEnvelope,
  parseRequestHead,
  type HeadLine,
} from '@onceway/sdk/protocol';
import type { Channel } from '../clients/client-connections.js';
import { authenticateConnection, namedClient } from './authenticate.js';
import type { Exchange } from './exchange.js';
import { trustNow } from './exchange.js';
import { bind } from './bind.js';
import { ExchangeFailure } from './failure.js';
import { fetchOutcome } from './forward.js';
import { openReply } from './open-reply.js';
import { recordReply } from './record.js';
import { SpooledBody } from '../message-log/message-log.js';
import { stage, type Answer, type BoundReply, type Forwarded, type RequestOnRecord } from './stages.js';
import { closedOf, midOf } from './streamed-body.js';

/** @throws {ExchangeFailure} as the exchange itself: the refusal, `outcome_unknown`, or `not_recorded`, after which a
 *  new message may be sent; `not_found` where the request is not this client's; `client_not_authenticated` */
export async function askOwnOutcome(
  id: string,
  { lines, channel }: { readonly lines: readonly HeadLine[]; readonly channel: Channel },
  exchange: Exchange,
): Promise<Answer> {
  const given = parseDigest(id) as string as MessageId;
  const client = namedClient(lines);
  // Before the log is looked into: who does not prove to be this client learns nothing of what it sent.
  authenticateConnection(client, channel, exchange);
  const state = await exchange.log.exchange(given, 'out');
  if (state === undefined) throw new OncewayError('not_found', 'no such request was sent from here');
  const asked = parseRequestEnvelope(state.request.message);
  if (asked.claims.iss !== client) throw new OncewayError('not_found', 'another client sent it');
  const streamed = state.request.type === 'message' ? closedOf(state.request) : {};
  const mid = streamed.closed === undefined ? given : midOf(streamed.closed.closing);
  if (state.answer?.entry.type === 'refusal')
    throw ExchangeFailure.ofRefusal(parseRefusalEnvelope(state.answer.entry.refusal), mid);
  if (state.answer?.content !== undefined) {
    const { content } = state.answer;
    return {
      head: parseAnswerHead(content.head),
      body: content.body,
      requestId: mid,
      answerId: state.answer.mid,
    };
  }
  const trust = trustNow(exchange);
  const provider = trust.server(asked.claims.to);
  const content = await exchange.log.content(mid, 'out');
  if (provider === undefined || content === undefined)
    throw new ExchangeFailure('outcome_unknown', 'consumer-server', { requestId: mid });
  const reply = await fetchOutcome({ mid, provider, ...streamed }, trust, exchange);
  if (reply.status !== 200)
    throw new ExchangeFailure('outcome_unknown', 'provider-server', { requestId: mid });
  const request: RequestOnRecord = {
    ...content,
    ...streamed,
    mid,
    envelope: state.request.message,
    claims: asked.claims,
    client: asked.claims.iss,
    provider,
    requestHead: parseRequestHead(content.head),
  };
  const opened = await openReply(stage<Forwarded>({ request, reply, fetchedLater: true }), exchange);
  let bound: BoundReply;
  try {
    bound = bind(opened);
    await recordReply(bound, exchange);
  } catch (error) {
    if (opened.kind === 'answer' && opened.body instanceof SpooledBody) await opened.body.discard();
    throw error;
  }
  if (bound.kind === 'refusal') throw ExchangeFailure.ofRefusal(bound.message, mid);
  return { head: bound.answerHead, body: bound.body, requestId: mid, answerId: bound.message.mid };
}
