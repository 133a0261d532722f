// Second step of the consumer's line: which client is speaking, and is it registered here.
import type { SecurityServerId } from '@onceway/schemas';
import { OncewayError, readClientId, valuesOf } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { stage, type Authenticated, type Identified } from './stages.js';

/** @throws {OncewayError} `client_missing`, `identifier_invalid`, `client_unknown`, `client_suspended` */
export function authenticate(
  received: Identified,
  trust: TrustView,
  server: SecurityServerId,
): Authenticated {
  // X-Road: the last one wins when it is repeated.
  const named = valuesOf(received.lines, 'X-Road-Client').at(-1);
  if (named === undefined) throw new OncewayError('client_missing', 'no X-Road-Client');
  const client = readClientId(named);
  if (!trust.hosts(server, client))
    throw new OncewayError('client_unknown', `${client} is not registered on ${server}`);
  if (!trust.isActive(client))
    throw new OncewayError('client_suspended', `the member of ${client} is suspended`);
  const { method, target, lines, body } = received;
  return stage<Authenticated>({ method, target, lines, body, client });
}
