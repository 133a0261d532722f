// The way of a new security server into an instance: keys, certificates, registration, decision. Each step looks first
// whether it was done: after a crash, or a registry that was away, the same call goes on.
import { X509Certificate } from 'node:crypto';
import type { ClientId, LogOrigin, MemberId, SecurityServerId, VerifierKey } from '@onceway/schemas';
import { memberOf, OncewayError } from '@onceway/sdk/protocol';
import { parseCertificates } from '../keys/import-pem.js';
import type { KeyInfo } from '../keys/key-info.js';
import type { SoftwareToken } from '../keys/software-token.js';
import { clientWish, type ManagementRequests, type RequestStatus } from './management-requests.js';
import { ask, type RegistryCall } from './registry.js';

export interface EnrolmentParts {
  readonly token: SoftwareToken;
  readonly registry: RegistryCall;
  readonly requests: ManagementRequests;
  readonly server: SecurityServerId;
  /** Told what is being done, for a person who waits. */
  readonly report: (step: string) => void;
}

export interface ServerEnrolment {
  /** `https://host:port` of the peer listener, as peers reach it. */
  readonly address: string;
  /** Host names and addresses for the authentication certificate. */
  readonly dns: readonly string[];
  readonly enrolmentToken: string;
  readonly logs: readonly { readonly origin: LogOrigin; readonly key: VerifierKey }[];
}

/** Registers the server with its owner's keys.
 *  @throws {OncewayError} `registry_unreachable`, `key_invalid` (a certificate for another key), what the registry
 *  refuses */
export async function enrolServer(parts: EnrolmentParts, enrolment: ServerEnrolment): Promise<RequestStatus> {
  const { token, requests, server, report } = parts;
  const member = memberOf(server);
  const { enrolmentToken, dns } = enrolment;
  await ensureCertificate(parts, { usage: 'authentication' }, { enrolmentToken, dns });
  await ensureCertificate(parts, { usage: 'signing', member }, { enrolmentToken });
  report('asking the registry to register this server');
  return requests.submit({
    type: 'register-server',
    member,
    address: enrolment.address,
    authentication: token.authentication().certificate.raw.toString('base64'),
    signing: token.signingKey(member).certificate.raw.toString('base64'),
    logs: enrolment.logs,
  });
}

/** Registers a client. A member that is new on this server needs a token for its signing certificate, unless its key
 *  was imported with one.
 *  @param isListed whether the configuration lists the member's signing certificate for this server
 *  @throws {OncewayError} `enrolment_token_invalid` (one is needed), and as enrolServer */
export async function registerClient(
  parts: EnrolmentParts,
  client: ClientId,
  options: { readonly enrolmentToken?: string; readonly isListed: (member: MemberId) => boolean },
): Promise<RequestStatus> {
  const { token, requests, report } = parts;
  const member = memberOf(client);
  const { enrolmentToken } = options;
  await ensureCertificate(
    parts,
    { usage: 'signing', member },
    enrolmentToken === undefined ? {} : { enrolmentToken },
  );
  const signing = options.isListed(member) ? undefined : token.signingKey(member).certificate.raw;
  report(`asking the registry to register ${client}`);
  return requests.submit(clientWish(client, member, signing));
}

/** Asks until the registry has decided. @param pause between two questions */
export async function untilDecided(
  requests: ManagementRequests,
  status: RequestStatus,
  pause: () => Promise<void>,
): Promise<RequestStatus> {
  let current = status;
  while (current.state === 'submitted' || current.state === 'waiting') {
    await pause();
    current = await requests.refresh(current.seq);
  }
  return current;
}

type Purpose =
  { readonly usage: 'authentication' } | { readonly usage: 'signing'; readonly member: MemberId };

/** A key with a certificate, made where they are missing. A crash after the authority issued costs one use of the
 *  enrolment token, and the key gets another certificate. */
async function ensureCertificate(
  { token, registry, server, report }: EnrolmentParts,
  purpose: Purpose,
  order: { readonly enrolmentToken?: string; readonly dns?: readonly string[] },
): Promise<void> {
  const member = purpose.usage === 'signing' ? purpose.member : undefined;
  const fits = (key: KeyInfo): boolean => key.usage === purpose.usage && key.member === member;
  if (token.keys().some((key) => fits(key) && key.certificates.some(({ active }) => active))) return;
  if (order.enrolmentToken === undefined)
    throw new OncewayError(
      'enrolment_token_invalid',
      `${purpose.usage} needs a certificate, hence an enrolment token`,
    );
  const key = token.keys().find(fits) ?? token.generateKey(purpose);
  report(`asking for a certificate for ${purpose.usage}`);
  const owner = member ?? memberOf(server);
  const csr = await token.certificateRequest(key.id, {
    // What the authority writes is its own decision; this is for the eyes of its officers.
    subject: { CN: purpose.usage === 'signing' ? owner : server, O: owner },
    ...(order.dns === undefined ? {} : { dns: order.dns }),
  });
  const { certificate } = await ask(registry, 'POST', '/certificates', {
    token: order.enrolmentToken,
    profile: purpose.usage,
    member: owner,
    server,
    csr,
  });
  const [leaf] = typeof certificate === 'string' ? parseCertificates(certificate) : [];
  if (!(leaf instanceof X509Certificate))
    throw new OncewayError('registry_unreachable', 'the registry answers something else than a certificate');
  token.addCertificate(leaf.raw);
}
