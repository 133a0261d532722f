// Time-stamps (RFC 3161): asks for one, and decides whether one is genuine, by the approved authority, and over these
// octets. Which octets are stamped is the message log's matter.
import { X509Certificate, type KeyObject } from 'node:crypto';
import type * as Asn1js from 'asn1js';
import type * as Pkijs from 'pkijs';
import { OncewayError } from '../protocol/errors.js';
import { TIME_STAMP_BYTES_MAX } from '../protocol/limits.js';
import { sha256 } from '../protocol/octets.js';
import { verifyChain } from './certificate-chain.js';
import {
  DIGESTS,
  digestWith,
  loadPki,
  octetsOf,
  readDer,
  SHA256_OID,
  underCode,
  verifyDerSignature,
  type Pki,
} from './pki.js';

export interface TimeStampOptions {
  /** The octets that were stamped. */
  readonly data: Uint8Array;
  /** The time-stamping authority's certificate (DER): no other may have signed. */
  readonly authority: Uint8Array;
  /** Certificates (DER) of the certification authority above it, its root first. */
  readonly authorities: readonly Uint8Array[];
  /** The nonce that was sent: the token must repeat it. */
  readonly nonce?: Uint8Array;
  /** Policies (OID) that are accepted; all, when left out. */
  readonly policies?: readonly string[];
}

export interface VerifiedTimeStamp {
  /** Milliseconds since 1970. */
  readonly genTimeMs: number;
  /** Lower-case hex, as it stands in the token. */
  readonly serial: string;
  readonly policy: string;
  /** The token itself (DER ContentInfo), also when a whole response was given. */
  readonly token: Buffer;
}

const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const ATTRIBUTE = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
};

const refused = (why: string): OncewayError => new OncewayError('time_stamp_invalid', why);
const bigIntOf = (octets: Uint8Array): bigint => BigInt(`0x0${Buffer.from(octets).toString('hex')}`);

/** A request (DER) for a time-stamp over the SHA-256 of these octets, with the authority's certificate in the answer.
 *  @param nonce fresh random octets, read as a positive integer */
export async function timeStampRequest(imprintOf: Uint8Array, nonce: Uint8Array): Promise<Buffer> {
  const { pkijs, asn1js } = await loadPki();
  const hashAlgorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: SHA256_OID,
    algorithmParams: new asn1js.Null(),
  });
  const hashedMessage = new asn1js.OctetString({ valueHex: Uint8Array.from(sha256(imprintOf)).buffer });
  const request = new pkijs.TimeStampReq({
    version: 1,
    messageImprint: new pkijs.MessageImprint({ hashAlgorithm, hashedMessage }),
    nonce: asn1js.Integer.fromBigInt(bigIntOf(nonce)),
    certReq: true,
  });
  return Buffer.from(request.toSchema().toBER());
}

/** The token in what was given: a token, or the response of an authority that granted it. */
function tokenIn(pki: Pki, der: Uint8Array): Asn1js.AsnType {
  const { asn1js, pkijs } = pki;
  const outer = readDer(pki, der, TIME_STAMP_BYTES_MAX);
  const [first, second] = outer instanceof asn1js.Sequence ? outer.valueBlock.value : [];
  if (first instanceof asn1js.ObjectIdentifier) return outer;
  const status = new pkijs.PKIStatusInfo({ schema: first }).status;
  if (status !== pkijs.PKIStatus.granted || second === undefined) throw refused('no time-stamp was granted');
  return second;
}

/** The single value of an attribute that must stand there once (RFC 5652 §11). */
function attribute(signer: Pkijs.SignerInfo, type: string): unknown {
  const found = (signer.signedAttrs?.attributes ?? []).filter((candidate) => candidate.type === type);
  if (found.length !== 1 || found[0]?.values.length !== 1) throw refused(`not one signed attribute ${type}`);
  return found[0].values[0];
}

/** Hash of the signer's certificate as the signer itself names it (ESSCertIDv2, RFC 5035 §4): a signature can not be
 *  passed off as that of another certificate with the same key. */
function isSignedAs({ asn1js }: Pki, signer: Pkijs.SignerInfo, authority: Uint8Array): boolean {
  let value = attribute(signer, ATTRIBUTE.signingCertificateV2);
  // SigningCertificateV2 → certs → the first, which is the signer's.
  for (let depth = 0; depth < 2; depth += 1)
    value = value instanceof asn1js.Sequence ? value.valueBlock.value[0] : undefined;
  const parts = value instanceof asn1js.Sequence ? value.valueBlock.value : [];
  const algorithm = parts[0] instanceof asn1js.Sequence ? parts[0].valueBlock.value[0] : undefined;
  const named = algorithm instanceof asn1js.ObjectIdentifier ? algorithm.getValue() : undefined;
  const hash = parts[0] instanceof asn1js.Sequence ? DIGESTS.get(named ?? '') : 'sha256';
  const certHash = parts[0] instanceof asn1js.Sequence ? parts[1] : parts[0];
  return (
    hash !== undefined &&
    certHash instanceof asn1js.OctetString &&
    octetsOf(certHash).equals(digestWith(hash, authority))
  );
}

/** The content, once it is proven that this certificate's key signed it. */
function signedContent(pki: Pki, content: Pkijs.SignedData, authority: Uint8Array, key: KeyObject): Buffer {
  const { asn1js } = pki;
  const { eContentType, eContent } = content.encapContentInfo;
  const [signer, second] = content.signerInfos;
  if (eContentType !== TST_INFO || eContent === undefined) throw refused('the token holds no time-stamp');
  if (signer?.signedAttrs === undefined || second !== undefined) throw refused('not signed by one authority');
  const octets = Buffer.from(eContent.getValue());
  const hash = DIGESTS.get(signer.digestAlgorithm.algorithmId);
  const type = attribute(signer, ATTRIBUTE.contentType);
  const digest = attribute(signer, ATTRIBUTE.messageDigest);
  if (!(type instanceof asn1js.ObjectIdentifier) || type.getValue() !== TST_INFO)
    throw refused('the signed type of content is another');
  if (
    hash === undefined ||
    !(digest instanceof asn1js.OctetString) ||
    !octetsOf(digest).equals(digestWith(hash, octets))
  )
    throw refused('the signed digest is not that of the content');
  if (!isSignedAs(pki, signer, authority))
    throw refused('signed under another certificate than the approved one');
  const signature = {
    algorithm: signer.signatureAlgorithm,
    digest: signer.digestAlgorithm.algorithmId,
    signature: octetsOf(signer.signature),
  };
  if (!verifyDerSignature(pki, signature, new Uint8Array(signer.signedAttrs.encodedValue), key))
    throw refused('the signature does not verify');
  return octets;
}

/** Verifies a time-stamp, given as token or as whole response (DER): granted, signed by the approved authority's
 *  certificate, which is for time-stamping and was valid at genTime; over these octets by SHA-256 or longer; with the
 *  nonce that was sent, under an accepted policy.
 *  Not verified here: whether that certificate was revoked, and how old the time-stamp is.
 *  @throws {OncewayError} `time_stamp_invalid` */
export function verifyTimeStamp(der: Uint8Array, options: TimeStampOptions): Promise<VerifiedTimeStamp> {
  return underCode('time_stamp_invalid', 'the time-stamp does not verify', async () => {
    const pki = await loadPki();
    const token = tokenIn(pki, der);
    const octets = Buffer.from(token.valueBeforeDecodeView);
    const envelope = new pki.pkijs.ContentInfo({ schema: token });
    if (envelope.contentType !== pki.pkijs.ContentInfo.SIGNED_DATA)
      throw refused('the token is not signed data');
    const signed = new pki.pkijs.SignedData({ schema: envelope.content as unknown });
    const { publicKey } = new X509Certificate(options.authority);
    const schema = readDer(
      pki,
      signedContent(pki, signed, options.authority, publicKey),
      TIME_STAMP_BYTES_MAX,
    );
    const info = new pki.pkijs.TSTInfo({ schema });
    const genTimeMs = info.genTime.getTime();
    await verifyChain(options.authority, {
      authorities: options.authorities,
      atMs: genTimeMs,
      usage: 'time-stamping',
    });
    const hash = DIGESTS.get(info.messageImprint.hashAlgorithm.algorithmId);
    if (
      hash === undefined ||
      !octetsOf(info.messageImprint.hashedMessage).equals(digestWith(hash, options.data))
    )
      throw refused('it is over other octets');
    if (options.nonce !== undefined && info.nonce?.toBigInt() !== bigIntOf(options.nonce))
      throw refused('it answers another question: the nonce differs');
    if (options.policies?.includes(info.policy) === false) throw refused('its policy is not accepted');
    if (info.version !== 1 || info.extensions?.some(({ critical }) => critical))
      throw refused('an unknown version or critical extension');
    return {
      genTimeMs,
      serial: octetsOf(info.serialNumber).toString('hex'),
      policy: info.policy,
      token: octets,
    };
  });
}
