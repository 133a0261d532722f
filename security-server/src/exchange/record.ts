// The four records of an exchange. Each resolves when entry and content are on stable storage: from then on this
// server can prove what it asked, was asked, answered or was answered. Before that, nothing goes on.
import { memberOf } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { aboutOf, materialsOf, ownCredential, type Exchange } from './exchange.js';
import {
  stage,
  type Accepted,
  type Authorized,
  type BoundReply,
  type RecordedAnswer,
  type RecordedRequest,
  type SealedAnswer,
  type SealedRequest,
  type Whole,
} from './stages.js';

/** The consumer's request. A crash after it: at the next start it gets an outcome entry, and its outcome is asked.
 *  @throws {OncewayError} `log_unavailable`, `certificate_*` (own status) */
export async function recordRequest(
  sealed: Whole<SealedRequest>,
  trust: TrustView,
  exchange: Exchange,
): Promise<RecordedRequest> {
  const signer = await ownCredential(exchange, sealed.signer.certificateDigest, trust);
  await exchange.log.appendRequest(
    {
      type: 'message',
      dir: 'out',
      message: sealed.envelope,
      closing: sealed.closed?.closing,
      peer: sealed.provider.id,
      cfg: trust.reference,
      chain: signer.chainDigests,
      ocsp: signer.status.digest,
      about: aboutOf(exchange, sealed.requestHead.lines, memberOf(sealed.client)),
    },
    sealed.mid,
    {
      content: sealed,
      materials: materialsOf(exchange, trust, signer, sealed.provider.id),
      opening: sealed.closed?.opening,
    },
  );
  return stage<RecordedRequest>(sealed);
}

/** What came back to the consumer. A crash before it: the answer is asked for again.
 *  @throws {OncewayError} `log_unavailable` */
export async function recordReply(bound: BoundReply, exchange: Exchange): Promise<void> {
  const { request, signer, trust } = bound;
  const common = {
    peer: request.provider.id,
    cfg: trust.reference,
    chain: signer.chainDigests,
    ocsp: signer.status.digest,
    about: aboutOf(exchange, request.requestHead.lines, memberOf(request.client)),
  } as const;
  const materials = materialsOf(exchange, trust, signer, request.provider.id);
  if (bound.kind === 'refusal') {
    await exchange.log.appendRefusal(
      () => ({
        entry: {
          type: 'refusal',
          dir: 'out',
          ...common,
          message: request.envelope,
          refusal: bound.message.jws.compact,
          ...(bound.message.claims.rule === undefined ? {} : { rule: bound.message.claims.rule }),
        },
        mid: bound.message.mid,
      }),
      request.mid,
      { materials },
    );
    return;
  }
  await exchange.log.appendAnswer(
    {
      type: 'message',
      dir: 'in',
      ...common,
      message: bound.message.jws.compact,
      closing: bound.closed?.closing,
    },
    bound.message.mid,
    request.mid,
    { content: bound, materials },
  );
}

/** The provider's request, before the service is called. A crash after it: the consumer is told outcome_unknown.
 *  @throws {OncewayError} `log_unavailable`, `message_void` */
export async function recordAccepted(request: Whole<Authorized>, exchange: Exchange): Promise<Accepted> {
  const { index } = await exchange.log.appendRequest(
    {
      type: 'message',
      dir: 'in',
      message: request.message.jws.compact,
      closing: request.closed?.closing,
      peer: request.peer.id,
      cfg: request.trust.reference,
      chain: request.signer.chainDigests,
      ocsp: request.signer.status.digest,
      rule: request.rule,
      about: aboutOf(exchange, request.requestHead.lines, memberOf(request.message.claims.aud)),
    },
    request.message.mid,
    {
      content: request,
      materials: materialsOf(exchange, request.trust, request.signer, request.peer.id),
      opening: request.closed?.opening,
    },
  );
  return stage<Accepted>({ request, index });
}

/** The provider's answer, before it leaves. A crash after it: the consumer fetches it, octet for octet.
 *  @throws {OncewayError} `log_unavailable`, `certificate_*` (own status) */
export async function recordAnswer(sealed: Whole<SealedAnswer>, exchange: Exchange): Promise<RecordedAnswer> {
  const { request, trust } = sealed;
  const signer = await ownCredential(exchange, sealed.signer.certificateDigest, trust);
  await exchange.log.appendAnswer(
    {
      type: 'message',
      dir: 'out',
      message: sealed.envelope,
      closing: sealed.closed?.closing,
      peer: request.peer.id,
      cfg: trust.reference,
      chain: signer.chainDigests,
      ocsp: signer.status.digest,
      about: aboutOf(exchange, request.requestHead.lines, memberOf(request.message.claims.aud)),
    },
    sealed.mid,
    request.message.mid,
    { content: sealed, materials: materialsOf(exchange, trust, signer, request.peer.id) },
  );
  return stage<RecordedAnswer>(sealed);
}
