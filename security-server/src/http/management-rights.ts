// The operations over who may call: rights granted here and held here, and the groups that providers keep themselves.
import type { ClientId, Digest, Names, RightClaims, SecurityServerId, SubsystemId } from '@onceway/schemas';
import type { ConfigurationClient } from '@onceway/sdk/configuration';
import { OncewayError, parseClientId, parseServiceId, parseSubsystemId } from '@onceway/sdk/protocol';
import type { Grant } from '../services/access-right.js';
import { checkHosted, checkSubject } from '../services/known-parties.js';
import type { ServiceStore } from '../services/service-store.js';
import { officerOf, textOf, type Call, type Handlers } from './management-interface.js';

export interface RightParts {
  readonly server: SecurityServerId;
  readonly configuration: Pick<ConfigurationClient, 'latest'>;
  readonly services: ServiceStore;
  /** The newest revision of each right that other servers granted to clients here. */
  readonly heldRights: () => Promise<readonly { readonly digest: Digest; readonly claims: RightClaims }[]>;
  /** Has rights pushed to those who have them since now. */
  readonly pushRights: () => void;
}

export function rightHandlers(parts: RightParts): Handlers {
  return { ...grantHandlers(parts), ...groupHandlers(parts) };
}

function groupHandlers({ services, configuration, server, pushRights }: RightParts): Handlers {
  const { localGroups } = services;
  const groupOf = (call: Call): [SubsystemId, string] => [
    parseSubsystemId(textOf(call, 'provider')),
    textOf(call, 'code'),
  ];
  const clientOf = (call: Call): ClientId => parseClientId(textOf(call, 'client'));
  return {
    listLocalGroups: () => localGroups.list(),
    putLocalGroup: (call) => {
      const [provider, code] = groupOf(call);
      checkHosted(configuration.latest(), server, provider);
      localGroups.put(provider, code, (call.body as { description: Names }).description);
    },
    removeLocalGroup: async (call) => services.removeLocalGroup(...groupOf(call)),
    addLocalGroupMember: (call) => {
      const client = clientOf(call);
      checkSubject(configuration.latest(), { client });
      localGroups.addMember(...groupOf(call), client);
      pushRights();
    },
    removeLocalGroupMember: (call) => localGroups.removeMember(...groupOf(call), clientOf(call)),
  };
}

function grantHandlers({ services, configuration, heldRights }: RightParts): Handlers {
  return {
    listRights: ({ parameters }) =>
      services.directory
        .rights()
        .filter(({ service }) => parameters['service'] === undefined || service === parameters['service']),
    grantRight: async (call) => {
      const { service, subject, ...rest } = call.body as Grant;
      call.about(`${service} to ${Object.values(subject).join()}`);
      if ('client' in subject) parseClientId(subject.client);
      checkSubject(configuration.latest(), subject);
      call.response.status(201);
      return services.grant({ ...rest, service: parseServiceId(service), subject }, officerOf(call));
    },
    getRight: (call) => {
      const history = services.history(textOf(call, 'id'));
      if (history.length === 0) throw new OncewayError('not_found', 'no such right');
      return history.map(({ digest, claims, signed }) => {
        const deliveries = services.deliveries.of(digest);
        return {
          ...{ digest, claims, signed },
          deliveries: deliveries.map(({ server, at, outcome }) => ({ server, at, outcome })),
        };
      });
    },
    listHeldRights: async () =>
      (await heldRights()).map(({ digest, claims }) => {
        const {
          id,
          rev,
          provider,
          service,
          consumer: subject,
          endpoints,
          from,
          until,
          state,
          reason,
        } = claims;
        return {
          ...{ id, rev, provider, service, subject, endpoints, from, until, state, reason, digest },
        };
      }),
    revokeRight: async (call) =>
      services.revoke(textOf(call, 'id'), (call.body as { reason: string }).reason, officerOf(call)),
  };
}
