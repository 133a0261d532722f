// What each kind of certificate says about its use (RFC 5280 §4.2, RFC 6960 §4.2.2.2, RFC 3161 §2.3). Pure tables:
// nothing is signed here.
import 'reflect-metadata'; // must come before @peculiar/x509
import {
  AuthorityInfoAccessExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { isIP } from 'node:net';
import { AUTHENTICATION_LIFETIME_MS, SERVICE_LIFETIME_MS, SIGNING_LIFETIME_MS } from './limits.js';

type MemberProfile = 'authentication' | 'signing';
export type ServiceProfile = 'ocsp' | 'time-stamping';
export type CertificateProfile = MemberProfile | ServiceProfile;

/** Where the status and the issuer's certificate are found: they stand in every member's certificate. */
export interface Locations {
  readonly ocsp: string;
  readonly issuer: string;
}

const PROFILES: Record<
  CertificateProfile,
  { usage: KeyUsageFlags; extended: string[]; sole: boolean; lifetimeMs: number }
> = {
  authentication: {
    usage: KeyUsageFlags.digitalSignature,
    extended: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
    sole: false,
    lifetimeMs: AUTHENTICATION_LIFETIME_MS,
  },
  // contentCommitment alone: TLS needs digitalSignature, so this key can not be mistaken for a connection's.
  // emailProtection because openssl and national authorities know it as the purpose of signed documents.
  signing: {
    usage: KeyUsageFlags.nonRepudiation,
    extended: [ExtendedKeyUsage.emailProtection],
    sole: false,
    lifetimeMs: SIGNING_LIFETIME_MS,
  },
  ocsp: {
    usage: KeyUsageFlags.digitalSignature,
    extended: [ExtendedKeyUsage.ocspSigning],
    sole: true,
    lifetimeMs: SERVICE_LIFETIME_MS,
  },
  'time-stamping': {
    usage: KeyUsageFlags.digitalSignature,
    extended: [ExtendedKeyUsage.timeStamping],
    sole: true,
    lifetimeMs: SERVICE_LIFETIME_MS,
  },
};

export const lifetimeMsOf = (profile: CertificateProfile): number => PROFILES[profile].lifetimeMs;

/** The extensions that follow from the profile alone. */
export function usageExtensions(profile: CertificateProfile): Extension[] {
  const { usage, extended, sole } = PROFILES[profile];
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(usage, true),
    new ExtendedKeyUsageExtension(extended, sole),
  ];
  // id-pkix-ocsp-nocheck: nobody asks the responder about the responder.
  if (profile === 'ocsp')
    extensions.push(new Extension('1.3.6.1.5.5.7.48.1.5', false, Buffer.from('0500', 'hex')));
  return extensions;
}

export function locationExtension({ ocsp, issuer }: Locations): Extension {
  return new AuthorityInfoAccessExtension({ ocsp, caIssuers: issuer });
}

export function hostExtension(hosts: readonly string[]): Extension {
  return new SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
  );
}

export function authorityExtensions(pathLength: number): Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}
