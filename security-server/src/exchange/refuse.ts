// A refusal under our signature, for a request whose own signature was proven (design §4.9). It is entered together
// with the request and names its place in the log; whatever a peer sends in excess is only counted.
import {
  codeOf,
  encodeRefusalEnvelope,
  memberOf,
  OncewayError,
  subsystemOf,
  uuidV7,
  type ErrorCode,
  type RefusalClaims,
} from '@onceway/sdk/protocol';
import { MESSAGE_LIFETIME_S } from '../limits.js';
import { aboutOf, materialsOf, type Exchange } from './exchange.js';
import { envelopeSigner, signMessageNow, type SignedMessage } from './sign-message.js';
import { TransferAbortedError } from './streamed-body.js';
import type { OpenedRequest, ProvenRequest, Reply } from './stages.js';

/** A request as far as its line came. */
type Proven = Pick<ProvenRequest, 'trust' | 'message' | 'peer' | 'signer'> &
  Partial<Pick<OpenedRequest, 'requestHead'>>;

/** Never entered and never signed: the first message of this id has its own entry and answer. */
const UNSIGNED: ReadonlySet<ErrorCode> = new Set([
  'message_replayed',
  'message_void',
  'log_unavailable',
  'broken',
]);

/** @throws what was to be refused, where it must stay unsigned */
export async function refuse(
  request: Proven,
  error: unknown,
  op: string | undefined,
  recordedIndex: number | undefined,
  exchange: Exchange,
): Promise<Reply> {
  const code = codeOf(error);
  if (UNSIGNED.has(code)) throw error;
  // What was accepted is in the log already, and its sender must learn what became of it.
  if (recordedIndex === undefined && !exchange.refusals.allow(request.peer.id))
    throw new OncewayError('busy', 'too many refusals of this peer', { cause: error, retrySeconds: 1 });
  const { trust, message, peer, signer } = request;
  const own = exchange.token.signingKey(memberOf(exchange.server));
  const rule = error instanceof OncewayError ? error.rule : undefined;
  const nowMs = exchange.clock();
  const random = exchange.randomBytes(10);
  const lines = request.requestHead?.lines ?? [];
  // Only members here have pseudonyms: an invented one must not make a key.
  const isHosted = trust.hosts(exchange.server, subsystemOf(message.claims.aud));
  let signed: SignedMessage | undefined;
  await exchange.log.appendRefusal(
    (index) => {
      const iat = Math.floor(nowMs / 1000);
      const claims: RefusalClaims = {
        v: 1,
        jti: uuidV7(nowMs, random),
        exp: iat + MESSAGE_LIFETIME_S,
        iss: memberOf(exchange.server),
        aud: message.claims.iss,
        server: exchange.server,
        to: message.claims.server,
        cfg: trust.reference,
        log: { ...exchange.log.promise(), index: recordedIndex ?? index },
        re: message.mid,
        ...(op === undefined ? {} : { op }),
        code,
        ...(rule === undefined ? {} : { rule }),
        retry: error instanceof OncewayError ? error.retrySeconds : null,
      };
      signed = signMessageNow(encodeRefusalEnvelope(envelopeSigner(own, iat), claims), own);
      return {
        entry: {
          type: 'refusal',
          dir: 'in',
          message: message.jws.compact,
          refusal: signed.envelope,
          peer: peer.id,
          cfg: trust.reference,
          chain: signer.chainDigests,
          ocsp: signer.status.digest,
          ...(rule === undefined ? {} : { rule }),
          about: isHosted ? aboutOf(exchange, lines, memberOf(message.claims.aud)) : [],
        },
        mid: signed.mid,
      };
    },
    message.mid,
    { materials: materialsOf(exchange, trust, signer, peer.id) },
  );
  if (signed === undefined) throw new TypeError('the log did not ask for the refusal');
  if (error instanceof TransferAbortedError) await exchange.log.appendOutcome(message.mid, 'in', 'aborted');
  return { kind: 'signed', envelope: signed.envelope, body: null };
}
