// OCSP responder (RFC 6960, nonce by RFC 8954) as a request listener of node:http. It signs what `statusOf` says with a
// delegate's key, and knows nothing of how certificates come to be.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Constructed, Enumerated, GeneralizedTime, OctetString, Primitive } from 'asn1js';
import {
  BasicOCSPResponse,
  Certificate,
  CertID,
  Extension,
  id_PKIX_OCSP_Basic,
  OCSPRequest,
  OCSPResponse,
  ResponseBytes,
  SingleResponse,
} from 'pkijs';
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import { parseExactly, signingKeyOf } from './asn1.js';
import { REVOCATION_REASONS, type CertificateStatus } from './certificate-status.js';
import type { Credential } from './credential.js';
import { OCSP_CERTIFICATES_MAX, OCSP_NONCE_BYTES_MAX, REQUEST_BYTES_MAX } from './limits.js';
import { mediaType, readBody, send } from './request-body.js';

export interface OcspResponderOptions {
  /** DER of the authority whose certificates are answered for. */
  readonly issuer: Uint8Array;
  /** A key with a certificate for OCSPSigning by that authority. */
  readonly responder: Credential;
  /** @param serial lower-case hexadecimal without leading zero octets */
  readonly statusOf: (serial: string) => CertificateStatus;
  readonly clock: () => number;
  /** How long an answer may be used: nextUpdate − thisUpdate. */
  readonly validityMs: number;
  /** Told of what broke here; a client only learns `internalError`. */
  readonly report: (error: unknown) => void;
}

/** RFC 6960 §4.2.1, OCSPResponseStatus. */
const MALFORMED_REQUEST = 1;
const INTERNAL_ERROR = 2;
const UNAUTHORIZED = 6;
const NONCE = '1.3.6.1.5.5.7.48.1.2';
const HASHES = ['SHA-1', 'SHA-256'] as const;

/** Answers POST with `application/ocsp-request`, and GET with the request in base64 as the path (RFC 6960 appendix A).
 *  Whatever can not be read is answered `malformedRequest`; another issuer's certificate `unauthorized`. */
export async function createOcspListener(options: OcspResponderOptions): Promise<RequestListener> {
  const responder = await createResponder(options);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'POST') {
      response.setHeader('Allow', 'GET, POST');
      return send(response, 405, 'text/plain', 'method not allowed\n');
    }
    if (request.method === 'POST' && mediaType(request) !== 'application/ocsp-request')
      return send(response, 415, 'text/plain', 'send application/ocsp-request\n');
    let answer: Buffer;
    try {
      answer = await responder(
        request.method === 'GET' ? fromPath(request.url ?? '') : await readBody(request),
      );
    } catch (error) {
      const unreadable = ['request_invalid', 'body_too_large'].includes(codeOf(error));
      if (!unreadable) options.report(error);
      answer = failure(unreadable ? MALFORMED_REQUEST : INTERNAL_ERROR);
    }
    send(response, 200, 'application/ocsp-response', answer);
  };
  return (request, response) => void handle(request, response).catch(options.report);
}

function fromPath(url: string): Buffer {
  let text: string;
  try {
    text = decodeURIComponent(url.slice(1)); // base64 has a slash of its own: everything after the first one counts
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the path is not percent-encoded', { cause });
  }
  const octets = Buffer.from(text, 'base64');
  if (octets.toString('base64') !== text || octets.length > REQUEST_BYTES_MAX)
    throw new OncewayError('request_invalid', 'the path is not base64');
  return octets;
}

/** From one request's octets to one answer's. @throws {OncewayError} `request_invalid` */
async function createResponder(options: OcspResponderOptions): Promise<(octets: Buffer) => Promise<Buffer>> {
  const issuer = Certificate.fromBER(options.issuer);
  const certificate = Certificate.fromBER(options.responder.certificate);
  const key = await signingKeyOf(options.responder.key);
  const ours = await Promise.all(HASHES.map((hashAlgorithm) => issuerIdentity(issuer, hashAlgorithm)));

  return async (octets) => {
    const { identifiers, nonce } = parseRequest(octets);
    if (!identifiers.every((id) => ours.includes(identityOf(id)))) return failure(UNAUTHORIZED);
    const nowMs = Math.floor(options.clock() / 1000) * 1000; // RFC 5280 §4.1.2.5.2 forbids fractions
    const basic = new BasicOCSPResponse({ certs: [certificate] });
    const data = basic.tbsResponseData;
    data.responderID = certificate.subject;
    data.producedAt = new Date(nowMs);
    data.responses = identifiers.map((id) => {
      const serial = Buffer.from(id.serialNumber.valueBlock.valueHexView)
        .toString('hex')
        .replace(/^(00)+(?=..)/, '');
      return new SingleResponse({
        certID: id,
        certStatus: encodeStatus(options.statusOf(serial)),
        thisUpdate: new Date(nowMs),
        nextUpdate: new Date(nowMs + options.validityMs),
      });
    });
    if (nonce !== undefined) {
      const extnValue = new OctetString({ valueHex: nonce }).toBER();
      data.responseExtensions = [new Extension({ extnID: NONCE, extnValue })];
    }
    await basic.sign(key, 'SHA-256');
    const responseBytes = new ResponseBytes({
      responseType: id_PKIX_OCSP_Basic,
      response: new OctetString({ valueHex: basic.toSchema().toBER() }),
    });
    const answer = new OCSPResponse({ responseStatus: new Enumerated({ value: 0 }), responseBytes });
    return Buffer.from(answer.toSchema().toBER());
  };
}

function failure(status: number): Buffer {
  return Buffer.from(
    new OCSPResponse({ responseStatus: new Enumerated({ value: status }) }).toSchema().toBER(),
  );
}

interface ParsedRequest {
  readonly identifiers: CertID[];
  readonly nonce: Uint8Array | undefined;
}

/** A signature on the request proves nothing we ask for and is not looked at (RFC 6960 §4.1.2 leaves it to us). */
function parseRequest(octets: Buffer): ParsedRequest {
  const schema = parseExactly(octets);
  let request: OCSPRequest;
  try {
    if (schema === undefined) throw new TypeError('not one DER object');
    request = new OCSPRequest({ schema });
  } catch (cause) {
    throw new OncewayError('request_invalid', 'not an OCSP request', { cause });
  }
  const { requestList, requestExtensions = [] } = request.tbsRequest;
  if (requestList.length === 0 || requestList.length > OCSP_CERTIFICATES_MAX)
    throw new OncewayError('request_invalid', `ask for 1 to ${OCSP_CERTIFICATES_MAX} certificates`);
  const single = requestList.flatMap((one) => one.singleRequestExtensions ?? []);
  if ([...requestExtensions, ...single].some(({ critical, extnID }) => critical && extnID !== NONCE))
    throw new OncewayError('request_invalid', 'a critical extension is not known here');
  const nonces = requestExtensions.filter(({ extnID }) => extnID === NONCE);
  if (nonces.length > 1) throw new OncewayError('request_invalid', 'more than one nonce');
  return { identifiers: requestList.map(({ reqCert }) => reqCert), nonce: nonces[0] && nonceOf(nonces[0]) };
}

function nonceOf(extension: Extension): Uint8Array {
  const inner = parseExactly(extension.extnValue.valueBlock.valueHexView);
  const nonce = inner instanceof OctetString ? inner.valueBlock.valueHexView : new Uint8Array();
  if (nonce.length < 1 || nonce.length > OCSP_NONCE_BYTES_MAX)
    throw new OncewayError('request_invalid', `a nonce has 1 to ${OCSP_NONCE_BYTES_MAX} octets (RFC 8954)`);
  return nonce;
}

async function issuerIdentity(issuer: Certificate, hashAlgorithm: string): Promise<string> {
  const id = new CertID();
  await id.createForCertificate(issuer, { hashAlgorithm, issuerCertificate: issuer });
  return identityOf(id);
}

function identityOf({ hashAlgorithm, issuerNameHash, issuerKeyHash }: CertID): string {
  const hex = (value: OctetString): string => Buffer.from(value.valueBlock.valueHexView).toString('hex');
  return `${hashAlgorithm.algorithmId}:${hex(issuerNameHash)}:${hex(issuerKeyHash)}`;
}

/** CertStatus ::= CHOICE { good [0] NULL, revoked [1] RevokedInfo, unknown [2] NULL }, tags implicit. */
function encodeStatus(status: CertificateStatus): Primitive | Constructed {
  const tag = (tagNumber: number) => ({ idBlock: { tagClass: 3, tagNumber } });
  if (status.state !== 'revoked') return new Primitive(tag(status.state === 'good' ? 0 : 2));
  const value = [
    new GeneralizedTime({ valueDate: new Date(status.revokedAtMs) }),
    new Constructed({ ...tag(0), value: [new Enumerated({ value: REVOCATION_REASONS[status.reason] })] }),
  ];
  return new Constructed({ ...tag(1), value });
}
