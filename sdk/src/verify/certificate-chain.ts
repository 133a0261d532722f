// Whether a certificate was issued, by way of listed authorities, for the use it is put to. Not whether it is still
// good (certificate-status.ts), nor whether the configuration lists it for this member and server.
import type { X509Certificate } from 'node:crypto';
import type * as Pkijs from 'pkijs';
import { OncewayError } from '../protocol/errors.js';
import { CERTIFICATE_BYTES_MAX, CERTIFICATE_CHAIN_MAX } from '../protocol/limits.js';
import { isAcceptedSignature, loadPki, readCertificate, underCode, type ReadCertificate } from './pki.js';

export type CertificateUsage = 'authentication' | 'signing' | 'ocsp' | 'time-stamping';

export interface ChainOptions {
  /** Certificates (DER) of one approved authority, its root first: the root is trusted as it stands, the others are
   *  issuing authorities below it. */
  readonly authorities: readonly Uint8Array[];
  /** When the chain must be valid, milliseconds since 1970. */
  readonly atMs: number;
  readonly usage: CertificateUsage;
}

export interface VerifiedChain {
  readonly certificate: X509Certificate;
  /** DER, from the certificate to the root. */
  readonly chain: readonly Buffer[];
}

const EXTENSION = { keyUsage: '2.5.29.15', basicConstraints: '2.5.29.19', extendedKeyUsage: '2.5.29.37' };
// What pkijs or this file acts upon: key usage, names, constraints, policies. Any other critical extension may forbid
// the very use at hand (RFC 5280 §4.2).
const CRITICAL_UNDERSTOOD = new Set([
  ...Object.values(EXTENSION),
  '2.5.29.17',
  '2.5.29.30',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.36',
  '2.5.29.54',
]);
const KEY_USAGE = { digitalSignature: 0x80, nonRepudiation: 0x40, keyCertSign: 0x04 };
const PURPOSE = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
};
const RSA_BITS_MIN = 2048;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

const refused = (why: string): OncewayError => new OncewayError('certificate_invalid', why);

/** The extensions that say what a certificate is for. */
interface Profile {
  readonly isAuthority: boolean;
  /** How many authorities may stand below it. */
  readonly pathLength: number;
  /** First octet of the key usage bits; undefined without the extension. */
  readonly keyUsage: number | undefined;
  readonly purposes: readonly string[];
  readonly purposesCritical: boolean;
}

function profileOf(certificate: Pkijs.Certificate): Profile {
  const extensions = certificate.extensions ?? [];
  if (certificate.version !== 2) throw refused('a certificate is not of version 3');
  if (new Set(extensions.map(({ extnID }) => extnID)).size !== extensions.length)
    throw refused('a certificate has one extension twice');
  const foreign = extensions.find(({ critical, extnID }) => critical && !CRITICAL_UNDERSTOOD.has(extnID));
  if (foreign) throw refused(`a certificate has the unknown critical extension ${foreign.extnID}`);
  const find = (id: string): Pkijs.Extension | undefined => extensions.find(({ extnID }) => extnID === id);
  const constraints = find(EXTENSION.basicConstraints)?.parsedValue as Pkijs.BasicConstraints | undefined;
  const usage = find(EXTENSION.keyUsage)?.parsedValue as
    { valueBlock: { valueHexView: Uint8Array } } | undefined;
  const purposes = find(EXTENSION.extendedKeyUsage);
  return {
    isAuthority: constraints?.cA === true,
    pathLength:
      constraints?.pathLenConstraint === undefined ? Infinity : Number(constraints.pathLenConstraint),
    keyUsage: usage && (usage.valueBlock.valueHexView[0] ?? 0),
    purposes: (purposes?.parsedValue as Pkijs.ExtKeyUsage | undefined)?.keyPurposes ?? [],
    purposesCritical: purposes?.critical === true,
  };
}

function checkKey({ x509 }: ReadCertificate): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = x509.publicKey;
  const strong =
    type === 'ed25519' ||
    (type === 'ec' && CURVES.includes(details?.namedCurve ?? '')) ||
    ((type === 'rsa' || type === 'rsa-pss') && (details?.modulusLength ?? 0) >= RSA_BITS_MIN);
  if (!strong) throw refused('a key is neither RSA of 2048 bits up, nor on an accepted curve');
}

function checkUsage(
  usage: CertificateUsage,
  { isAuthority, keyUsage, purposes, purposesCritical }: Profile,
): void {
  const has = (...wanted: string[]): boolean => wanted.every((purpose) => purposes.includes(purpose));
  const may = (bits: number): boolean => ((keyUsage ?? 0) & bits) !== 0;
  const signs = KEY_USAGE.digitalSignature | KEY_USAGE.nonRepudiation;
  if (isAuthority) throw refused('the certificate of an authority is put to an end use');
  const fits = {
    authentication: () => has(PURPOSE.serverAuth, PURPOSE.clientAuth) && may(KEY_USAGE.digitalSignature),
    // A key that also opens connections could be made to sign a message unawares.
    signing: () =>
      may(KEY_USAGE.nonRepudiation) &&
      ![PURPOSE.serverAuth, PURPOSE.clientAuth, PURPOSE.any].some((p) => has(p)),
    ocsp: () => has(PURPOSE.ocspSigning) && (keyUsage === undefined || may(signs)),
    // RFC 3161 §2.3: this purpose, alone, critical.
    'time-stamping': () =>
      has(PURPOSE.timeStamping) &&
      purposes.length === 1 &&
      purposesCritical &&
      (keyUsage === undefined || (may(signs) && (keyUsage & ~signs) === 0)),
  } satisfies Record<CertificateUsage, () => boolean>;
  if (!fits[usage]()) throw refused(`the certificate is not one for ${usage}`);
}

function checkAuthority({ isAuthority, pathLength, keyUsage }: Profile, below: number): void {
  if (!isAuthority || ((keyUsage ?? 0) & KEY_USAGE.keyCertSign) === 0)
    throw refused('an issuer is no certification authority');
  if (below > pathLength) throw refused('an authority has more authorities below it than it may');
}

/** Verifies that a certificate chains to the root of an approved authority at a given time, and is one for this usage:
 *  authentication (serverAuth and clientAuth, digitalSignature), signing (nonRepudiation, and no TLS purpose),
 *  ocsp (OCSPSigning), time-stamping (timeStamping, sole and critical). RFC 5280 §6.
 *  Not verified here: revocation.
 *  @param leafDer the certificate, DER, at most CERTIFICATE_BYTES_MAX
 *  @throws {OncewayError} `certificate_invalid` */
export function verifyChain(leafDer: Uint8Array, options: ChainOptions): Promise<VerifiedChain> {
  return underCode('certificate_invalid', 'the chain does not verify', async () => {
    const pki = await loadPki();
    const read = (der: Uint8Array): ReadCertificate => readCertificate(pki, der, CERTIFICATE_BYTES_MAX);
    const leaf = read(leafDer);
    const [root, ...issuing] = options.authorities.map(read);
    if (root === undefined) throw refused('no authority is approved');
    const known = [leaf, root, ...issuing];
    // The engine takes the last certificate for the leaf, and drops doubles before.
    if (known.some((other) => other !== leaf && other.x509.raw.equals(leaf.x509.raw)))
      throw refused('the certificate of an authority is put to an end use');
    const engine = new pki.pkijs.CertificateChainValidationEngine({
      trustedCerts: [root.pkijs],
      certs: [...issuing.map((certificate) => certificate.pkijs), leaf.pkijs],
      checkDate: new Date(options.atMs),
    });
    // Signatures, names, name constraints and policies are the engine's; everything below is checked here, as the
    // engine passes over purposes, path lengths, weak algorithms and the leaf's own extensions.
    const result = await engine.verify();
    if (!result.result) throw refused(result.resultMessage);
    const path = (result.certificatePath ?? []).map((found) => known.find(({ pkijs }) => pkijs === found));
    if (path.length < 2 || path[0] !== leaf || path.at(-1) !== root)
      throw refused('the path leads elsewhere');
    if (path.length > CERTIFICATE_CHAIN_MAX)
      throw refused(`the chain exceeds ${CERTIFICATE_CHAIN_MAX} certificates`);
    const chain = path.filter((certificate) => certificate !== undefined);
    // The engine reads signatures leniently: what follows the two numbers of one, and lengths that do not fit, it passes
    // over. OpenSSL takes the one form only.
    for (const [depth, { x509 }] of chain.slice(0, -1).entries()) {
      const issuer = chain[depth + 1]?.x509;
      if (issuer === undefined || !x509.verify(issuer.publicKey))
        throw refused('a certificate is not signed by its issuer');
    }
    for (const [depth, certificate] of chain.entries()) {
      const { notBefore, notAfter, signatureAlgorithm } = certificate.pkijs;
      if (options.atMs < notBefore.value.getTime() || options.atMs > notAfter.value.getTime())
        throw refused('a certificate is expired or not yet valid');
      // The root's signature over itself proves nothing and may be as old as it likes.
      if (certificate !== root && !isAcceptedSignature(signatureAlgorithm.algorithmId))
        throw refused('a certificate is signed by a weak algorithm');
      checkKey(certificate);
      const profile = profileOf(certificate.pkijs);
      if (depth === 0) checkUsage(options.usage, profile);
      else checkAuthority(profile, depth - 1);
    }
    return { certificate: leaf.x509, chain: chain.map(({ x509 }) => x509.raw) };
  });
}
