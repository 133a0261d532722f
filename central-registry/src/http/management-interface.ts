// The management interface: for officers and auditors, by API key. Each handler is one act; what may be called by whom
// stands in schemas/openapi/registry-management.json.
import type { ClientId, Digest, MemberId, Names, SecurityServerId, SubsystemId } from '@onceway/schemas';
import {
  OncewayError,
  parseClientId,
  parseMemberId,
  parseSecurityServerId,
  parseSubsystemId,
} from '@onceway/sdk/protocol';
import type { Express } from 'express';
import { MANAGEMENT_BODY_BYTES_MAX } from '../limits.js';
import type { Registry } from '../registry.js';
import type { RevocationReason } from '../trust-services/certificate-status.js';
import type { CertificationAuthority } from '../trust-services/certification-authority.js';
import { createApplication, textOf, type Call, type Handlers } from './application.js';
import { configurationView, healthOf, metricsOf } from './health.js';
import { officerHandlers } from './officer-operations.js';

const memberOfCall = (call: Call): MemberId => parseMemberId(textOf(call, 'member'));
const serverOfCall = (call: Call): SecurityServerId => parseSecurityServerId(textOf(call, 'server'));

/** @param authority the pilot authority, where this process runs it */
export function createManagementInterface(registry: Registry, authority?: CertificationAuthority): Express {
  return createApplication({
    description: 'registry-management',
    handlers: {
      ...stateHandlers(registry),
      ...memberHandlers(registry),
      ...serverHandlers(registry, authority),
      ...officerHandlers(registry),
    },
    registry,
    keys: registry.keys,
    bodyBytesMax: MANAGEMENT_BODY_BYTES_MAX,
  });
}

function stateHandlers(registry: Registry): Handlers {
  return {
    getHealth: () => healthOf(registry),
    getMetrics: ({ response }) => void response.type('text/plain; version=0.0.4').send(metricsOf(registry)),
    getConfiguration: () => published(registry),
    publishConfiguration: async (call) => {
      call.perform(registry.settings.instance, () => undefined);
      await registry.publication.completeProof();
      return published(registry);
    },
  };
}

/** @throws {OncewayError} `configuration_missing`, or why nothing is public */
function published(registry: Registry): NonNullable<ReturnType<typeof configurationView>> {
  const view = configurationView(registry);
  if (view === undefined) throw registry.publication.absence();
  return view;
}

function memberHandlers({ members, groups, settings }: Registry): Handlers {
  return {
    listMembers: () => members.list(),
    getMember: (call) => members.get(memberOfCall(call)),
    addMember: (call: Call<{ class: string; code: string; name: Names }>) => {
      const id = members.idOf(call.body.class, call.body.code);
      return call.perform(id, () => members.add(id, call.body.name));
    },
    renameMember: (call: Call<{ name: Names }>) => {
      const id = memberOfCall(call);
      return call.perform(id, () => members.rename(id, call.body.name));
    },
    suspendMember: (call: Call<{ reason: string }>) => {
      const id = memberOfCall(call);
      return call.perform(id, () => members.suspend(id, call.body.reason), {
        reason: call.body.reason,
      });
    },
    liftMember: (call) => {
      const id = memberOfCall(call);
      return call.perform(id, () => members.lift(id));
    },
    addSubsystem: (call: Call<{ code: string; name?: Names }>) => {
      const member = memberOfCall(call);
      const id = members.subsystemIdOf(member, call.body.code);
      return call.perform(id, () => {
        members.putSubsystem(id, call.body.name);
        return members.get(member);
      });
    },
    removeSubsystem: (call) => {
      const id: SubsystemId = parseSubsystemId(textOf(call, 'subsystem'));
      call.perform(id, () => members.removeSubsystem(id));
    },
    listGroups: () => groups.records(),
    putGroup: (call: Call<{ description: Names; members: string[] }>) => {
      const code = textOf(call, 'code');
      const clients: ClientId[] = call.body.members.map(parseClientId);
      return call.perform(`${settings.instance} group ${code}`, () =>
        groups.put(code, call.body.description, clients),
      );
    },
    removeGroup: (call) => {
      const code = textOf(call, 'code');
      call.perform(`${settings.instance} group ${code}`, () => groups.remove(code));
    },
  };
}

function serverHandlers(
  { servers, registration }: Registry,
  authority: CertificationAuthority | undefined,
): Handlers {
  return {
    listServers: () => servers.list(),
    getServer: (call) => servers.get(serverOfCall(call)),
    suspendServer: (call: Call<{ reason: string }>) => {
      const id = serverOfCall(call);
      return call.perform(id, () => servers.suspend(id, call.body.reason), {
        reason: call.body.reason,
      });
    },
    liftServer: (call) => {
      const id = serverOfCall(call);
      return call.perform(id, () => servers.lift(id));
    },
    listCertificates: (call) =>
      authority
        ?.list(call.parameters['member'] === undefined ? undefined : memberOfCall(call))
        .map(({ certificate: _, ...shown }) => shown) ?? [],
    revokeCertificate: (call: Call<{ reason: RevocationReason }>) => {
      const digest = textOf(call, 'digest') as Digest;
      const { reason } = call.body;
      return call.perform(
        digest,
        () => {
          const held = servers.certificate(digest);
          const listed = held !== undefined && held.removed === undefined;
          const issued = authority?.find(digest);
          if (!listed && issued === undefined)
            throw new OncewayError('not_found', 'the certificate is neither listed nor issued here');
          if (listed) servers.removeCertificate(digest, `revoked: ${reason}`);
          registration.endThoseOf(digest, call.actor.who, `certificate ${digest} was revoked: ${reason}`);
          // Another database: a crash between the two leaves it revoked and still listed, its requests
          // waiting: who asks the responder refuses just the same.
          if (issued?.status.state === 'good') authority?.revoke(issued.serial, reason);
          return { digest, listed, issuedHere: issued !== undefined };
        },
        { reason },
      );
    },
  };
}
