// Operations by which officers decide what the exchange trusts: requests, trust services, API keys, and the trail of
// all of it. Where the instance asks for two officers, a first approval is answered 202 and changes nothing yet.
import type { Digest, PolicyRecord } from '@onceway/schemas';
import { OncewayError, parseMemberId, parseSecurityServerId } from '@onceway/sdk/protocol';
import type { EntryAddition, Role } from '../audit/audit-trail.js';
import { PAGE_MAX, TOKEN_LIFETIME_S, TOKEN_USES } from '../limits.js';
import type { ApprovedService } from '../publication/approved-services.js';
import type { TrustChange } from '../publication/trust-change.js';
import type { RequestState } from '../registration/management-request.js';
import { verifyCertificates } from '../registration/verify.js';
import type { Registry } from '../registry.js';
import { textOf, type Call, type Handlers } from './application.js';

export function officerHandlers(registry: Registry): Handlers {
  return {
    ...requestHandlers(registry),
    ...trustHandlers(registry),
    ...accountHandlers(registry),
  };
}

const approvalsOf = ({ approvals, approvedBy }: EntryAddition): EntryAddition => ({ approvals, approvedBy });

function requestHandlers({ registration, tokens, services, clock, checkStatus }: Registry): Handlers {
  return {
    listRequests: ({ parameters: { state, before, limit = PAGE_MAX } }) =>
      registration.list(state as RequestState | undefined, {
        ...(before === undefined ? {} : { before: String(before) }),
        limit: Number(limit),
      }),
    getRequest: (call) => registration.details(textOf(call, 'id')),
    approveRequest: async (call) => {
      const id = textOf(call, 'id');
      const { payload, certificates } = registration.toDecide(id);
      // Outside the act, which must not wait for a responder: what an officer revokes meanwhile ends the request.
      await verifyCertificates(payload, certificates, {
        authorities: services.authorities(),
        nowMs: clock(),
        checkStatus,
      });
      const also = (): EntryAddition => approvalsOf(registration.details(id));
      return call.perform(id, () => registration.approve(id, call.actor.who), { also });
    },
    declineRequest: (call: Call<{ reason: string }>) => {
      const id = textOf(call, 'id');
      const { reason } = call.body;
      return call.perform(id, () => registration.decline(id, call.actor.who, reason), { reason });
    },
    revokeRequest: (call: Call<{ reason: string }>) => {
      const id = textOf(call, 'id');
      const { reason } = call.body;
      return call.perform(id, () => registration.revoke(id, call.actor.who, reason), { reason });
    },
    listTokens: () => tokens.list(),
    createToken: (call: Call<{ member: string; server: string; uses?: number; lifetimeS?: number }>) => {
      const member = parseMemberId(call.body.member);
      const server = parseSecurityServerId(call.body.server);
      const { uses = TOKEN_USES, lifetimeS = TOKEN_LIFETIME_S } = call.body;
      return call.perform(`${member} on ${server}`, () => tokens.create(member, server, uses, lifetimeS));
    },
    removeToken: (call) => {
      const id = textOf(call, 'id');
      call.perform(id, () => tokens.remove(id));
    },
  };
}

const nameOf = (change: TrustChange): string =>
  change.act === 'putTrustService'
    ? `${change.service.type} ${change.service.name}`
    : change.act === 'removeTrustService'
      ? `${change.type} ${change.name}`
      : `${change.role} key ${change.hash}`;

/** Approves a change that the caller proposes; `applied` is what is answered once that was the last approval needed. */
function propose({ changes }: Registry, call: Call, change: TrustChange, applied?: () => unknown): unknown {
  const view = call.perform(nameOf(change), () => changes.propose(change, call.actor.who), {
    also: approvalsOf,
  });
  if (view.state === 'applied') return applied?.();
  call.response.status(202);
  return view;
}

function trustHandlers(registry: Registry): Handlers {
  const { services, changes, settings } = registry;
  return {
    listTrustServices: () => services.list(),
    putTrustService: (call: Call<ApprovedService>) =>
      propose(registry, call, { act: 'putTrustService', service: call.body }, () => call.body),
    removeTrustService: (call) =>
      propose(registry, call, {
        act: 'removeTrustService',
        type: textOf(call, 'type') as ApprovedService['type'],
        name: textOf(call, 'name'),
      }),
    listChanges: () => changes.list(),
    approveChange: (call) => {
      const id = textOf(call, 'id') as Digest;
      const what = nameOf(changes.get(id).change);
      return call.perform(what, () => changes.approve(id, call.actor.who), { also: approvalsOf });
    },
    withdrawChange: (call) => {
      const id = textOf(call, 'id') as Digest;
      call.perform(nameOf(changes.get(id).change), () => changes.withdraw(id));
    },
    getPolicy: () => services.policy(),
    setPolicy: (call: Call<PolicyRecord>) => {
      call.perform(`${settings.instance} policy`, () => services.setPolicy(call.body));
      return services.policy();
    },
  };
}

function accountHandlers(registry: Registry): Handlers {
  const { keys, audit } = registry;
  return {
    listKeys: () => keys.list(),
    createKey: (call: Call<{ role: Role; name: string; hash?: string }>) => {
      const { role, name, hash } = call.body;
      if (hash === undefined) return call.perform(`${role} key`, () => keys.create(role, name));
      if (!keys.decidedByTwo(role)) return call.perform(`${role} key`, () => keys.enter(role, name, hash));
      return propose(registry, call, { act: 'createKey', role, name, hash }, () => keys.byHash(hash));
    },
    removeKey: (call) => {
      const id = textOf(call, 'id');
      call.perform(`api-key:${id}`, () => keys.remove(id));
    },
    getAudit: ({ parameters: { from = 0, count = PAGE_MAX } }) => ({
      size: audit.log.size,
      entries: audit.log.entries(Number(from), Number(count)),
    }),
    getAuditCheckpoint: ({ parameters: { from = 0 } }) => {
      if (Number(from) > audit.log.size) throw new OncewayError('not_found', 'the trail has no such size');
      return {
        checkpoint: audit.checkpoint(),
        consistency: audit.log
          .consistencyProof(Number(from), audit.log.size)
          .map((hash) => hash.toString('base64')),
        key: audit.key,
      };
    },
  };
}
