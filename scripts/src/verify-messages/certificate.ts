// Certificates of signers: the chain to an authority that the configuration lists, and what the status that was taken
// for one says. The signature of the OCSP responder is judged by openssl (openssl.ts).
import { createHash, X509Certificate } from 'node:crypto';
import { DerReader, TAG, timeOf, type Der } from './der.js';
import { Finding, prove } from './finding.js';

const CHAIN_MAX = 4;
const NON_REPUDIATION = 0x40;
/** TLS server and client, and any: a key that also opens connections could be made to sign unawares. */
const PURPOSES_REFUSED = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];
const KEY_USAGE = Buffer.from('0603551d0f', 'hex');

/** @param authorities each root first, DER in base64. @returns the certificate and what stands above it */
export function verifyChain(
  leaf: X509Certificate,
  authorities: readonly { readonly certificates: readonly string[] }[],
  atMs: number,
): readonly X509Certificate[] {
  for (const { certificates } of authorities) {
    const pool = certificates.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
    const chain = [leaf];
    while (chain.length <= CHAIN_MAX) {
      const below = chain.at(-1) as X509Certificate;
      if (pool[0] !== undefined && below.raw.equals(pool[0].raw)) return inTime(chain, atMs);
      const issuer = pool.find((one) => one.ca && below.checkIssued(one) && below.verify(one.publicKey));
      if (issuer === undefined) break;
      chain.push(issuer);
    }
  }
  throw new Finding('certificate', 'the certificate chains to no authority that the configuration lists');
}

function inTime(chain: readonly X509Certificate[], atMs: number): readonly X509Certificate[] {
  for (const { validFrom, validTo, subject } of chain) {
    const isValid = Date.parse(validFrom) <= atMs && atMs <= Date.parse(validTo);
    prove(isValid, 'certificate', `not valid at ${new Date(atMs).toISOString()}: ${subject}`);
  }
  return chain;
}

/** That a certificate is one for signing messages: nonRepudiation, and no purpose of TLS. */
export function verifyPurpose(certificate: X509Certificate): void {
  const { extensions } = partsOf(certificate);
  const usage = extensions.find(({ octets }) => octets.includes(KEY_USAGE));
  // BIT STRING of one octet within an OCTET STRING: unused bits, then the bits.
  const bits = usage?.content.at(-1) ?? 0;
  // Undefined where there is no extended key usage, whatever the types say.
  const purposes = (certificate.keyUsage as string[] | undefined) ?? [];
  const isForSigning =
    (bits & NON_REPUDIATION) !== 0 && !purposes.some((one) => PURPOSES_REFUSED.includes(one));
  prove(isForSigning, 'certificate', 'the certificate is not one for signing');
}

/** RFC 5280 §4.1, as far as it is needed. */
function partsOf(certificate: X509Certificate) {
  const tbs = new DerReader(certificate.raw, 'certificate').into(TAG.sequence).into(TAG.sequence);
  tbs.optional(0xa0);
  const serial = tbs.next(TAG.integer).content;
  tbs.any();
  tbs.any();
  tbs.any();
  const subject = tbs.any().octets;
  const spki = tbs.into(TAG.sequence);
  spki.any();
  // Without the count of unused bits.
  const key = spki.next(0x03).content.subarray(1);
  const list = tbs.optional(0xa3);
  const reader = list && new DerReader(list.content, 'certificate').into(TAG.sequence);
  const extensions: Der[] = [];
  while (reader !== undefined && !reader.isAtEnd) extensions.push(reader.next(TAG.sequence));
  return { serial, subject, key, extensions };
}

const HASHES: Readonly<Record<string, string>> = {
  '2b0e03021a': 'sha1',
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
};

export function hashOf(algorithm: Der, rule: 'certificate_status' | 'time_stamp'): string {
  const oid = new DerReader(algorithm.content, rule).next(TAG.oid).content.toString('hex');
  const hash = HASHES[oid];
  prove(hash !== undefined, rule, `an unknown hash algorithm ${oid}`);
  return hash;
}

/** What an OCSP answer (RFC 6960) says of a certificate. Its signature is not judged here.
 *  @returns the hash by which it names the certificate */
export function verifyStatus(
  answer: Buffer,
  certificate: X509Certificate,
  issuer: X509Certificate,
  time: { readonly atMs: number; readonly skewMs: number; readonly freshnessMs: number },
): string {
  const rule = 'certificate_status';
  const outer = new DerReader(answer, rule).into(TAG.sequence);
  prove(outer.next(0x0a).content[0] === 0, rule, 'the responder gave no answer');
  const typed = outer.into(0xa0).into(TAG.sequence);
  typed.next(TAG.oid);
  const data = typed.into(TAG.octets).into(TAG.sequence).into(TAG.sequence);
  data.optional(0xa0);
  data.any();
  data.next(TAG.time);
  const single = data.into(TAG.sequence).into(TAG.sequence);
  const id = single.into(TAG.sequence);
  const hash = hashOf(id.next(TAG.sequence), rule);
  const above = partsOf(issuer);
  const isNamed = [above.subject, above.key, undefined].every((hashed) =>
    hashed === undefined
      ? id.next(TAG.integer).content.equals(partsOf(certificate).serial)
      : id.next(TAG.octets).content.equals(createHash(hash).update(hashed).digest()),
  );
  prove(isNamed, rule, 'the OCSP answer is on another certificate');
  prove(single.any().tag === 0x80, rule, 'the OCSP answer does not say good');
  const thisUpdateMs = timeOf(single.next(TAG.time), rule);
  const isFresh = thisUpdateMs <= time.atMs + time.skewMs && time.atMs - thisUpdateMs <= time.freshnessMs;
  prove(isFresh, rule, `the OCSP answer of ${new Date(thisUpdateMs).toISOString()} was not fresh`);
  return hash;
}
