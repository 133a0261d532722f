// Who is calling and for what, from the header lines that the exchange delivers with a request. They are proven by
// the provider's own security server, which alone may reach the service: listen on loopback, or let nobody else in.
import type { IncomingMessage } from 'node:http';
import type { ClientId } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { readClientId } from '../protocol/identifiers.js';

export interface Caller {
  /** The subsystem that signed the request. */
  readonly client: ClientId;
  /** `X-Road-Id`: the caller's own id of this call. */
  readonly xRoadId: string;
  /** `X-Road-Request-Id`, made by the caller's security server. */
  readonly requestId: string;
  /** The person who asks, as the caller says: `<type>:<id>`. */
  readonly userId: string | undefined;
  /** The case, as the caller says. */
  readonly issue: string | undefined;
  /** Whom it is about (`Data-Subject`): `<type>:<id>`. */
  readonly subject: string | undefined;
  /** What for (`Data-Purpose`). */
  readonly purpose: string | undefined;
  readonly representedParty: string | undefined;
}

/** @throws {OncewayError} `client_missing` (the request did not come over the exchange), `identifier_invalid` */
export function caller(request: Pick<IncomingMessage, 'headers'>): Caller {
  const line = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const client = line('x-road-client');
  const xRoadId = line('x-road-id');
  const requestId = line('x-road-request-id');
  if (client === undefined || xRoadId === undefined || requestId === undefined)
    throw new OncewayError('client_missing', 'the request did not come over the exchange');
  return {
    client: readClientId(client),
    xRoadId,
    requestId,
    userId: line('x-road-userid'),
    issue: line('x-road-issue'),
    subject: line('data-subject'),
    purpose: line('data-purpose'),
    representedParty: line('x-road-represented-party'),
  };
}
