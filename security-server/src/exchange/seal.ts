// Seals a request and an answer: head in its final octets, commitments under fresh salts, envelope under the member's
// signature. Nothing is kept and nothing sent here.
import {
  commit,
  encodeAnswerEnvelope,
  encodeAnswerHead,
  encodeRequestEnvelope,
  encodeRequestHead,
  formUseOf,
  memberOf,
  purposeOf,
  SALT_BYTES,
  subsystemOf,
  uuidV7,
  lastValueOf,
  OncewayError,
  type AnswerClaims,
  type RequestClaims,
  type RequestHead,
  type Salts,
  type Written,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { MESSAGE_LIFETIME_S } from '../limits.js';
import type { Exchange } from './exchange.js';
import { hashOfRequest } from './streamed-body.js';
import { envelopeSigner, signMessage } from './sign-message.js';
import {
  stage,
  type AnyBody,
  type Connected,
  type Releasable,
  type SealedAnswer,
  type SealedRequest,
} from './stages.js';

// W3C Trace Context, version 00.
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** @throws {OncewayError} `signing_key_unavailable`, `head_invalid`, `head_too_large`, `purpose_invalid`,
 *  `form_invalid` */
export async function sealRequest(
  request: Connected,
  trust: TrustView,
  exchange: Exchange,
): Promise<SealedRequest> {
  const signer = exchange.token.signingKey(memberOf(request.client));
  const nowMs = exchange.clock();
  const requestHead: RequestHead = {
    method: request.method,
    target: request.target,
    lines: request.lines,
  };
  const head = encodeRequestHead(requestHead);
  const salts = freshSalts(exchange, request.body);
  const purpose = purposeOf(requestHead.lines);
  const form = formUseOf(requestHead.lines);
  const trace = lastValueOf(requestHead.lines, 'traceparent');
  const iat = Math.floor(nowMs / 1000);
  const claims: Written<RequestClaims> = {
    v: 1,
    jti: uuidV7(nowMs, exchange.randomBytes(10)),
    exp: iat + MESSAGE_LIFETIME_S,
    iss: request.client,
    aud: request.service,
    server: exchange.server,
    to: request.provider.id,
    trace: trace !== undefined && TRACEPARENT.test(trace) ? trace : undefined,
    cfg: trust.reference,
    log: exchange.log.promise(),
    head: { digest: commit(salts.head, head) },
    body: bodyClaim(salts, request.body),
    purpose,
    form,
  };
  const { envelope, mid } = await signMessage(
    encodeRequestEnvelope(envelopeSigner(signer, iat), claims),
    signer,
  );
  const { client, provider, connection, body } = request;
  return stage<SealedRequest>({
    mid,
    envelope,
    head,
    body,
    salts,
    client,
    provider,
    claims,
    requestHead,
    connection,
    signer,
  });
}

/** @throws {OncewayError} `signing_key_unavailable`, `service_answer_invalid` */
export async function sealAnswer(released: Releasable, exchange: Exchange): Promise<SealedAnswer> {
  const { accepted, result, trust } = released;
  const { request, index } = accepted;
  const asked = request.message.claims;
  const signer = exchange.token.signingKey(memberOf(asked.aud));
  const nowMs = exchange.clock();
  const head = answerHead(released);
  const salts = freshSalts(exchange, result.body);
  const iat = Math.floor(nowMs / 1000);
  const { origin, size, root } = exchange.log.promise();
  const claims: Written<AnswerClaims> = {
    v: 1,
    jti: uuidV7(nowMs, exchange.randomBytes(10)),
    exp: iat + MESSAGE_LIFETIME_S,
    iss: subsystemOf(asked.aud),
    aud: asked.iss,
    server: exchange.server,
    to: asked.server,
    trace: asked.trace,
    cfg: trust.reference,
    log: { origin, size, root, index },
    head: { digest: commit(salts.head, head) },
    body: bodyClaim(salts, result.body),
    re: request.message.mid,
    op: request.op,
    right: request.right,
  };
  const { envelope, mid } = await signMessage(
    encodeAnswerEnvelope(envelopeSigner(signer, iat), claims),
    signer,
  );
  return stage<SealedAnswer>({ mid, envelope, head, body: result.body, salts, request, trust, signer });
}

/** X-Road's five lines follow the service's own, in this order and case. */
function answerHead({ accepted: { request }, result }: Releasable): Buffer {
  const asked = request.message.claims;
  const value = (name: string): string => lastValueOf(request.requestHead.lines, name) ?? '';
  try {
    return encodeAnswerHead({
      status: result.status,
      lines: [
        ...result.lines,
        ['x-road-id', value('x-road-id')],
        ['x-road-client', asked.iss],
        ['x-road-service', asked.aud],
        ['x-road-request-id', value('x-road-request-id')],
        ['x-road-request-hash', hashOfRequest(request.head, request.body)],
      ],
    });
  } catch (cause) {
    throw new OncewayError('service_answer_invalid', 'the head of the answer can not be carried', { cause });
  }
}

function freshSalts(exchange: Exchange, body: AnyBody): Salts {
  const octets = exchange.randomBytes(body === null ? SALT_BYTES : 2 * SALT_BYTES);
  return { head: octets.subarray(0, SALT_BYTES), body: body === null ? null : octets.subarray(SALT_BYTES) };
}

function bodyClaim(salts: Salts, body: AnyBody): RequestClaims['body'] {
  if (body === null || salts.body === null) return null;
  return body instanceof Uint8Array ? { digest: commit(salts.body, body) } : { follows: true };
}
