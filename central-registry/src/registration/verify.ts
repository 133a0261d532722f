// Verifies a management request: two signatures over one payload, by the member's signing key and by the server's
// authentication key. Whether it may be granted is decided in apply.ts. Its certificates are verified once more before
// it is approved.
import {
  OncewayError,
  parseJws,
  parseMessageHeader,
  verifySignature,
  type CertificationAuthorityRecord,
  type ParsedJws,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';
import { REQUEST_JWS_BYTES_MAX, REQUEST_LIFETIME_S_MAX } from '../limits.js';
import type { CertificateUsage } from '../members/server-certificate.js';
import { judgeCertificate, type JudgedCertificate, type StatusCheck } from './certificate.js';
import {
  bringsItsSigner,
  readManagementRequest,
  type Signers,
  type TakenRequest,
} from './management-request.js';

/** Body of `POST /management-requests`. */
export interface SubmittedRequest {
  /** By the member's signing key, then by the server's authentication key. */
  readonly request: readonly [string, string];
  /** Both certificates, in the same order, base64 DER. */
  readonly certificates: Signers;
}

/** A request whose form, time, certificates and signatures are good. */
export interface VerifiedRequest {
  readonly payload: TakenRequest;
  readonly submitted: SubmittedRequest;
  /** By which the member's key signed. */
  readonly alg: SignatureAlgorithm;
}

/** What certificates are judged by. */
export interface CertificateBasis {
  readonly authorities: readonly CertificationAuthorityRecord[];
  readonly nowMs: number;
  readonly checkStatus: StatusCheck;
}

export interface VerificationBasis extends CertificateBasis {
  readonly instance: string;
  readonly skewMs: number;
}

/** @throws {OncewayError} codes of the formats, `request_invalid`, `instance_unknown`, `message_expired`,
 *  `message_from_future`, `certificate_invalid`, `certificate_revoked`, `certificate_status_unknown`,
 *  `signature_invalid` */
export async function verifyRequest(
  submitted: SubmittedRequest,
  basis: VerificationBasis,
): Promise<VerifiedRequest> {
  const [byMember, byServer] = submitted.request.map((compact) =>
    parseJws(compact, REQUEST_JWS_BYTES_MAX),
  ) as [ParsedJws, ParsedJws];
  if (!byMember.payloadOctets.equals(byServer.payloadOctets))
    throw new OncewayError('request_invalid', 'the two signatures stand over different payloads');
  const payload = readManagementRequest(byMember.payload);
  if (payload.instance !== basis.instance || !`${payload.member}/`.startsWith(`${basis.instance}/`))
    throw new OncewayError('instance_unknown', `the request is for ${payload.instance}`);
  for (const jws of [byMember, byServer]) checkHeader(jws, payload.exp, basis);

  const judged = await judgeAll(payload, submitted.certificates, basis);
  const alg = checkSignature(byMember, judged.signing);
  checkSignature(byServer, judged.authentication);
  // The last, since it asks somebody else: nobody without these keys can make the registry do so.
  await checkStatuses(judged, basis);
  return { payload, submitted, alg };
}

/** Verifies the certificates of a request again, as they stand now: it may have waited for weeks.
 *  @throws {OncewayError} `certificate_invalid`, `certificate_revoked`, `certificate_status_unknown` */
export async function verifyCertificates(
  payload: TakenRequest,
  certificates: Signers,
  basis: CertificateBasis,
): Promise<void> {
  await checkStatuses(await judgeAll(payload, certificates, basis), basis);
}

interface JudgedCertificates {
  readonly signing: JudgedCertificate;
  readonly authentication: JudgedCertificate;
  /** The certificate that a `register-certificate` brings, where it is not the one that signed. */
  readonly added?: JudgedCertificate;
}

async function judgeAll(
  payload: TakenRequest,
  certificates: Signers,
  { authorities, nowMs }: CertificateBasis,
): Promise<JudgedCertificates> {
  const judge = (base64: string, usage: CertificateUsage): Promise<JudgedCertificate> =>
    judgeCertificate(base64, usage, payload, authorities, nowMs);
  const signing = await judge(certificates[0], 'signing');
  const authentication = await judge(certificates[1], 'authentication');
  if (payload.type !== 'register-certificate' || bringsItsSigner(payload, certificates))
    return { signing, authentication };
  return { signing, authentication, added: await judge(payload.certificate, payload.usage) };
}

async function checkStatuses(
  { signing, authentication, added }: JudgedCertificates,
  { checkStatus }: CertificateBasis,
): Promise<void> {
  for (const judged of [signing, authentication, added]) if (judged !== undefined) await checkStatus(judged);
}

function checkHeader(jws: ParsedJws, exp: number, { nowMs, skewMs }: VerificationBasis): void {
  const { typ, iat } = parseMessageHeader(jws.header);
  if (typ !== 'management-request+jws')
    throw new OncewayError('request_invalid', 'typ is not management-request+jws');
  if (exp < iat || exp > iat + REQUEST_LIFETIME_S_MAX)
    throw new OncewayError('request_invalid', `exp is at most ${REQUEST_LIFETIME_S_MAX} s after iat`);
  if (iat * 1000 - skewMs > nowMs) throw new OncewayError('message_from_future', 'iat lies in the future');
  if (exp * 1000 < nowMs) throw new OncewayError('message_expired', 'exp is over');
}

function checkSignature(jws: ParsedJws, { certificate, digest }: JudgedCertificate): SignatureAlgorithm {
  if (jws.header['x5t#S256'] !== digest)
    throw new OncewayError('certificate_invalid', 'x5t#S256 is not of the certificate given');
  const alg = jws.header['alg'] as SignatureAlgorithm;
  verifySignature(jws, certificate.publicKey, alg);
  return alg;
}
