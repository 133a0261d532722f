// Fifth step of the provider's line: does the provider allow this client this endpoint. Questions about services
// themselves (listMethods and the like) need no right.
import { memberOf, OncewayError, serviceParts, subsystemOf } from '@onceway/sdk/protocol';
import { metadata } from '../services/metadata.js';
import type { Exchange } from './exchange.js';
import { stage, type Authorized, type OpenedRequest, type Work } from './stages.js';

/** @throws {OncewayError} `provider_unknown`, `service_unknown`, `access_denied`, `service_disabled`,
 *  `request_target_invalid` */
export function authorize(request: OpenedRequest, exchange: Exchange): Authorized {
  const { claims } = request.message;
  const { method } = request.requestHead;
  const provider = subsystemOf(claims.aud);
  if (!request.trust.hosts(exchange.server, provider) || !request.trust.isActive(memberOf(provider)))
    throw new OncewayError('provider_unknown', `${provider} is not hosted here`);
  const groups = request.trust.groupsOf(claims.iss);
  const { serviceCode } = serviceParts(claims.aud);
  const answer = metadata(
    { method, serviceCode, query: request.query, provider, client: claims.iss, groups },
    exchange.directory,
  );
  if (answer !== undefined)
    return decided(
      request,
      { kind: 'metadata', answer },
      { rule: undefined, op: `${method} *`, right: undefined },
    );
  const decision = exchange.directory.authorize({
    client: claims.iss,
    service: claims.aud,
    method,
    path: request.path,
    groups,
  });
  const service = exchange.directory.find(claims.aud);
  if (service === undefined) throw new OncewayError('service_unknown', `${claims.aud} is not offered here`);
  return decided(request, { kind: 'service', service }, decision);
}

function decided(
  request: OpenedRequest,
  work: Work,
  { rule, op, right }: Pick<Authorized, 'rule' | 'op' | 'right'>,
): Authorized {
  const { peer, trust, message, signer, head, requestHead, path, query, body, salts } = request;
  return stage<Authorized>({
    peer,
    trust,
    message,
    signer,
    head,
    requestHead,
    path,
    query,
    body,
    salts,
    work,
    rule,
    op,
    right,
  });
}
