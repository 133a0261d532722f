// The distribution interface: configurations, management requests, certificates and the catalogue, for security
// servers. No API keys: whatever changes something is signed, or holds an enrolment token.
import type { MemberId, SecurityServerId, ServiceId } from '@onceway/schemas';
import {
  memberOf,
  OncewayError,
  parseMemberId,
  parseSecurityServerId,
  parseServiceId,
} from '@onceway/sdk/protocol';
import type { Express, Request } from 'express';
import type { Actor } from '../audit/audit-trail.js';
import { verifyDescription } from '../catalogue/service-description.js';
import { DISTRIBUTION_BODY_BYTES_MAX, WAIT_S_MAX, WAITING_CLIENTS_MAX } from '../limits.js';
import type { PilotServices } from '../pilot-services.js';
import { verifyRequest, type SubmittedRequest } from '../registration/verify.js';
import type { Registry } from '../registry.js';
import { pemOf } from '../trust-services/credential.js';
import { createApplication, textOf, type Call, type Handlers } from './application.js';
import { healthOf } from './health.js';

const serverActor = (server: SecurityServerId): Actor => ({ who: server, role: 'security-server' });

/** @param pilot the pilot's trust services, where this process runs them */
export function createDistributionInterface(registry: Registry, pilot?: PilotServices): Express {
  return createApplication({
    description: 'registry-distribution',
    handlers: {
      ...configurationHandlers(registry),
      ...registrationHandlers(registry),
      ...catalogueHandlers(registry),
      issueCertificate: (call: Call<CertificateOrder>) => issueCertificate(registry, pilot, call),
      getHealth: () => {
        const { status, alarms } = healthOf(registry);
        return { status, alarms };
      },
    },
    registry,
    bodyBytesMax: DISTRIBUTION_BODY_BYTES_MAX,
  });
}

/** Seconds of `Prefer: wait=<s>` (RFC 7240), at most what is allowed; 0 without. */
function waitOf(request: Request): number {
  const asked = /(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])/.exec(request.get('prefer') ?? '')?.[1];
  return Math.min(Number(asked ?? 0), WAIT_S_MAX);
}

function configurationHandlers({ publication, heads, log, anchor }: Registry): Handlers {
  return {
    getConfiguration: async ({ request, response }) => {
      const known = /^(?:W\/)?"([A-Za-z0-9_-]{43})"$/.exec(request.get('if-none-match') ?? '')?.[1];
      const waitS = waitOf(request);
      if (known !== undefined && waitS > 0 && publication.waiting < WAITING_CLIENTS_MAX) {
        const gone = new AbortController();
        response.once('close', () => gone.abort());
        await publication.newerThan(known, waitS * 1000, gone.signal);
        response.setHeader('Preference-Applied', `wait=${waitS}`);
      }
      const current = publication.current();
      if (current === undefined) throw publication.absence();
      response.setHeader('ETag', `"${current.digest}"`);
      // Always asked anew: a proxy must not hold a suspension back.
      response.setHeader('Cache-Control', 'no-cache');
      if (current.digest === known) response.status(304).end();
      else response.type('application/json').send(current.body);
    },
    getRecord: (call) => {
      const digest = textOf(call, 'digest');
      const octets = heads.record(digest);
      if (octets === undefined) throw new OncewayError('not_found', 'no such record');
      call.response.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
      call.response.setHeader('ETag', `"${digest}"`);
      call.response.type('application/json').send(octets);
    },
    getConsistency: ({ parameters }) => {
      const [from, to] = [Number(parameters['from']), Number(parameters['to'])];
      if (from > to || to > log.size) throw new OncewayError('not_found', 'the log has no such sizes');
      return { proof: log.consistencyProof(from, to).map((hash) => hash.toString('base64')) };
    },
    getAnchor: () => anchor,
  };
}

function registrationHandlers(registry: Registry): Handlers {
  const { registration, audit, services, settings, clock } = registry;
  return {
    submitRequest: async (call: Call<SubmittedRequest>) => {
      call.response.status(202);
      const received = registration.received(call.body);
      if (received !== undefined) return received;
      const verified = await verifyRequest(call.body, {
        instance: settings.instance,
        authorities: services.authorities(),
        nowMs: clock(),
        skewMs: services.policy().clockSkewMs,
        checkStatus: registry.checkStatus,
      });
      const { type, server, jti } = verified.payload;
      registration.refuseReplay(verified.payload);
      // From here on the requester is proven: a refusal is entered under its name.
      const act = { act: call.operation, what: `${type} ${jti}` };
      return audit.perform(serverActor(server), act, () => registration.submit(verified));
    },
    getRequest: (call) => registration.view(textOf(call, 'id')),
    revokeRequest: (call) => {
      const handle = textOf(call, 'id');
      const { jti, server } = registration.requested(handle);
      const act = { act: call.operation, what: jti };
      audit.perform(serverActor(server), act, () => registration.revoke(jti, server));
      return registration.view(handle);
    },
  };
}

interface CertificateOrder {
  readonly token: string;
  readonly profile: 'authentication' | 'signing';
  readonly member: string;
  readonly server: string;
  readonly csr: string;
}

/** Certifies the key of whoever holds the token. The use is taken before anything is issued: a crash in between loses
 *  that use, and never gives one certificate too many. */
async function issueCertificate(
  { audit, tokens, members }: Registry,
  pilot: PilotServices | undefined,
  call: Call<CertificateOrder>,
): Promise<{ certificate: string; chain: string[] }> {
  if (pilot === undefined) throw new OncewayError('not_found', 'this registry runs no pilot authority');
  const { token, profile, csr } = call.body;
  const member: MemberId = parseMemberId(call.body.member);
  const server = parseSecurityServerId(call.body.server);
  if (profile === 'authentication' && memberOf(server) !== member)
    throw new OncewayError('request_invalid', 'a connection is authenticated as the owner of its server');
  const taken = tokens.take(token, member, server);
  try {
    const memberName = members.active(member).name.vi;
    const issued = await pilot.issue({ profile, csr, member, memberName, server });
    const act = { act: call.operation, what: `${profile} ${issued.digest} for ${member} on ${server}` };
    audit.perform({ who: `token:${taken.id}`, role: 'security-server' }, act, () => undefined);
    call.response.status(201);
    return {
      certificate: pemOf(issued.certificate),
      chain: [pemOf(pilot.authority.issuing), pemOf(pilot.authority.root)],
    };
  } catch (error) {
    tokens.giveBack(taken.id);
    throw error;
  }
}

function catalogueHandlers({ catalogue, servers, services, audit, clock }: Registry): Handlers {
  return {
    searchCatalogue: ({ parameters }) => catalogue.search(String(parameters['q'] ?? '')),
    getDescription: (call) => {
      const { jws, digest } = catalogue.get(parseServiceId(textOf(call, 'service')));
      call.response.setHeader('ETag', `"${digest}"`);
      return { description: jws };
    },
    putDescription: (call: Call<{ description: string }>) => {
      const service: ServiceId = parseServiceId(textOf(call, 'service'));
      const verified = verifyDescription(
        call.body.description,
        service,
        servers,
        clock(),
        services.policy().clockSkewMs,
      );
      // Descriptions are public, so anybody may send one again: that is no act of its member.
      if (catalogue.holds(verified)) return;
      const act = { act: call.operation, what: service };
      audit.perform({ who: memberOf(service), role: 'security-server' }, act, () => catalogue.put(verified));
    },
  };
}
