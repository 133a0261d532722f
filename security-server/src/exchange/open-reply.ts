// Opens what a peer replied: signer, listing, certificate, signature, commitments, time. That it belongs to this
// request is the next step's (bind.ts).
import {
  checkTime,
  decodeBase64url,
  OncewayError,
  parseAnswerEnvelope,
  parseAnswerHead,
  parseRefusalEnvelope,
  parseSalts,
  type AnswerClaims,
  type Envelope,
  type ErrorCode,
  type RefusalClaims,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { catchUp, checkContent, judgeConfiguration, proveSigner } from './prove.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import type { SpooledBody } from '../message-log/message-log.js';
import type { PeerReply } from '../transport/peer-reply.js';
import type { Credential } from '../trust/credentials.js';
import type { Exchange } from './exchange.js';
import { ExchangeFailure } from './failure.js';
import { forwardLater } from './forward.js';
import { stage, type Forwarded, type OpenedReply } from './stages.js';
import { takeStream, TransferAbortedError } from './streamed-body.js';

const OK = 200;

/** @throws {OncewayError} the codes of ConfigurationClient.current, `peer_refused` (an unsigned status), `answer_invalid`
 *  with the reason as cause
 *  @throws {ExchangeFailure} `busy` of the peer */
export async function openReply(forwarded: Forwarded, exchange: Exchange): Promise<OpenedReply> {
  try {
    return await openOnce(forwarded, exchange);
  } catch (error) {
    forwarded.reply.following?.close();
    // A streamed answer that broke off may be whole on the other side, and is asked for once.
    if (forwarded.fetchedLater || !hasBrokenOff(error)) throw error;
    const trust = exchange.configuration.current();
    return openOnce(await forwardLater(forwarded.request, trust, exchange, error), exchange);
  }
}

function hasBrokenOff(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof TransferAbortedError && cause.code === 'body_aborted';
}

async function openOnce(forwarded: Forwarded, exchange: Exchange): Promise<OpenedReply> {
  const { request, reply } = forwarded;
  // The one in force now: the service may have taken minutes.
  const trust = exchange.configuration.current();
  if (isBusy(reply))
    throw new ExchangeFailure('busy', 'provider-server', { ...retryOf(reply), requestId: request.mid });
  if (reply.status !== OK)
    throw new OncewayError('peer_refused', `${request.provider.id} answered ${reply.status}, unsigned`, {
      ...retryOf(reply),
    });
  try {
    // A refusal has no head. Which of the two it is says the signed type; this only chooses what is expected.
    return reply.headers['exchange-head'] === undefined
      ? await openRefusal(forwarded, trust, exchange)
      : await openAnswer(forwarded, trust, exchange);
  } catch (cause) {
    throw new OncewayError('answer_invalid', `the reply of ${request.provider.id} does not verify`, {
      cause,
    });
  }
}

/** Whether a peer had no place for the message, as it says unsigned: no evidence either, but another thing to mend. */
function isBusy({ status, headers, body }: PeerReply): boolean {
  if (status !== 503 || headers['content-type'] !== 'application/problem+json') return false;
  try {
    return (JSON.parse(body.toString()) as { code?: unknown } | null)?.code === ('busy' satisfies ErrorCode);
  } catch {
    return false;
  }
}

/** When to come back, as a busy peer says: no evidence, only a courtesy that is passed on. */
function retryOf({ headers }: PeerReply): { readonly retrySeconds?: number } {
  const retry = headers['retry-after'];
  return typeof retry === 'string' && /^[1-9]\d{0,2}$/.test(retry) ? { retrySeconds: Number(retry) } : {};
}

async function openAnswer(forwarded: Forwarded, trust: TrustView, exchange: Exchange): Promise<OpenedReply> {
  const { request, reply } = forwarded;
  const message = parseAnswerEnvelope(field(forwarded, 'exchange-message'));
  const { signer, trust: decidedBy } = await prove(message, forwarded, trust, exchange);
  const salts = parseSalts(field(forwarded, 'exchange-salt'));
  const head = decodeBase64url(field(forwarded, 'exchange-head'));
  const body = reply.following ?? (reply.body.length === 0 ? null : reply.body);
  checkContent(message.claims, salts, head, body);
  const answerHead = parseAnswerHead(head);
  if (body instanceof ArrivingBody) {
    const streamed = await takeStream(body, message, signer, salts.body, exchange);
    return stage<OpenedReply>({
      kind: 'answer',
      request,
      ...(await proveAgain(message, forwarded, streamed.body, exchange)),
      message: { ...message, mid: streamed.mid },
      head,
      answerHead,
      body: streamed.body,
      salts,
      closed: streamed.closed,
    });
  }
  return stage<OpenedReply>({
    kind: 'answer',
    request,
    signer,
    trust: decidedBy,
    message,
    head,
    answerHead,
    body,
    salts,
  });
}

/** Whoever signed the opening may still sign when the closing has come, hours later: the entry names what is in force when
 *  it is made, or nobody could prove later that the certificate was good then. */
async function proveAgain(
  message: Envelope<AnswerClaims>,
  { request }: Forwarded,
  body: SpooledBody,
  exchange: Exchange,
): Promise<{ readonly signer: Credential; readonly trust: TrustView }> {
  try {
    const trust = exchange.configuration.current();
    return { signer: await proveSigner(message, request.provider, trust, exchange), trust };
  } catch (error) {
    await body.discard();
    throw error;
  }
}

async function openRefusal(forwarded: Forwarded, trust: TrustView, exchange: Exchange): Promise<OpenedReply> {
  const message = parseRefusalEnvelope(field(forwarded, 'exchange-message'));
  const proven = await prove(message, forwarded, trust, exchange);
  return stage<OpenedReply>({ kind: 'refusal', request: forwarded.request, ...proven, message });
}

async function prove(
  message: Envelope<AnswerClaims | RefusalClaims>,
  { request, fetchedLater }: Forwarded,
  known: TrustView,
  exchange: Exchange,
): Promise<{ readonly signer: Credential; readonly trust: TrustView }> {
  const trust = await catchUp(message.claims, request.provider, known, exchange);
  const signer = await proveSigner(message, request.provider, trust, exchange);
  judgeConfiguration(message.claims, exchange);
  checkTime(message, exchange.clock(), trust.policy.clockSkewMs, { fetched: fetchedLater });
  return { signer, trust };
}

function field(forwarded: Forwarded, name: string): string {
  const value = forwarded.reply.headers[name];
  if (typeof value !== 'string') throw new OncewayError('envelope_invalid', `${name} is not there once`);
  return value;
}
