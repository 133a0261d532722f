// What each type of request needs to be granted, and what granting it changes. Checked when it comes in and, since
// keys are stolen and servers suspended while it waits, again with each approval.
import { X509Certificate } from 'node:crypto';
import type { Digest, MemberId, SubsystemId } from '@onceway/schemas';
import {
  algorithmOf,
  digestOf,
  memberOf,
  OncewayError,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';
import type { Members } from '../members/member.js';
import type { SecurityServers } from '../members/security-server.js';
import type { CertificateUsage } from '../members/server-certificate.js';
import { bringsItsSigner, digestOfBase64, type Signers, type TakenRequest } from './management-request.js';

export interface Registers {
  readonly members: Members;
  readonly servers: SecurityServers;
}

/** Whether these signers may ask for this at all.
 *  @throws {OncewayError} `member_unknown`, `client_suspended`, `server_unknown`, `signer_not_listed`,
 *  `already_registered`, `client_unknown`, `not_found`, `request_invalid` */
export function checkRequest(
  payload: TakenRequest,
  certificates: Signers,
  { members, servers }: Registers,
): void {
  const [signing, authentication] = certificates.map(digestOfBase64) as [Digest, Digest];
  members.active(payload.member);
  members.active(memberOf(payload.server));
  if (payload.type === 'register-server') {
    // Nothing is known of this server yet: what it registers is what it signs with.
    if (payload.signing !== certificates[0] || payload.authentication !== certificates[1])
      throw new OncewayError('request_invalid', 'a server registers the certificates that it signs with');
    if (servers.find(payload.server) !== undefined)
      throw new OncewayError('already_registered', `${payload.server} is registered already`);
    for (const digest of [signing, authentication]) refuseKnown(digest, servers);
    for (const { origin } of payload.logs)
      if (servers.logServer(origin) !== undefined)
        throw new OncewayError('already_registered', `the log ${origin} is registered already`);
    return;
  }
  const server = servers.get(payload.server);
  if (server.suspended !== undefined) throw new OncewayError('client_suspended', `${server.id} is suspended`);
  if (!servers.listed(server.id, 'authentication', server.owner, authentication))
    throw new OncewayError('signer_not_listed', `the connection certificate is not listed for ${server.id}`);
  const brought = bringsItsSigner(payload, certificates);
  if (brought) refuseKnown(signing, servers);
  else if (!servers.listed(server.id, 'signing', payload.member, signing))
    throw new OncewayError(
      'signer_not_listed',
      `the signer is not listed for ${payload.member} on ${server.id}`,
    );

  switch (payload.type) {
    case 'register-client':
      if (payload.signing !== undefined && !brought)
        throw new OncewayError('request_invalid', 'a new signing certificate signs its own registration');
      if (server.clients.includes(payload.client))
        throw new OncewayError('already_registered', `${payload.client} is registered here already`);
      return;
    case 'remove-client':
      if (!server.clients.includes(payload.client))
        throw new OncewayError('client_unknown', `${payload.client} is not registered here`);
      return;
    case 'register-certificate':
      refuseKnown(digestOfBase64(payload.certificate), servers);
      return;
    case 'remove-certificate': {
      const listed = servers.certificate(payload.certificate);
      const holder = listed?.usage === 'authentication' ? memberOf(payload.server) : payload.member;
      if (
        listed?.server !== server.id ||
        listed.member !== holder ||
        payload.member !== holder ||
        listed.removed !== undefined
      )
        throw new OncewayError('not_found', 'no such certificate of this member on this server');
      return;
    }
    case 'change-address':
      return;
  }
}

/** Makes an approved request so, which `checkRequest` has just passed. Runs inside the act's transaction.
 *  @throws {OncewayError} `already_registered`, `server_unknown`, `client_unknown`, `not_found` */
export function applyRequest(
  payload: TakenRequest,
  certificates: Signers,
  alg: string,
  { members, servers }: Registers,
): void {
  const add = (base64: string, usage: CertificateUsage, member: MemberId): void => {
    const der = Buffer.from(base64, 'base64');
    const certificate = new X509Certificate(der);
    const fitting = algorithmOf(certificate.publicKey) as SignatureAlgorithm;
    servers.addCertificate({
      digest: digestOf(der),
      server: payload.server,
      usage,
      member,
      // An RSA key may sign either way: as it signed its own request.
      alg: base64 === certificates[0] ? (alg as SignatureAlgorithm) : fitting,
      der,
      fromS: Math.floor(Date.parse(certificate.validFrom) / 1000),
      untilS: Math.floor(Date.parse(certificate.validTo) / 1000),
    });
  };
  switch (payload.type) {
    case 'register-server':
      servers.add(payload.server, payload.address, payload.logs);
      add(payload.authentication, 'authentication', payload.member);
      add(payload.signing, 'signing', payload.member);
      return;
    case 'register-client':
      if (payload.client !== payload.member) members.putSubsystem(payload.client as SubsystemId);
      servers.addClient(servers.get(payload.server).id, payload.client);
      if (payload.signing !== undefined) add(payload.signing, 'signing', payload.member);
      return;
    case 'remove-client':
      servers.removeClient(payload.server, payload.client);
      return;
    case 'register-certificate':
      add(payload.certificate, payload.usage, payload.member);
      return;
    case 'remove-certificate':
      servers.removeCertificate(payload.certificate, 'removed by its server');
      return;
    case 'change-address':
      servers.changeAddress(payload.server, payload.address);
      return;
  }
}

function refuseKnown(digest: Digest, servers: SecurityServers): void {
  if (servers.certificate(digest) !== undefined)
    throw new OncewayError('already_registered', 'the certificate was registered before');
}
