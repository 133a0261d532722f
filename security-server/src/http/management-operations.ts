// What each operation of the management interface does: one call inward. Shapes of what comes in are made sure of by
// the API description before a handler sees it.
import { X509Certificate } from 'node:crypto';
import type { ClientId, Digest, MemberId, MessageId, ServiceId } from '@onceway/schemas';
import {
  digestOf,
  memberOf,
  OncewayError,
  parseClientId,
  parseDigest,
  parseMemberId,
  parseServiceId,
  subsystemOf,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';
import type { ConfigurationClient } from '@onceway/sdk/configuration';
import { isListedAt } from '@onceway/sdk/verify';
import { importPem, parseCertificates } from '../keys/import-pem.js';
import { importPkcs12 } from '../keys/import-pkcs12.js';
import type { KeyPurpose, SoftwareToken } from '../keys/software-token.js';
import type { MessageLog } from '../message-log/message-log.js';
import { registerClient } from '../registration/enrol.js';
import type { ManagementRequests, RequestStatus } from '../registration/management-requests.js';
import type { RegistryCall } from '../registration/registry.js';
import { checkHosted } from '../services/known-parties.js';
import type { ServiceChange } from '../services/service-change.js';
import type { ServiceStore } from '../services/service-store.js';
import type { ApiKeys, AuditTrail, Role } from './management-access.js';
import { healthOf, metricsOf, type HealthParts } from './management-health.js';
import { rightHandlers, type RightParts } from './management-rights.js';
import { connectionHandlers, type ConnectionParts } from './management-connections.js';
import { officerOf, textOf, type Call, type Handlers } from './management-interface.js';
import { checkpointView, exportContent, messageView, witnessedView } from './management-messages.js';

export interface ManagementParts
  extends Omit<HealthParts, 'keys' | 'log' | 'connections'>, ConnectionParts, RightParts {
  readonly configuration: Pick<ConfigurationClient, 'current' | 'latest' | 'past' | 'record'>;
  readonly services: ServiceStore;
  readonly requests: ManagementRequests;
  readonly registry: RegistryCall;
  readonly log: MessageLog;
  readonly refreshConfiguration: () => Promise<boolean>;
  /** Seals, has witnessed and stamped, now; returns the steps that failed. */
  readonly sealCheckpoint: () => Promise<readonly string[]>;
  /** Pushes new descriptions to the catalogue; never rejects. */
  readonly publishDescriptions: () => Promise<void>;
  readonly apiKeys: ApiKeys;
  readonly audit: AuditTrail;
}

const serviceOf = (call: Call): ServiceId => parseServiceId(textOf(call, 'service'));

export function managementHandlers(parts: ManagementParts): Handlers {
  return {
    ...stateHandlers(parts),
    ...clientHandlers(parts),
    ...serviceHandlers(parts),
    ...rightHandlers(parts),
    ...keyHandlers(parts),
    ...logHandlers(parts),
    ...accountHandlers(parts),
  };
}

function stateHandlers(parts: ManagementParts): Handlers {
  const { configuration, server, clock } = parts;
  const healthParts: HealthParts = { ...parts, keys: () => parts.token.keys() };
  return {
    getHealth: ({ response }) => {
      const health = healthOf(healthParts);
      // A load balancer reads the status only.
      if (health.status === 'failing') response.status(503);
      return health;
    },
    getMetrics: () => metricsOf(healthParts),
    getConfiguration: () => {
      const view = configuration.latest();
      if (view === undefined)
        throw new OncewayError('configuration_missing', 'no configuration was taken yet');
      const { head, reference } = view;
      return {
        seq: reference.seq,
        digest: reference.digest,
        issued: head.issued,
        expires: head.expires,
        expired: head.expires * 1000 <= clock(),
        registered: view.server(server) !== undefined,
      };
    },
    refreshConfiguration: async () => ({ newer: await parts.refreshConfiguration() }),
  };
}

function clientHandlers(parts: ManagementParts): Handlers {
  const { configuration, server, token, requests, registry, connections } = parts;
  const registered = (): readonly ClientId[] => configuration.latest()?.server(server)?.clients ?? [];
  /** What the configuration lists is decided, whatever became of the answer. */
  const settled = (): RequestStatus[] => {
    for (const client of registered()) requests.settle('register-client', client);
    return requests.list();
  };
  const isListed = (member: MemberId): boolean => {
    const { certificateDigest } = token.signingKey(member);
    const listed = configuration.latest()?.server(server)?.signing ?? [];
    return listed.some(
      (each) =>
        each.certificate === certificateDigest && each.member === member && isListedAt(each, parts.clock()),
    );
  };
  const asked = (): RequestStatus[] => settled().filter(({ type }) => type === 'register-client');
  const known = (): Set<ClientId> =>
    new Set([...registered(), ...asked().map(({ subject }) => subject as ClientId)]);
  return {
    ...connectionHandlers(parts, (client) => known().has(client)),
    listClients: () => {
      const list = asked();
      return [...known()].sort().map((client) => {
        const connection = connections.of(client).type;
        if (registered().includes(client)) return { client, state: 'registered', connection };
        const { state, reason } = list.find(({ subject }) => subject === client) ?? { state: 'lost' };
        return { client, state, connection, ...(reason === undefined ? {} : { reason }) };
      });
    },
    addClient: async ({ body, response, about }) => {
      const { client, enrolmentToken } = body as { client: string; enrolmentToken?: string };
      about(client);
      const enrolment = { token, registry, requests, server, report: () => undefined };
      const options = enrolmentToken === undefined ? { isListed } : { enrolmentToken, isListed };
      const status = await registerClient(enrolment, parseClientId(client), options);
      response.status(202);
      return status;
    },
    removeClient: async (call) => {
      const client = parseClientId(textOf(call, 'client'));
      call.response.status(202);
      return requests.submit({ type: 'remove-client', member: memberOf(client), client });
    },
    listRequests: () => settled(),
    getRequest: async (call) => {
      settled();
      return requests.refresh(Number(call.parameters['seq']));
    },
  };
}

function serviceHandlers(parts: ManagementParts): Handlers {
  const { services, publishDescriptions, configuration, server } = parts;
  const find = (call: Call) => {
    const id = serviceOf(call);
    const service = services.directory.find(id);
    if (service === undefined) throw new OncewayError('service_unknown', `no service ${id}`);
    return service;
  };
  return {
    listServices: () => services.directory.services(),
    getService: find,
    putService: async (call) => {
      const id = serviceOf(call);
      checkHosted(configuration.latest(), server, subsystemOf(id));
      const service = await services.putService(id, call.body as ServiceChange);
      // The provider's program does not wait for the registry.
      if (service.type === 'OPENAPI') void publishDescriptions();
      return service;
    },
    removeService: async (call) => services.removeService(serviceOf(call)),
    disableService: async (call) =>
      services.setDisabled(serviceOf(call), (call.body as { notice: string }).notice),
    enableService: async (call) => services.setDisabled(serviceOf(call), undefined),
    getDescription: (call) => {
      const description = services.directory.description(find(call).id);
      if (description === undefined) throw new OncewayError('not_found', 'the service has no description');
      return JSON.parse(description) as object;
    },
  };
}

interface KeyOrder {
  readonly usage: 'authentication' | 'internal' | 'signing';
  readonly member?: string;
  readonly alg?: SignatureAlgorithm;
}

/** @throws {OncewayError} `request_invalid`, `identifier_invalid` */
function purposeOf({ usage, member, alg }: KeyOrder): Exclude<KeyPurpose, { usage: 'log' }> {
  const chosen = alg === undefined ? {} : { alg };
  if (usage !== 'signing') return { usage, ...chosen };
  if (member === undefined) throw new OncewayError('request_invalid', 'a signing key is of a member');
  return { usage, member: parseMemberId(member), ...chosen };
}

function keyHandlers({ token, requests, server }: ManagementParts): Handlers {
  return {
    listKeys: () => token.keys(),
    generateKey: ({ body, response, about }) => {
      const made = token.generateKey(purposeOf(body as KeyOrder));
      about(made.id);
      response.status(201);
      return made;
    },
    requestCertificate: async (call) => ({
      csr: await token.certificateRequest(
        textOf(call, 'id'),
        call.body as { subject: Record<string, string>; dns?: string[] },
      ),
    }),
    importKey: async ({ body, response, about }) => {
      const { format, content, passphrase, ...order } = body as KeyOrder & {
        format: 'pem' | 'pkcs12';
        content: string;
        passphrase?: string;
      };
      const { key, certificate } =
        format === 'pem'
          ? await importPem(content, passphrase)
          : await importPkcs12(Buffer.from(content, 'base64'), passphrase ?? '');
      const imported = token.importKey(key, purposeOf(order), certificate);
      about(imported.id);
      response.status(201);
      return imported;
    },
    addCertificate: ({ body, response, about }) => {
      const [leaf] = parseCertificates((body as { certificate: string }).certificate);
      if (leaf === undefined) throw new OncewayError('key_invalid', 'no certificate');
      about(digestOf(leaf.raw));
      response.status(201);
      return token.addCertificate(leaf.raw);
    },
    setCertificate: (call) =>
      token.setActive(parseDigest(textOf(call, 'digest')), (call.body as { active: boolean }).active),
    registerCertificate: async (call) => {
      const digest = parseDigest(textOf(call, 'digest'));
      const { usage, member, certificate } = findCertificate(token, digest);
      call.response.status(202);
      return requests.submit({
        type: 'register-certificate',
        member: member ?? memberOf(server),
        usage,
        certificate: certificate.raw.toString('base64'),
      });
    },
  };
}

function findCertificate(
  token: SoftwareToken,
  digest: Digest,
): { usage: 'authentication' | 'signing'; member: MemberId | undefined; certificate: X509Certificate } {
  for (const { usage, member, certificates } of token.keys()) {
    const found = certificates.find((each) => each.digest === digest);
    if (found !== undefined && (usage === 'authentication' || usage === 'signing'))
      return { usage, member, certificate: new X509Certificate(found.pem) };
  }
  throw new OncewayError('not_found', 'no such certificate in the token');
}

function logHandlers({ log, configuration, server, sealCheckpoint }: ManagementParts): Handlers {
  const latest = (): object => {
    const { lane, server } = log.latestCheckpoints();
    return {
      ...(lane === undefined ? {} : { lane: checkpointView(lane) }),
      ...(server === undefined ? {} : { server: witnessedView(server) }),
      counts: log.counts(),
    };
  };
  const midOf = (call: Call): MessageId => parseDigest(textOf(call, 'mid')) as string as MessageId;
  return {
    getMessage: async (call) => messageView({ log, configuration, server }, midOf(call)),
    exportContent: async (call) =>
      exportContent(log, midOf(call), {
        by: officerOf(call),
        ground: (call.body as { ground: string }).ground,
      }),
    getCheckpoints: latest,
    sealCheckpoint: async () => {
      const failed = await sealCheckpoint();
      return { ...latest(), failed };
    },
  };
}

function accountHandlers({ apiKeys, audit }: ManagementParts): Handlers {
  return {
    listApiKeys: () => apiKeys.list(),
    createApiKey: ({ body, response, about }) => {
      const { name, roles } = body as { name: string; roles: Role[] };
      about(`${name}: ${roles.join(', ')}`);
      response.status(201);
      return apiKeys.create(name, roles);
    },
    removeApiKey: (call) => apiKeys.remove(textOf(call, 'name')),
    listAudit: ({ parameters }) =>
      audit.list(Number(parameters['after'] ?? 0), Number(parameters['limit'] ?? 100)),
  };
}
