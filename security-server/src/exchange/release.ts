// Eighth step of the provider's line: may the answer still go out. Rights, members and servers may have changed while the
// service worked; an answer that is not sealed yet is refused (design §7).
import { memberOf, OncewayError, subsystemOf } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from './exchange.js';
import { stage, type Authorized, type Delivered, type Releasable } from './stages.js';

/** @throws {OncewayError} the codes of ConfigurationClient.current; `client_suspended`, `provider_unknown`,
 *  `service_unknown`, `service_disabled`, `access_denied` */
export function release(delivered: Delivered, exchange: Exchange): Releasable {
  const { accepted, result } = delivered;
  return stage<Releasable>({ accepted, result, trust: standNow(accepted.request, exchange) });
}

/** The configuration in force, by which what was authorised some time ago is authorised still.
 *  @throws {OncewayError} as `release` */
export function standNow(request: Authorized, exchange: Exchange): TrustView {
  const { iss, aud, server } = request.message.claims;
  const trust = exchange.configuration.current();
  if (!trust.isActive(iss) || !trust.hosts(server, iss))
    throw new OncewayError('client_suspended', `${iss} was suspended or removed meanwhile`);
  const provider = subsystemOf(aud);
  if (!trust.isActive(memberOf(provider)) || !trust.hosts(exchange.server, provider))
    throw new OncewayError('provider_unknown', `${provider} was suspended or removed meanwhile`);
  if (request.work.kind === 'service')
    exchange.directory.authorize({
      client: iss,
      service: aud,
      method: request.requestHead.method,
      path: request.path,
      groups: trust.groupsOf(iss),
    });
  return trust;
}
