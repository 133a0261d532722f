// Judges a certificate that a server brings along: chain, use, whom it names. Whether it is revoked is asked in
// certificate-status.ts; whether it may stand for this member on this server is an officer's decision.
import type { X509Certificate } from 'node:crypto';
import type { Digest, MemberId, SecurityServerId } from '@onceway/schemas';
import {
  algorithmOf,
  digestOf,
  memberOf,
  OncewayError,
  parseMemberId,
  parseSecurityServerId,
  type CertificationAuthorityRecord,
} from '@onceway/sdk/protocol';
import { verifyChain } from '@onceway/sdk/verify';
import type { CertificateUsage } from '../members/server-certificate.js';

export interface JudgedCertificate {
  readonly certificate: X509Certificate;
  readonly digest: Digest;
  /** DER. */
  readonly issuer: Buffer;
  readonly authority: CertificationAuthorityRecord;
}

/** Asks whether a certificate is revoked. @throws {OncewayError} `certificate_revoked`, `certificate_status_unknown` */
export type StatusCheck = (judged: JudgedCertificate) => Promise<void>;

const derOf = (base64: string): Buffer => Buffer.from(base64, 'base64');

/** @param base64 DER
 *  @throws {OncewayError} `certificate_invalid`. Not yet known: whether it is revoked */
export async function judgeCertificate(
  base64: string,
  usage: CertificateUsage,
  holder: { readonly member: MemberId; readonly server: SecurityServerId },
  authorities: readonly CertificationAuthorityRecord[],
  nowMs: number,
): Promise<JudgedCertificate> {
  const der = derOf(base64);
  if (der.toString('base64') !== base64)
    throw new OncewayError('certificate_invalid', 'a certificate is DER in base64');
  let refusal = new OncewayError('certificate_invalid', 'no certification authority is approved');
  for (const authority of authorities) {
    let verified: Awaited<ReturnType<typeof verifyChain>>;
    try {
      verified = await verifyChain(der, {
        authorities: authority.certificates.map(derOf),
        atMs: nowMs,
        usage,
      });
    } catch (error) {
      if (!(error instanceof OncewayError)) throw error;
      refusal = error;
      continue;
    }
    const { certificate, chain } = verified;
    checkSubject(certificate, usage, holder);
    if (algorithmOf(certificate.publicKey) === undefined)
      throw new OncewayError('certificate_invalid', 'the key of the certificate may not be used');
    return { certificate, digest: digestOf(der), issuer: chain[1] ?? der, authority };
  }
  throw refusal;
}

const isId = (text: string, parse: (text: string) => string): boolean => {
  try {
    return parse(text) === text;
  } catch {
    return false;
  }
};

/** Where a subject names a member (organizationIdentifier, common name) or a server (common name) as we write them, it
 *  must be the holder. National authorities write other names: those an officer compares. */
function checkSubject(
  certificate: X509Certificate,
  usage: CertificateUsage,
  { member, server }: { readonly member: MemberId; readonly server: SecurityServerId },
): void {
  const subject = certificate.toLegacyObject().subject as Partial<Record<string, string>>;
  const commonName = subject['CN'] ?? '';
  const organization = subject['organizationIdentifier'] ?? '';
  const owner = usage === 'authentication' ? memberOf(server) : member;
  const another =
    (isId(organization, parseMemberId) && organization !== owner) ||
    (isId(commonName, parseMemberId) && commonName !== owner) ||
    (usage === 'authentication' && isId(commonName, parseSecurityServerId) && commonName !== server);
  if (another)
    throw new OncewayError('certificate_invalid', `the certificate is of ${organization || commonName}`);
}
