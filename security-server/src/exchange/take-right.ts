// `POST /rights` of a peer: a right that a provider on it decided on for one of our clients. Entered in our log, so that
// we too can prove what was allowed; the provider's own entry is what decides.
import type { Digest } from '@onceway/schemas';
import { OncewayError, type RightClaims } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { authenticateServer } from './authenticate-server.js';
import { trustNow, type Exchange } from './exchange.js';
import { appendRight, proveRight } from './prove-right.js';

/** Durable when it resolves. The same right again changes nothing.
 *  @throws {OncewayError} `peer_not_authenticated`, `busy`, `client_unknown`, `conflict`, `log_unavailable`, and the codes
 *  of proveRight */
export async function takeRight(
  signed: Buffer | null,
  certificate: Digest,
  exchange: Exchange,
): Promise<void> {
  const trust = trustNow(exchange);
  const nothing = { envelope: undefined, head: undefined, salts: undefined, body: null };
  const { peer } = await authenticateServer({ certificate, ...nothing }, trust, exchange);
  if (!exchange.pushes.allow(peer.id))
    throw new OncewayError('busy', `too many rights of ${peer.id}`, { retrySeconds: 1 });
  const right = await proveRight(signed?.toString('latin1') ?? '', peer, trust, exchange);
  if (!isForUs(right.claims, trust, exchange))
    throw new OncewayError('client_unknown', `no client here is ${JSON.stringify(right.claims.consumer)}`);
  await exchange.rights.enterNext(right, exchange.log, () => appendRight(right, exchange));
}

/** Who is in a provider's own group only its server knows. */
function isForUs({ consumer }: RightClaims, trust: TrustView, { server }: Exchange): boolean {
  const clients = trust.server(server)?.clients ?? [];
  if ('client' in consumer) return clients.some((client) => client === consumer.client);
  if ('group' in consumer) return clients.some((client) => trust.groupsOf(client).has(consumer.group));
  return clients.length > 0;
}
