// First step of the provider's line: which security server is at the other end. Judged for every message by the
// connection's certificate, because a TLS session may be resumed and trust may not.
import { OncewayError } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from './exchange.js';
import { stage, type FromServer, type ReceivedMessage } from './stages.js';

/** @throws {OncewayError} `peer_not_authenticated`, `certificate_*` */
export async function authenticateServer(
  received: ReceivedMessage,
  trust: TrustView,
  exchange: Exchange,
): Promise<FromServer> {
  const peer = trust.serverOfCertificate(received.certificate, exchange.clock());
  if (peer === undefined)
    throw new OncewayError('peer_not_authenticated', `no server is listed with ${received.certificate}`);
  await exchange.credentials.require(
    received.certificate,
    'authentication',
    trust,
    exchange.sources.of(peer, trust),
  );
  const { certificate, envelope, head, salts, body, response } = received;
  return stage<FromServer>({ certificate, envelope, head, salts, body, response, peer });
}
