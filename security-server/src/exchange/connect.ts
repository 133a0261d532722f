// Fourth step of the consumer's line: an open connection to the server that shall receive the message, because the
// envelope names it. Nothing is sent yet.
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from './exchange.js';
import { isWhole, stage, type Connected, type Routed } from './stages.js';

/** Tries the candidates in their order.
 *  @throws {OncewayError} what the last one failed with: `provider_unreachable`, `peer_not_authenticated`, `busy`,
 *  `certificate_*` */
export async function connect(request: Routed, trust: TrustView, exchange: Exchange): Promise<Connected> {
  let failed: unknown;
  for (const provider of request.candidates) {
    try {
      const connection = await exchange.peers.acquire(provider, trust, false, !isWhole(request));
      try {
        // A resumed session skips the handshake's checks: the certificate's status is judged for every message.
        await exchange.credentials.require(
          connection.certificate,
          'authentication',
          trust,
          exchange.sources.of(provider, trust),
        );
        const { method, target, lines, body, client, service } = request;
        return stage<Connected>({ method, target, lines, body, client, service, provider, connection });
      } catch (error) {
        exchange.peers.release(connection, false);
        throw error;
      }
    } catch (error) {
      if (codeOf(error) === 'broken') throw error;
      failed = error;
    }
  }
  if (failed instanceof Error) throw failed;
  throw new OncewayError('provider_unreachable', 'no candidate', { cause: failed });
}
