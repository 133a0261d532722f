// The right on which a provider decided, for the consumer's log (design §4.5): one that the log does not hold is fetched
// from the peer that named it, proven, and entered. Beside the exchange: no answer waits for it.
import type { Digest } from '@onceway/schemas';
import {
  digestOf,
  memberOf,
  OncewayError,
  parseJws,
  parseMessageHeader,
  parseRight,
  verifySignature,
} from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import type { BoundReply } from './stages.js';

/** Never rejects: a right that can not be had is asked for with a later answer. */
export async function keepRight(reply: BoundReply, exchange: Exchange): Promise<void> {
  if (reply.kind === 'refusal') return;
  const { right } = reply.message.claims;
  if (right === undefined) return;
  await exchange.rights
    .once(right, exchange.log, () => enterRight(right, reply, exchange))
    .catch(() => undefined);
}

async function enterRight(
  digest: Digest,
  { request, message, trust }: BoundReply,
  exchange: Exchange,
): Promise<void> {
  // Of a service on this server: entered when it was granted.
  if (exchange.directory.right(digest) !== undefined) return;
  const { provider } = request;
  const right = await exchange.sources.right(provider, trust, digest);
  if (digestOf(Buffer.from(right)) !== digest)
    throw new OncewayError('envelope_invalid', 'the right shown is another one');
  const jws = parseJws(right);
  const { typ, 'x5t#S256': certificate } = parseMessageHeader(jws.header);
  const claims = parseRight(jws.payload);
  if (typ !== 'right+jws' || claims.provider !== message.claims.iss)
    throw new OncewayError('envelope_invalid', 'not a right of this provider');
  const member = memberOf(claims.provider);
  const listed = trust.signingListing(member, provider.id, certificate, exchange.clock());
  if (listed === undefined) throw new OncewayError('signer_not_listed', 'the right is signed by another');
  const signer = await exchange.credentials.require(
    certificate,
    'signing',
    trust,
    exchange.sources.of(provider, trust),
  );
  verifySignature(jws, signer.key, listed.alg);
  await exchange.log.appendMaterials(signer.materials);
  await exchange.log.appendToServerLog({ type: 'right', right });
}
