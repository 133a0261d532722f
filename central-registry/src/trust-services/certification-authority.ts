// The certification authority of development and pilots: certifies keys of members, remembers every certificate and
// revokes. In production national authorities take its place. It answers no network: main decides who may ask.
import { randomBytes as systemRandomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest, MemberId, SecurityServerId } from '@onceway/schemas';
import { digestOf, OncewayError } from '@onceway/sdk/protocol';
import {
  hostExtension,
  lifetimeMsOf,
  locationExtension,
  usageExtensions,
  type CertificateProfile,
  type Locations,
  type ServiceProfile,
} from './certificate-profiles.js';
import { checkHost, readCertificateRequest } from './certificate-request.js';
import {
  generateKey,
  organizationOf,
  secondsOf,
  serialOf,
  shortName,
  signAuthorities,
  signCertificate,
  type RandomBytes,
  type Subject,
} from './certificate-signature.js';
import type { CertificateStatus, RevocationReason } from './certificate-status.js';
import {
  pemOf,
  pkcs8PemOf,
  readCredential,
  readText,
  writeCredential,
  writeSecret,
  type Credential,
} from './credential.js';
import { IssuedCertificates, type IssuedCertificate } from './issued-certificates.js';
import { HOSTS_MAX, NAME_CHARACTERS_MAX } from './limits.js';

export type CertificateOrder = {
  /** PKCS#10 in PEM. Only its key is taken. */
  readonly csr: string;
  readonly member: MemberId;
  /** Shown to people; shortened to the 64 characters that X.509 allows. */
  readonly memberName: string;
} & (
  | {
      readonly profile: 'authentication';
      readonly server: SecurityServerId;
      readonly hosts: readonly string[];
    }
  | { readonly profile: 'signing' }
);

interface Surroundings {
  readonly folder: string;
  readonly clock: () => number;
  readonly randomBytes?: RandomBytes;
}

/** Makes root, issuing authority, and the credentials of OCSP responder and time-stamping authority in `folder`.
 *  `root-key.pem` is read by nothing afterwards: take it offline. A crash leaves no authority, and may be repeated.
 *  @throws {OncewayError} `conflict` where one exists already */
export async function createCertificationAuthority(
  options: Surroundings & { readonly organization: string },
): Promise<void> {
  const { folder, clock, organization, randomBytes = systemRandomBytes } = options;
  if (existsSync(join(folder, 'issuing.pem')))
    throw new OncewayError('conflict', `${folder} holds an authority already`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { root, issuing } = await signAuthorities(shortName(organization), clock(), randomBytes);
  writeSecret(join(folder, 'root-key.pem'), pkcs8PemOf(root.key));
  writeSecret(join(folder, 'root.pem'), pemOf(root.certificate));
  const authority = new CertificationAuthority(options, root.certificate, issuing, undefined);
  try {
    await authority.renewService('ocsp');
    await authority.renewService('time-stamping');
  } finally {
    authority.close();
  }
  writeCredential(join(folder, 'issuing.pem'), issuing); // the last: by it an authority exists
}

/** Opens what `createCertificationAuthority` made; `locations` stand in each certificate issued from now on.
 *  @throws {OncewayError} `not_found`, `key_invalid` */
export function openCertificationAuthority(
  options: Surroundings & { readonly locations: Locations },
): CertificationAuthority {
  const issuing = readCredential(join(options.folder, 'issuing.pem'));
  const root = new X509Certificate(readText(join(options.folder, 'root.pem'))).raw;
  return new CertificationAuthority(options, root, issuing, options.locations);
}

/** The credential of a service, as `createCertificationAuthority` or `renewService` left it.
 *  @throws {OncewayError} `not_found`, `key_invalid` */
export function readServiceCredential(folder: string, service: ServiceProfile): Credential {
  return readCredential(join(folder, `${service}.pem`));
}

export class CertificationAuthority {
  /** DER. */
  readonly root: Buffer;
  /** DER. */
  readonly issuing: Buffer;
  readonly #credential: Credential;
  readonly #locations: Locations | undefined;
  readonly #folder: string;
  readonly #clock: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #issued: IssuedCertificates;

  constructor(
    surroundings: Surroundings,
    root: Buffer,
    issuing: Credential,
    locations: Locations | undefined,
  ) {
    this.root = root;
    this.issuing = issuing.certificate;
    this.#credential = issuing;
    this.#locations = locations;
    this.#folder = surroundings.folder;
    this.#clock = surroundings.clock;
    this.#randomBytes = surroundings.randomBytes ?? systemRandomBytes;
    this.#issued = new IssuedCertificates(join(surroundings.folder, 'certificates.db'), {
      create: locations === undefined,
    });
  }

  /** Certifies the key of a signing request. Name, use and hosts are the caller's decision, never the request's.
   *  @throws {OncewayError} `request_invalid`, `key_invalid` (also for a key certified for another use or member),
   *  `signature_invalid` (no proof of possession), `identifier_invalid` (longer than a common name may be),
   *  `certificate_invalid` (this authority is itself expired) */
  async issue(order: CertificateOrder): Promise<IssuedCertificate> {
    const { publicKey } = await readCertificateRequest(order.csr);
    const { profile, member } = order;
    const commonName = profile === 'authentication' ? order.server : member;
    if (commonName.length > NAME_CHARACTERS_MAX)
      throw new OncewayError(
        'identifier_invalid',
        `a common name has at most ${NAME_CHARACTERS_MAX} characters`,
      );
    const subject: Subject = { commonName, organization: shortName(order.memberName), member };
    return this.#certify(profile, subject, publicKey, order.profile === 'authentication' ? order.hosts : []);
  }

  /** Makes a new key and certificate for a service and replaces the old file. The old certificate stays valid until it
   *  ends or is revoked, so that what it signed still verifies. */
  async renewService(service: ServiceProfile): Promise<Credential> {
    const keys = generateKey();
    const organization = organizationOf(this.issuing);
    const commonName = service === 'ocsp' ? 'OCSP responder' : 'Time-stamping authority';
    const { certificate } = await this.#certify(service, { commonName, organization }, keys.publicKey, []);
    const credential = { key: keys.privateKey, certificate };
    writeCredential(join(this.#folder, `${service}.pem`), credential);
    return credential;
  }

  /** Revokes from this second on. When it returns, the revocation is durable.
   *  @throws {OncewayError} `not_found`; `conflict` when revoked before: time and reason never change */
  revoke(serial: string, reason: RevocationReason): void {
    this.#issued.revoke(serial, reason, secondsOf(this.#clock()));
  }

  /** What is recorded of a serial. An expired certificate keeps the state it ended with. */
  status(serial: string): CertificateStatus {
    return this.#issued.status(serial);
  }

  /** The certificate with this digest (SHA-256 of its DER), if it was issued here. */
  find(digest: Digest): IssuedCertificate | undefined {
    return this.#issued.find(digest);
  }

  /** Every certificate issued here, of one member or of all, oldest first. */
  list(member?: MemberId): IssuedCertificate[] {
    return this.#issued.list(member);
  }

  close(): void {
    this.#issued.close();
  }

  /** No certificate leaves before it is recorded: one that was recorded and never delivered harms nobody. */
  async #certify(
    profile: CertificateProfile,
    subject: Subject,
    publicKey: KeyObject,
    hosts: readonly string[],
  ): Promise<IssuedCertificate> {
    const notBeforeMs = secondsOf(this.#clock());
    const issuerEndsMs = Date.parse(new X509Certificate(this.issuing).validTo);
    if (notBeforeMs >= issuerEndsMs)
      throw new OncewayError('certificate_invalid', 'this authority has expired');
    if (hosts.length > HOSTS_MAX) throw new OncewayError('request_invalid', `more than ${HOSTS_MAX} hosts`);
    hosts.forEach(checkHost);
    const extensions = usageExtensions(profile);
    if (hosts.length > 0) extensions.push(hostExtension(hosts));
    if (this.#locations !== undefined) extensions.push(locationExtension(this.#locations));
    const serial = serialOf(this.#randomBytes);
    const notAfterMs = Math.min(notBeforeMs + lifetimeMsOf(profile), issuerEndsMs);
    const certificate = await signCertificate(
      { serial, subject, publicKey, notBeforeMs, notAfterMs, extensions },
      this.#credential,
    );
    return this.#issued.add({
      serial,
      digest: digestOf(certificate),
      profile,
      member: (subject.member as MemberId | undefined) ?? null,
      commonName: subject.commonName,
      notBeforeMs,
      notAfterMs,
      certificate,
      publicKey,
    });
  }
}
