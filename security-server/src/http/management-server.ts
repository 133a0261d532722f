// The management interface of a running server: hands its parts to the operations. Opens no listener.
import type { Express } from 'express';
import type { ClientConnections } from '../clients/client-connections.js';
import type { Exchange } from '../exchange/exchange.js';
import type { SealingJob } from '../jobs/seal-checkpoint.js';
import type { SoftwareToken } from '../keys/software-token.js';
import type { ManagementRequests } from '../registration/management-requests.js';
import type { RegistryCall } from '../registration/registry.js';
import type { ServiceStore } from '../services/service-store.js';
import type { StateDatabase } from '../state/state-database.js';
import { ApiKeys, AuditTrail } from './management-access.js';
import { createManagementInterface } from './management-interface.js';
import { managementHandlers } from './management-operations.js';

export interface ManagementServerParts {
  readonly exchange: Exchange;
  readonly token: SoftwareToken;
  readonly state: StateDatabase;
  readonly services: ServiceStore;
  readonly connections: ClientConnections;
  readonly requests: ManagementRequests;
  readonly registry: RegistryCall;
  readonly sealing: SealingJob;
  readonly publishDescriptions: () => Promise<void>;
  readonly pushRights: () => void;
  readonly counters: () => Readonly<Record<string, number>>;
  readonly report: (event: Record<string, unknown>) => void;
}

export function createManagementServer(parts: ManagementServerParts): Express {
  const { exchange, state, sealing, report } = parts;
  const { server, configuration, log, credentials, clock, randomBytes } = exchange;
  const keys = new ApiKeys(state, clock, randomBytes);
  const audit = new AuditTrail(state, clock);
  const handlers = managementHandlers({
    ...parts,
    ...{ server, configuration, log, clock, audit, apiKeys: keys },
    heldRights: async () =>
      (await exchange.rights.list(log)).filter(
        ({ digest }) => exchange.directory.right(digest) === undefined,
      ),
    statusAtMs: (digest) => credentials.statusAtMs(digest),
    refreshConfiguration: () => configuration.refresh(),
    sealCheckpoint: async () => (await sealing.run()).map(({ step }) => step),
  });
  return createManagementInterface({
    handlers,
    keys,
    audit,
    broke: (error, id) =>
      report({ event: 'broken', id, why: error instanceof Error ? error.stack : String(error) }),
  });
}
