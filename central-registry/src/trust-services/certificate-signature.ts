// Makes and signs one certificate (RFC 5280), and the two authorities above it. Keeps no record: the certification
// authority does.
import 'reflect-metadata'; // must come before @peculiar/x509
import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  Name,
  PublicKey,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
} from '@peculiar/x509';
import { signingKeyOf } from './asn1.js';
import { authorityExtensions } from './certificate-profiles.js';
import type { Credential } from './credential.js';
import { ISSUING_LIFETIME_MS, NAME_CHARACTERS_MAX, ROOT_LIFETIME_MS } from './limits.js';

export type RandomBytes = (size: number) => Buffer;

export interface Unsigned {
  /** 32 hexadecimal digits, see `serialOf`. */
  readonly serial: string;
  readonly subject: Subject;
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Extension[];
}
export interface Subject {
  readonly commonName: string;
  readonly organization: string;
  /** The member's id, in organizationIdentifier (2.5.4.97). */
  readonly member?: string;
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export const secondsOf = (ms: number): number => Math.floor(ms / 1000) * 1000;

export function generateKey(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** A positive number of exactly 127 bits, 126 of them random, so that its DER and its 32 digits have one form. */
export function serialOf(randomBytes: RandomBytes): string {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x7f) | 0x40;
  return octets.toString('hex');
}

/** A name as X.509 can carry it: NFC, without control characters, cut to the bound of RFC 5280 appendix A. */
export function shortName(name: string, charactersMax = NAME_CHARACTERS_MAX): string {
  return [...name.normalize('NFC').replace(/\p{Cc}/gu, ' ')].slice(0, charactersMax).join('');
}

/** The organisation in a certificate's subject. */
export function organizationOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).subjectName.getField('O')[0] ?? '';
}

export async function signCertificate(unsigned: Unsigned, issuer: Credential): Promise<Buffer> {
  const issuerCertificate = new X509Certificate(issuer.certificate);
  return sign(unsigned, issuerCertificate.subjectName, issuerCertificate.publicKey, issuer.key);
}

/** Root (path length 1) and issuing authority (path length 0), P-256, valid from this second. */
export async function signAuthorities(
  organization: string,
  nowMs: number,
  randomBytes: RandomBytes,
): Promise<{ root: Credential; issuing: Credential }> {
  const make = (kind: string, publicKey: KeyObject, lifetimeMs: number, pathLength: number): Unsigned => ({
    serial: serialOf(randomBytes),
    subject: { commonName: `${shortName(organization, NAME_CHARACTERS_MAX - 16)} ${kind} CA`, organization },
    publicKey,
    notBeforeMs: secondsOf(nowMs),
    notAfterMs: secondsOf(nowMs) + lifetimeMs,
    extensions: authorityExtensions(pathLength),
  });
  const rootKeys = generateKey();
  const rootUnsigned = make('Root', rootKeys.publicKey, ROOT_LIFETIME_MS, 1);
  const root: Credential = {
    key: rootKeys.privateKey,
    certificate: await sign(
      rootUnsigned,
      nameOf(rootUnsigned.subject),
      new PublicKey(spkiOf(rootKeys.publicKey)),
      rootKeys.privateKey,
    ),
  };
  const issuingKeys = generateKey();
  const issuingUnsigned = make('Issuing', issuingKeys.publicKey, ISSUING_LIFETIME_MS, 0);
  return {
    root,
    issuing: { key: issuingKeys.privateKey, certificate: await signCertificate(issuingUnsigned, root) },
  };
}

async function sign(unsigned: Unsigned, issuer: Name, issuerKey: PublicKey, key: KeyObject): Promise<Buffer> {
  const publicKey = new PublicKey(spkiOf(unsigned.publicKey));
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: unsigned.serial,
      subject: nameOf(unsigned.subject),
      issuer,
      notBefore: new Date(unsigned.notBeforeMs),
      notAfter: new Date(unsigned.notAfterMs),
      publicKey,
      signingKey: await signingKeyOf(key),
      signingAlgorithm: ECDSA,
      extensions: [
        ...unsigned.extensions,
        await AuthorityKeyIdentifierExtension.create(issuerKey, false, webcrypto),
        await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return Buffer.from(certificate.rawData);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** Typed values: as plain strings this library would give `#` and quotes a meaning of their own. */
function nameOf({ commonName, organization, member }: Subject): Name {
  const attribute = (type: string, value: string) => ({ [type]: [{ utf8String: value }] });
  return new Name([
    attribute('2.5.4.10', organization),
    ...(member === undefined ? [] : [attribute('2.5.4.97', member)]),
    attribute('2.5.4.3', commonName),
  ]);
}
