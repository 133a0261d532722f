// A management interface over real parts: token, state, services, requests and log; configuration and registry are ours.
import { createServer, type Server } from 'node:http';
import { randomBytes, X509Certificate } from 'node:crypto';
import type { TrustView } from '@onceway/sdk/verify';
import { type OncewayError, parseMemberId, parseSecurityServerId } from '@onceway/sdk/protocol';
import { ClientConnections } from '../../src/clients/client-connections.js';
import { HeldRights } from '../../src/exchange/held-rights.js';
import { ApiKeys, AuditTrail, ROLES, type Role } from '../../src/http/management-access.js';
import { createManagementInterface } from '../../src/http/management-interface.js';
import { managementHandlers, type ManagementParts } from '../../src/http/management-operations.js';
import { SoftwareToken } from '../../src/keys/software-token.js';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, logOrigin, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { ManagementRequests } from '../../src/registration/management-requests.js';
import { ServiceStore } from '../../src/services/service-store.js';
import { createState, type StateDatabase } from '../../src/state/state-database.js';
import { folder, type Folder } from '../keys/openssl.js';
import { PilotRegistry } from '../registration/pilot-registry.js';

export const server = parseSecurityServerId('VN/GOV/10006/ss1');
export const owner = parseMemberId('VN/GOV/10006');

/** What a test turns. */
export interface Surroundings {
  /** What stands for the configuration. */
  view:
    | { seq: number; expiresS: number; suspended?: boolean; isRegistered?: boolean; clients: string[] }
    | undefined;
  nowMs: number;
  statusAtMs: number | undefined;
  failing: OncewayError | undefined;
}

export interface Administration {
  readonly now: Surroundings;
  readonly dir: Folder;
  readonly database: StateDatabase;
  readonly token: SoftwareToken;
  readonly registry: PilotRegistry;
  readonly log: MessageLog;
  readonly services: ServiceStore;
  readonly audit: AuditTrail;
  readonly connections: ClientConnections;
  readonly http: Server;
  readonly broken: unknown[];
  readonly keyOf: (role: Role) => string;
  readonly close: () => Promise<void>;
}

const POLICY = {
  ...{ ocspFreshnessMs: 3_600_000, ocspGraceMs: 43_200_000 },
  ...{ stampingBacklogMs: 14_400_000, witnessBacklogMs: 14_400_000 },
};

function viewOf({ view }: Surroundings): TrustView | undefined {
  if (view === undefined) return undefined;
  const { seq, expiresS: expires, suspended, isRegistered, clients } = view;
  const fake = {
    head: { seq, issued: expires - 86_400, expires },
    reference: { seq, digest: 'C'.repeat(43) },
    policy: POLICY,
    isActive: () => suspended !== true,
    server: (id: string) => (id === server && isRegistered !== false ? { clients, signing: [] } : undefined),
    hosts: (_server: string, client: string) => clients.includes(client),
    hasClient: (client: string) => clients.includes(client) || client === 'VN/GOV/10007/civil-status',
    hasGroup: (code: string) => code === 'communes',
  };
  return fake as unknown as TrustView;
}

async function certify(token: SoftwareToken, registry: PilotRegistry): Promise<void> {
  for (const purpose of [{ usage: 'authentication' }, { usage: 'signing', member: owner }] as const) {
    const { id } = token.generateKey(purpose);
    const pem = registry.certify(await token.certificateRequest(id, { subject: { CN: 'a' } }));
    token.addCertificate(new X509Certificate(pem).raw);
  }
}

export async function administration(): Promise<Administration> {
  const now: Surroundings = {
    nowMs: Date.now(),
    view: { seq: 5, expiresS: Math.floor(Date.now() / 1000) + 86_400, clients: ['VN/GOV/10006/population'] },
    statusAtMs: undefined,
    failing: undefined,
  };
  const clock = (): number => now.nowMs;
  const dir = folder();
  const database = createState(dir.file('state.db'));
  const token = SoftwareToken.create(dir.file('token.json'), 'pin-pin-pin');
  for (const name of ['server', 'lane-0']) token.generateKey({ usage: 'log', name });
  const registry = new PilotRegistry(dir);
  await certify(token, registry);
  const options = { origin: logOrigin('vn.test', server), keys: token, clock };
  await createMessageLog(dir.file('log'), options);
  const log = await openMessageLog(dir.file('log'), options);
  const enterRight = (right: string) => log.appendToServerLog({ type: 'right', right });
  const services = new ServiceStore({ database, token, clock, enterRight });
  const rights = new HeldRights(clock);
  const apiKeys = new ApiKeys(database, clock, randomBytes);
  const keys = new Map(ROLES.map((role) => [role, apiKeys.create(`test-${role}`, [role]).key]));
  const audit = new AuditTrail(database, clock);
  const connections = new ClientConnections({ database, servesTls: true, clock });
  const broken: unknown[] = [];
  const parts: ManagementParts = {
    ...{ server, token, registry: registry.call, log, apiKeys, audit, connections, clock },
    services,
    requests: new ManagementRequests({ database, token, registry: registry.call, server, clock }),
    configuration: {
      latest: () => viewOf(now),
      current: () => {
        if (now.failing !== undefined) throw now.failing;
        return viewOf(now) as TrustView;
      },
      past: () => undefined,
      record: () => undefined,
    },
    statusAtMs: () => now.statusAtMs,
    counters: () => ({ requests_total: 7 }),
    refreshConfiguration: async () => true,
    sealCheckpoint: async () => {
      await log.sealCheckpoint();
      return ['witness'];
    },
    publishDescriptions: async () => undefined,
    heldRights: async () =>
      (await rights.list(log)).filter(({ digest }) => services.directory.right(digest) === undefined),
    pushRights: () => undefined,
  };
  const application = createManagementInterface({
    handlers: managementHandlers(parts),
    keys: apiKeys,
    audit,
    broke: (error) => broken.push(error),
  });
  return {
    ...{ now, dir, database, token, registry, log, services, audit, connections, broken },
    http: createServer(application),
    keyOf: (role) => `Bearer ${keys.get(role)}`,
    close: async () => {
      await log.close();
      database.close();
      dir.remove();
    },
  };
}
