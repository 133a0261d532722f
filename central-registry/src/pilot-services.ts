// The pilot's own trust services put together: authority, OCSP responder, time-stamping authority, as listeners and as
// the records by which the configuration approves them. Loaded only where they run: what they need weighs some 30 MiB.
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import type { MemberId, SecurityServerId } from '@onceway/schemas';
import type { ApprovedService } from './publication/approved-services.js';
import { createCertificateListener } from './trust-services/certificate-listener.js';
import { readCertificateRequest } from './trust-services/certificate-request.js';
import {
  openCertificationAuthority,
  readServiceCredential,
  type CertificationAuthority,
} from './trust-services/certification-authority.js';
import { createOcspListener } from './trust-services/ocsp-responder.js';
import {
  createTimeStampListener,
  PILOT_TIME_STAMP_POLICY,
} from './trust-services/time-stamping-authority.js';

export interface PilotServices {
  readonly authority: CertificationAuthority;
  readonly listeners: Readonly<Record<'authority' | 'ocsp' | 'timeStamping', RequestListener>>;
  readonly records: readonly ApprovedService[];
  /** Certifies a key for a member; a connection's certificate carries the hosts that its request asks for. */
  issue(order: {
    readonly profile: 'authentication' | 'signing';
    readonly csr: string;
    readonly member: MemberId;
    readonly memberName: string;
    readonly server: SecurityServerId;
  }): ReturnType<CertificationAuthority['issue']>;
  readonly close: () => void;
}

export interface PilotServicesOptions {
  readonly folder: string;
  readonly organization: string;
  readonly urls: Readonly<Record<'authority' | 'ocsp' | 'timeStamping', string>>;
  /** How long an OCSP answer may be used. */
  readonly validityMs: number;
  readonly clock: () => number;
  readonly report: (error: unknown) => void;
}

/** @throws {OncewayError} `not_found`, `key_invalid` */
export async function openPilotServices(options: PilotServicesOptions): Promise<PilotServices> {
  const { folder, organization, urls, clock, report } = options;
  const authority = openCertificationAuthority({
    folder,
    clock,
    locations: { ocsp: urls.ocsp, issuer: `${urls.authority}/issuing.cer` },
  });
  const stamping = readServiceCredential(folder, 'time-stamping');
  const ocsp = await createOcspListener({
    issuer: authority.issuing,
    responder: readServiceCredential(folder, 'ocsp'),
    statusOf: (serial) => authority.status(serial),
    clock,
    validityMs: options.validityMs,
    report,
  });
  const timeStamping = await createTimeStampListener({
    authority: stamping,
    issuers: [authority.issuing],
    policy: PILOT_TIME_STAMP_POLICY,
    stateFile: join(folder, 'time-stamps.db'),
    clock,
    report,
  });
  const base64 = (der: Uint8Array): string => Buffer.from(der).toString('base64');
  return {
    authority,
    listeners: { authority: createCertificateListener(authority), ocsp, timeStamping },
    records: [
      {
        v: 1,
        type: 'certification-authority',
        name: `${organization} CA`,
        certificates: [base64(authority.root), base64(authority.issuing)],
        ocsp: [{ url: urls.ocsp }],
      },
      {
        v: 1,
        type: 'time-stamping-authority',
        name: `${organization} TSA`,
        url: urls.timeStamping,
        certificate: base64(stamping.certificate),
      },
    ],
    async issue({ profile, csr, member, memberName, server }) {
      const { hosts } = await readCertificateRequest(csr);
      return authority.issue(
        profile === 'authentication'
          ? { profile, csr, member, memberName, server, hosts }
          : { profile, csr, member, memberName },
      );
    },
    close() {
      timeStamping.close();
      authority.close();
    },
  };
}
