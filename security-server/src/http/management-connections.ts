// Management operations about the way between information systems and this server: connection types, their certificates,
// and the certificate that the server shows them.
import { randomBytes } from 'node:crypto';
import type { ClientId } from '@onceway/schemas';
import { OncewayError, parseClientId, parseDigest } from '@onceway/sdk/protocol';
import type { ClientConnections, ConnectionType } from '../clients/client-connections.js';
import { makeInternalKey } from '../keys/self-signed.js';
import type { SoftwareToken } from '../keys/software-token.js';
import type { Call, Handlers } from './management-interface.js';

export interface ConnectionParts {
  readonly connections: ClientConnections;
  readonly token: SoftwareToken;
  readonly clock: () => number;
}

/** @param isKnown whether the client is registered here, or asked for: a slip would protect nobody */
export function connectionHandlers(
  { connections, token, clock }: ConnectionParts,
  isKnown: (client: ClientId) => boolean,
): Handlers {
  const clientOf = ({ parameters }: Call, isHere = isKnown): ClientId => {
    const client = parseClientId(String(parameters['client']));
    if (!isHere(client))
      throw new OncewayError('client_unknown', `${client} is no client of this server`, {
        rule: `${client} is neither registered here nor asked for`,
      });
    return client;
  };
  return {
    setConnection: (call) => {
      const client = clientOf(call);
      const { connection } = call.body as { connection: ConnectionType };
      call.about(`${client}: ${connection}`);
      connections.setType(client, connection);
      return { client, connection };
    },
    // Also of a client that was removed from here: should it come back, they let it in again.
    listClientCertificates: (call) => {
      const client = clientOf(call, (asked) => isKnown(asked) || connections.list().has(asked));
      return [...connections.of(client).certificates.values()];
    },
    addClientCertificate: (call) => {
      const client = clientOf(call);
      const { certificate } = call.body as { certificate: string };
      const added = connections.addCertificate(client, certificate);
      call.about(`${client}: ${added.digest}`);
      call.response.status(201);
      return added;
    },
    // Of such a one, too.
    removeClientCertificate: ({ parameters }) =>
      connections.removeCertificate(
        parseClientId(String(parameters['client'])),
        parseDigest(String(parameters['digest'])),
      ),
    makeInternalKey: async ({ body, response, about }) => {
      const { names } = body as { names: readonly string[] };
      const made = await makeInternalKey(token, names, clock(), randomBytes);
      about(made.id);
      response.status(201);
      return made;
    },
    getInternalCertificate: () => token.internal().certificate.toString(),
  };
}
