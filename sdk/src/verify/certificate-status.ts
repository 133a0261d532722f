// OCSP (RFC 6960): asks about one certificate, and decides whether an answer is genuine, about it, and fresh. What a
// server does with a status, and for how long, is its own policy.
import { X509Certificate } from 'node:crypto';
import type * as Pkijs from 'pkijs';
import { OncewayError } from '../protocol/errors.js';
import { CERTIFICATE_BYTES_MAX, CERTIFICATE_CHAIN_MAX, OCSP_ANSWER_BYTES_MAX } from '../protocol/limits.js';
import { verifyChain } from './certificate-chain.js';
import {
  DIGESTS,
  digestWith,
  loadPki,
  octetsOf,
  readCertificate,
  readDer,
  underCode,
  verifyDerSignature,
  type Pki,
  type ReadCertificate,
} from './pki.js';

export interface CertificateStatus {
  readonly status: 'good' | 'revoked' | 'unknown';
  /** When this was known to be so, milliseconds since 1970 like all times here. */
  readonly thisUpdateMs: number;
  /** When newer knowledge will be there; absent where the responder always knows. */
  readonly nextUpdateMs?: number;
  /** Only with `revoked`. */
  readonly revokedAtMs?: number;
  readonly producedAtMs: number;
}

export interface OcspOptions {
  /** DER of the certificate asked about, and of the authority that issued it. */
  readonly certificate: Uint8Array;
  readonly issuer: Uint8Array;
  /** The approved authority's certificates (DER), among which the issuer must be. */
  readonly authorities: readonly Uint8Array[];
  readonly nowMs: number;
  readonly skewMs: number;
  /** How much longer an answer may serve after its nextUpdate, while no responder can be reached; 0 by default. */
  readonly graceMs?: number;
  /** The nonce that was sent: the answer must repeat it. */
  readonly nonce?: Uint8Array;
}

const NONCE = '1.3.6.1.5.5.7.48.1.2';
// Only names the certificate asked about: nothing is signed with it, so that SHA-1, which many responders use, is fit.
const SHA1_OID = '1.3.14.3.2.26';

const refused = (why: string): OncewayError => new OncewayError('certificate_status_unknown', why);

/** An OCSP request (DER) about one certificate.
 *  @param nonce 1 to 32 octets (RFC 9654); answers made in advance can not carry one
 *  @throws {OncewayError} `certificate_invalid` when one of the two is no certificate */
export function ocspRequest(certDer: Uint8Array, issuerDer: Uint8Array, nonce?: Uint8Array): Promise<Buffer> {
  return underCode('certificate_invalid', 'the certificate is unreadable', async () => {
    const pki = await loadPki();
    const request = new pki.pkijs.OCSPRequest();
    await request.createForCertificate(readCertificate(pki, certDer, CERTIFICATE_BYTES_MAX).pkijs, {
      hashAlgorithm: 'SHA-256',
      issuerCertificate: readCertificate(pki, issuerDer, CERTIFICATE_BYTES_MAX).pkijs,
    });
    if (nonce !== undefined) {
      const extnValue = new pki.asn1js.OctetString({ valueHex: Uint8Array.from(nonce).buffer }).toBER();
      request.tbsRequest.requestExtensions = [new pki.pkijs.Extension({ extnID: NONCE, extnValue })];
    }
    return Buffer.from(request.toSchema(true).toBER());
  });
}

function readAnswer(pki: Pki, der: Uint8Array): Pkijs.BasicOCSPResponse {
  const answer = new pki.pkijs.OCSPResponse({ schema: readDer(pki, der, OCSP_ANSWER_BYTES_MAX) });
  const { responseStatus, responseBytes } = answer;
  if (responseStatus.valueBlock.valueDec !== 0 || responseBytes === undefined)
    throw refused('the responder did not answer the question');
  if (responseBytes.responseType !== pki.pkijs.id_PKIX_OCSP_Basic) throw refused('an unknown kind of answer');
  const schema = readDer(pki, octetsOf(responseBytes.response), OCSP_ANSWER_BYTES_MAX);
  return new pki.pkijs.BasicOCSPResponse({ schema });
}

/** Whether a certificate is the one that the answer names as its responder: by subject, or by SHA-1 of its key. */
function isResponder(pki: Pki, { responderID }: Pkijs.ResponseData, certificate: Pkijs.Certificate): boolean {
  const id: unknown = responderID;
  if (id instanceof pki.pkijs.RelativeDistinguishedNames) return certificate.subject.isEqual(id);
  const key = octetsOf(certificate.subjectPublicKeyInfo.subjectPublicKey);
  return id instanceof pki.asn1js.OctetString && octetsOf(id).equals(digestWith('sha1', key));
}

/** The answer must be signed by the issuer, or by one to whom this very issuer delegated it (RFC 6960 §4.2.2.2).
 *  Whether the delegate is itself revoked is not asked: such certificates are short-lived and say no-check. */
async function checkSigner(
  pki: Pki,
  basic: Pkijs.BasicOCSPResponse,
  issuer: ReadCertificate,
  atMs: number,
): Promise<void> {
  const { tbsResponseData, signatureAlgorithm, signature } = basic;
  const signed = (key: X509Certificate): boolean =>
    verifyDerSignature(
      pki,
      { algorithm: signatureAlgorithm, signature: octetsOf(signature) },
      tbsResponseData.tbsView,
      key.publicKey,
    );
  if (isResponder(pki, tbsResponseData, issuer.pkijs) && signed(issuer.x509)) return;
  for (const certificate of (basic.certs ?? []).slice(0, CERTIFICATE_CHAIN_MAX)) {
    if (!isResponder(pki, tbsResponseData, certificate)) continue;
    const delegate = new X509Certificate(Buffer.from(certificate.toSchema().toBER()));
    if (!signed(delegate)) continue;
    await verifyChain(delegate.raw, { authorities: [issuer.x509.raw], atMs, usage: 'ocsp' });
    return;
  }
  throw refused('no responder of this issuer signed the answer');
}

/** Whether an answer is about this certificate of this issuer. */
function isAbout(
  { certID }: Pkijs.SingleResponse,
  certificate: ReadCertificate,
  issuer: ReadCertificate,
): boolean {
  const oid = certID.hashAlgorithm.algorithmId;
  const hash = oid === SHA1_OID ? 'sha1' : DIGESTS.get(oid);
  if (hash === undefined) return false;
  const issuerName = Buffer.from(issuer.pkijs.subject.toSchema().toBER());
  const issuerKey = octetsOf(issuer.pkijs.subjectPublicKeyInfo.subjectPublicKey);
  return (
    octetsOf(certID.issuerNameHash).equals(digestWith(hash, issuerName)) &&
    octetsOf(certID.issuerKeyHash).equals(digestWith(hash, issuerKey)) &&
    octetsOf(certID.serialNumber).equals(octetsOf(certificate.pkijs.serialNumber))
  );
}

function checkExtensions(
  pki: Pki,
  basic: Pkijs.BasicOCSPResponse,
  single: Pkijs.SingleResponse,
  sent?: Uint8Array,
): void {
  const extensions = basic.tbsResponseData.responseExtensions ?? [];
  if (
    [...extensions, ...(single.singleExtensions ?? [])].some(
      ({ critical, extnID }) => critical && extnID !== NONCE,
    )
  )
    throw refused('an unknown critical extension');
  if (sent === undefined) return;
  const nonce = extensions.find(({ extnID }) => extnID === NONCE);
  const octets = nonce && readDer(pki, octetsOf(nonce.extnValue), OCSP_ANSWER_BYTES_MAX);
  if (!(octets instanceof pki.asn1js.OctetString) || !octetsOf(octets).equals(sent))
    throw refused('the answer is to another question: the nonce differs');
}

function statusOf(
  pki: Pki,
  { certStatus }: Pkijs.SingleResponse,
): Pick<CertificateStatus, 'status' | 'revokedAtMs'> {
  const choice = certStatus as { idBlock: { tagNumber: number }; valueBlock: { value?: unknown[] } };
  if (choice.idBlock.tagNumber === 0) return { status: 'good' };
  if (choice.idBlock.tagNumber !== 1) return { status: 'unknown' };
  const at = choice.valueBlock.value?.[0];
  if (!(at instanceof pki.asn1js.GeneralizedTime)) throw refused('a revocation without its time');
  return { status: 'revoked', revokedAtMs: at.toDate().getTime() };
}

/** Verifies an OCSP answer (DER) and returns what it says: signed by the issuer or its delegate, about this
 *  certificate, not from the future, not past its nextUpdate (plus skew and grace), with the nonce that was sent.
 *  `revoked` and `unknown` are returned, not thrown. An answer without nextUpdate is never stale here: compare
 *  `thisUpdateMs` with the freshness your policy wants.
 *  @throws {OncewayError} `certificate_status_unknown` for anything not genuine, not about it, or stale */
export function verifyOcspAnswer(der: Uint8Array, options: OcspOptions): Promise<CertificateStatus> {
  return underCode('certificate_status_unknown', 'the OCSP answer does not verify', async () => {
    const { nowMs, skewMs, graceMs = 0 } = options;
    const pki = await loadPki();
    const certificate = readCertificate(pki, options.certificate, CERTIFICATE_BYTES_MAX);
    const issuer = readCertificate(pki, options.issuer, CERTIFICATE_BYTES_MAX);
    if (!options.authorities.some((authority) => issuer.x509.raw.equals(authority)))
      throw refused('the issuer is not approved');
    const basic = readAnswer(pki, der);
    await checkSigner(pki, basic, issuer, nowMs);
    const [single, second] = basic.tbsResponseData.responses.filter((one) =>
      isAbout(one, certificate, issuer),
    );
    if (single === undefined || second !== undefined) throw refused('not one answer about this certificate');
    checkExtensions(pki, basic, single, options.nonce);
    const thisUpdateMs = single.thisUpdate.getTime();
    const nextUpdateMs = single.nextUpdate?.getTime();
    const producedAtMs = basic.tbsResponseData.producedAt.getTime();
    if (!(thisUpdateMs <= nowMs + skewMs && producedAtMs <= nowMs + skewMs))
      throw refused('dated in the future');
    if (
      nextUpdateMs !== undefined &&
      !(thisUpdateMs <= nextUpdateMs && nextUpdateMs + skewMs + graceMs >= nowMs)
    )
      throw refused('the answer is stale');
    const times = { thisUpdateMs, producedAtMs, ...(nextUpdateMs === undefined ? {} : { nextUpdateMs }) };
    return { ...statusOf(pki, single), ...times };
  });
}
