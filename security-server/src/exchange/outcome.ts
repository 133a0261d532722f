// What became of an earlier request: `GET /exchange/{mid}` of a peer (design §3). One of four: the recorded answer,
// octet for octet; still running; a signed refusal outcome_unknown; a signed refusal not_recorded, and only after it
// is durable that the request will never be taken.
import type { MessageId } from '@onceway/schemas';
import {
  CLOCK_SKEW_MS_MAX,
  encodeRefusalEnvelope,
  memberOf,
  MESSAGE_LIFETIME_S_MAX,
  OncewayError,
  parseRequestEnvelope,
  uuidV7,
  type RefusalClaims,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { MESSAGE_LIFETIME_S } from '../limits.js';
import type { ExchangeState } from '../message-log/message-log.js';
import { trustNow, type Exchange } from './exchange.js';
import { authenticateServer } from './authenticate-server.js';
import { closedOf, midOf } from './streamed-body.js';
import { envelopeSigner, signMessage } from './sign-message.js';
import type { ReceivedMessage, Reply } from './stages.js';

/** @throws {OncewayError} `not_found` where the request is another server's, `peer_not_authenticated`, … */
export async function outcome(mid: MessageId, received: ReceivedMessage, exchange: Exchange): Promise<Reply> {
  const trust = trustNow(exchange);
  const { peer } = await authenticateServer(received, trust, exchange);
  const sender = exchange.running.senderOf(mid);
  if (sender === peer.id) return { kind: 'running' };
  // Only the server that sent it may know, and only it may have it declared void.
  if (sender !== undefined) throw new OncewayError('not_found', `${peer.id} did not send this`);
  const state = await exchange.log.exchange(mid, 'in');
  // Who is served is known by its opening; asked for by its closing it is the same.
  if (state?.request.type === 'message' && state.request.closing !== undefined)
    if (exchange.running.senderOf(midOf(state.request.message)) === peer.id) return { kind: 'running' };
  if (state !== undefined) return known(state, peer, trust, exchange, mid);
  // Each is a durable row and a signature: no peer may ask for them without end.
  if (!exchange.refusals.allow(peer.id))
    throw new OncewayError('busy', `${peer.id} asks for too many outcomes`, { retrySeconds: 1 });
  // The request can not be accepted any more once its lifetime is over, whenever it was made.
  const untilMs = exchange.clock() + MESSAGE_LIFETIME_S_MAX * 1000 + CLOCK_SKEW_MS_MAX;
  if ((await exchange.log.declareNotRecorded(mid, untilMs)) === 'recorded') return { kind: 'running' };
  return refusal('not_recorded', mid, undefined, memberOf(peer.id), peer, trust, exchange);
}

async function known(
  state: ExchangeState,
  peer: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
  mid: MessageId,
): Promise<Reply> {
  const asked = parseRequestEnvelope(state.request.message);
  if (asked.claims.server !== peer.id) throw new OncewayError('not_found', `${peer.id} did not send this`);
  const { answer } = state;
  if (answer?.entry.type === 'refusal') return { kind: 'signed', envelope: answer.entry.refusal, body: null };
  if (answer?.content !== undefined) {
    const { head, salts, body } = answer.content;
    return { kind: 'signed', envelope: answer.entry.message, head, salts, body, ...closedOf(answer.entry) };
  }
  return refusal('outcome_unknown', mid, state.requestIndex, asked.claims.iss, peer, trust, exchange);
}

async function refusal(
  code: 'outcome_unknown' | 'not_recorded',
  re: MessageId,
  index: number | undefined,
  aud: RefusalClaims['aud'],
  peer: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
): Promise<Reply> {
  const nowMs = exchange.clock();
  const iat = Math.floor(nowMs / 1000);
  const claims: RefusalClaims = {
    v: 1,
    jti: uuidV7(nowMs, exchange.randomBytes(10)),
    exp: iat + MESSAGE_LIFETIME_S,
    iss: memberOf(exchange.server),
    aud,
    server: exchange.server,
    to: peer.id,
    cfg: trust.reference,
    log: { ...exchange.log.promise(), ...(index === undefined ? {} : { index }) },
    re,
    code,
    retry: null,
  };
  const signer = exchange.token.signingKey(memberOf(exchange.server));
  const { envelope } = await signMessage(encodeRefusalEnvelope(envelopeSigner(signer, iat), claims), signer);
  return { kind: 'signed', envelope, body: null };
}
