// Eighth step of the provider's line: may the answer still go out. Rights, members and servers may have changed while the
// service worked; an answer that is not sealed yet is refused (design §7).
import { memberOf, OncewayError, subsystemOf } from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import { stage, type Delivered, type Releasable } from './stages.js';

/** @throws {OncewayError} the codes of ConfigurationClient.current; `client_suspended`, `provider_unknown`,
 *  `service_unknown`, `service_disabled`, `access_denied` */
export function release(delivered: Delivered, exchange: Exchange): Releasable {
  const { accepted, result } = delivered;
  const { request } = accepted;
  const { iss, aud, server } = request.message.claims;
  const trust = exchange.configuration.current();
  if (!trust.isActive(iss) || !trust.hosts(server, iss))
    throw new OncewayError('client_suspended', `${iss} was suspended or removed while the service worked`);
  const provider = subsystemOf(aud);
  if (!trust.isActive(memberOf(provider)) || !trust.hosts(exchange.server, provider))
    throw new OncewayError(
      'provider_unknown',
      `${provider} was suspended or removed while its service worked`,
    );
  if (request.work.kind === 'service')
    exchange.directory.authorize({
      client: iss,
      service: aud,
      method: request.requestHead.method,
      path: request.path,
      groups: trust.groupsOf(iss),
    });
  return stage<Releasable>({ accepted, result, trust });
}
