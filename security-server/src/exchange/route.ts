// Third step of the consumer's line: which service is meant, and which servers host it.
import type { SecurityServerId } from '@onceway/schemas';
import {
  OncewayError,
  readSecurityServerId,
  subsystemOf,
  targetService,
  lastValueOf,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { stage, type Authenticated, type Routed } from './stages.js';

// `CLASS/CODE` or `CODE`.
const REPRESENTED_PARTY = /^[^/]+(?:\/[^/]+)?$/;

/** @throws {OncewayError} `request_target_invalid`, `represented_party_invalid`, `security_server_invalid`,
 *  `provider_unknown` */
export function route(request: Authenticated, trust: TrustView): Routed {
  const { service } = targetService(request.target);
  const party = lastValueOf(request.lines, 'X-Road-Represented-Party');
  if (party !== undefined && !REPRESENTED_PARTY.test(party))
    throw new OncewayError('represented_party_invalid', 'X-Road-Represented-Party has too many parts');
  const hosts = trust.serversOf(subsystemOf(service));
  if (hosts.length === 0) throw new OncewayError('provider_unknown', `nobody hosts ${subsystemOf(service)}`);
  const { method, target, lines, body, client } = request;
  const candidates = preferred(hosts, pinned(request));
  return stage<Routed>({ method, target, lines, body, client, service, candidates });
}

function pinned(request: Authenticated): SecurityServerId | undefined {
  const named = lastValueOf(request.lines, 'X-Road-Security-Server');
  if (named === undefined) return undefined;
  try {
    return readSecurityServerId(named);
  } catch (cause) {
    throw new OncewayError('security_server_invalid', 'X-Road-Security-Server is no server', { cause });
  }
}

/** The pinned one alone; otherwise all, those in maintenance last. */
function preferred(
  hosts: readonly SecurityServerRecord[],
  pin: SecurityServerId | undefined,
): readonly SecurityServerRecord[] {
  if (pin === undefined)
    return [...hosts].sort(
      (a, b) => Number(a.maintenance !== undefined) - Number(b.maintenance !== undefined),
    );
  const host = hosts.find((candidate) => candidate.id === pin);
  if (host === undefined)
    throw new OncewayError('security_server_invalid', `${pin} does not host the provider`);
  return [host];
}
