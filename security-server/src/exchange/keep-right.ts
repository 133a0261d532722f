// The right on which a provider decided, for the consumer's log (design §4.5): one that the log does not hold is fetched
// from the peer that named it, proven, and entered. Beside the exchange: no answer waits for it.
import type { Digest } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import { appendRight, proveRight } from './prove-right.js';
import type { BoundReply } from './stages.js';

/** Never rejects: a right that can not be had is told to the operator, and asked for with a later answer. */
export async function keepRight(reply: BoundReply, exchange: Exchange): Promise<void> {
  if (reply.kind === 'refusal') return;
  const { right } = reply.message.claims;
  if (right === undefined) return;
  await exchange.rights
    .once(right, exchange.log, () => enterRight(right, reply, exchange))
    .catch((error: unknown) => exchange.failed('right', error, { right, peer: reply.request.provider.id }));
}

async function enterRight(
  digest: Digest,
  { request, message, trust }: BoundReply,
  exchange: Exchange,
): Promise<void> {
  // Of a service on this server: entered when it was granted.
  if (exchange.directory.right(digest) !== undefined) return;
  const { provider } = request;
  const signed = await exchange.sources.right(provider, trust, digest);
  const right = await proveRight(signed, provider, trust, exchange);
  if (right.digest !== digest) throw new OncewayError('envelope_invalid', 'the right shown is another one');
  if (right.claims.provider !== message.claims.iss)
    throw new OncewayError('envelope_invalid', 'not a right of this provider');
  await exchange.rights.enter(right, exchange.log, () => appendRight(right, exchange));
}
