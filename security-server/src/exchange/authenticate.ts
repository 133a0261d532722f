// Second step of the consumer's line: which client is speaking, is it registered here, and does its connection prove it
// as its administrator wants. Trust is looked up for each request: a connection or a resumed session remembers none.
import type { ClientId } from '@onceway/schemas';
import { OncewayError, readClientId, lastValueOf, type HeadLine } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Channel } from '../clients/client-connections.js';
import type { Exchange } from './exchange.js';
import { stage, type Authenticated, type Identified } from './stages.js';

/** @throws {OncewayError} `client_missing`, `identifier_invalid`, `client_unknown`, `client_not_authenticated`,
 *  `client_suspended` */
export function authenticate(
  received: Identified,
  trust: TrustView,
  exchange: Pick<Exchange, 'server' | 'connections' | 'clock'>,
): Authenticated {
  const client = namedClient(received.lines);
  if (!trust.hosts(exchange.server, client))
    throw new OncewayError('client_unknown', `${client} is not registered on ${exchange.server}`);
  authenticateConnection(client, received.channel, exchange);
  if (!trust.isActive(client))
    throw new OncewayError('client_suspended', `the member of ${client} is suspended`);
  const { method, target, lines, body } = received;
  return stage<Authenticated>({ method, target, lines, body, client });
}

/** X-Road: the last one wins when it is repeated. @throws {OncewayError} `client_missing`, `identifier_invalid` */
export function namedClient(lines: readonly HeadLine[]): ClientId {
  const named = lastValueOf(lines, 'X-Road-Client');
  if (named === undefined) throw new OncewayError('client_missing', 'no X-Road-Client');
  return readClientId(named);
}

/** @throws {OncewayError} `client_not_authenticated`, with the connection type as rule */
export function authenticateConnection(
  client: ClientId,
  channel: Channel,
  { connections, clock }: Pick<Exchange, 'connections' | 'clock'>,
): void {
  const { type, certificates } = connections.of(client);
  if (type === 'http') return;
  const refuse = (why: string): never => {
    throw new OncewayError('client_not_authenticated', `${client} is set to ${type}: ${why}`, {
      rule: `connection: ${type}`,
    });
  };
  if (!channel.tls) return refuse('the connection is plain HTTP');
  if (type === 'https') return;
  if (channel.certificate === undefined) return refuse('no certificate was shown');
  const certificate = certificates.get(channel.certificate);
  if (certificate === undefined) return refuse(`certificate ${channel.certificate} is not one of its own`);
  const nowS = clock() / 1000;
  if (nowS < certificate.from || nowS >= certificate.until)
    return refuse(`certificate ${channel.certificate} is not valid at this time`);
}
