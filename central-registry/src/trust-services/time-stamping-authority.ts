// Time-stamping authority (RFC 3161, RFC 5816) as a request listener of node:http. It states that an imprint existed at
// the time of its own clock; it never sees what was stamped.
import { createHash, randomBytes as systemRandomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { BitString, Integer, ObjectIdentifier, OctetString, Primitive, Sequence } from 'asn1js';
import {
  Accuracy,
  Attribute,
  Certificate,
  ContentInfo,
  EncapsulatedContentInfo,
  IssuerAndSerialNumber,
  PKIStatusInfo,
  SignedAndUnsignedAttributes,
  SignedData,
  SignerInfo,
  TimeStampReq,
  TimeStampResp,
  TSTInfo,
} from 'pkijs';
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import { parseExactly, signingKeyOf } from './asn1.js';
import type { RandomBytes } from './certificate-signature.js';
import type { Credential } from './credential.js';
import { TIME_STAMP_NONCE_BYTES_MAX } from './limits.js';
import { mediaType, readBody, send } from './request-body.js';
import { openStateFile } from '../state-file.js';

/** Under the enterprise number that RFC 5612 sets aside for examples: good for pilots, and found in no production. */
export const PILOT_TIME_STAMP_POLICY = '1.3.6.1.4.1.32473.1.1';

export interface TimeStampingAuthorityOptions {
  /** A key with a certificate for timeStamping alone. */
  readonly authority: Credential;
  /** DER of what a verifier needs beside the authority's own certificate; sent when certificates are asked for. */
  readonly issuers: readonly Uint8Array[];
  /** Object identifier; also the only one that a request may name. */
  readonly policy: string;
  /** SQLite file that counts the stamps. */
  readonly stateFile: string;
  readonly clock: () => number;
  readonly randomBytes?: RandomBytes;
  /** Told of what broke here; a client only learns `systemFailure`. */
  readonly report: (error: unknown) => void;
}

export interface TimeStampListener extends RequestListener {
  /** Closes the state file. */
  close(): void;
}

/** RFC 3161 §2.4.2, PKIFailureInfo: the number of the bit. */
const FAILURES = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  systemFailure: 25,
};
type Failure = keyof typeof FAILURES;

const IMPRINT_BYTES: Readonly<Record<string, number>> = {
  '2.16.840.1.101.3.4.2.1': 32, // SHA-256
  '2.16.840.1.101.3.4.2.2': 48, // SHA-384
  '2.16.840.1.101.3.4.2.3': 64, // SHA-512
};
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47';

/** Answers POST with `application/timestamp-query` (RFC 3161 §3.4): granted, or rejected with its failure. */
export async function createTimeStampListener(
  options: TimeStampingAuthorityOptions,
): Promise<TimeStampListener> {
  const serials = openSerials(options.stateFile, options.randomBytes ?? systemRandomBytes);
  const stamp = await createStamper(options, serials.next);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      return send(response, 405, 'text/plain', 'method not allowed\n');
    }
    if (mediaType(request) !== 'application/timestamp-query')
      return send(response, 415, 'text/plain', 'send application/timestamp-query\n');
    let answer: Buffer;
    try {
      const query = parseQuery(await readBody(request), options.policy);
      answer = typeof query === 'string' ? rejection(query) : await stamp(query);
    } catch (error) {
      const unreadable = ['request_invalid', 'body_too_large'].includes(codeOf(error));
      if (!unreadable) options.report(error);
      answer = rejection(unreadable ? 'badDataFormat' : 'systemFailure');
    }
    send(response, 200, 'application/timestamp-reply', answer);
  };
  return Object.assign<RequestListener, { close(): void }>(
    (request, response) => void handle(request, response).catch(options.report),
    { close: serials.close },
  );
}

/** Two serials are never equal: the count is durable before the stamp leaves, and 64 random bits behind it keep even a
 *  restored, older state file from repeating one. */
function openSerials(path: string, randomBytes: RandomBytes): { next: () => bigint; close: () => void } {
  const state = openStateFile(
    path,
    [
      'CREATE TABLE stamps (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT; INSERT INTO stamps VALUES (1, 0);',
    ],
    { create: true },
  );
  const advance = state.prepare('UPDATE stamps SET count = count + 1 RETURNING count').pluck();
  return {
    next: () => (BigInt(advance.get() as number) << 64n) | randomBytes(8).readBigUInt64BE(),
    close: () => state.close(),
  };
}

function parseQuery(octets: Buffer, policy: string): TimeStampReq | Failure {
  const schema = parseExactly(octets);
  let query: TimeStampReq;
  try {
    if (schema === undefined) throw new TypeError('not one DER object');
    query = new TimeStampReq({ schema });
  } catch (cause) {
    throw new OncewayError('request_invalid', 'not a time-stamp request', { cause });
  }
  const { hashAlgorithm, hashedMessage } = query.messageImprint;
  const imprintBytes = IMPRINT_BYTES[hashAlgorithm.algorithmId];
  if (query.version !== 1) return 'badRequest';
  if (imprintBytes === undefined) return 'badAlg';
  if (hashedMessage.valueBlock.valueHexView.length !== imprintBytes) return 'badDataFormat';
  if (query.reqPolicy !== undefined && query.reqPolicy !== policy) return 'unacceptedPolicy';
  if (query.extensions !== undefined && query.extensions.length > 0) return 'unacceptedExtension';
  if ((query.nonce?.valueBlock.valueHexView.length ?? 0) > TIME_STAMP_NONCE_BYTES_MAX) return 'badRequest';
  return query;
}

async function createStamper(
  options: TimeStampingAuthorityOptions,
  nextSerial: () => bigint,
): Promise<(query: TimeStampReq) => Promise<Buffer>> {
  const certificate = Certificate.fromBER(options.authority.certificate);
  const issuers = options.issuers.map((der) => Certificate.fromBER(der));
  const key = await signingKeyOf(options.authority.key);
  const certificateDigest = sha256(options.authority.certificate);

  return async (query) => {
    const content = encodeContent(query, options.policy, options.clock(), nextSerial());
    const encapContentInfo = new EncapsulatedContentInfo({ eContentType: TST_INFO });
    encapContentInfo.eContent = new OctetString({ valueHex: content }); // the constructor would cut it up, in BER
    const signedData = new SignedData({
      version: 3,
      encapContentInfo,
      signerInfos: [
        new SignerInfo({
          version: 1,
          sid: new IssuerAndSerialNumber({
            issuer: certificate.issuer,
            serialNumber: certificate.serialNumber,
          }),
          signedAttrs: signedAttributes(content, certificateDigest),
        }),
      ],
      ...(query.certReq === true ? { certificates: [certificate, ...issuers] } : {}),
    });
    await signedData.sign(key, 0, 'SHA-256');
    const response = new TimeStampResp({
      status: new PKIStatusInfo({ status: 0 }),
      timeStampToken: new ContentInfo({
        contentType: ContentInfo.SIGNED_DATA,
        content: signedData.toSchema(true),
      }),
    });
    return Buffer.from(response.toSchema().toBER());
  };
}

/** TSTInfo in DER, with the time to the millisecond: whole seconds would lie before what they stamp. */
function encodeContent(query: TimeStampReq, policy: string, nowMs: number, serial: bigint): Uint8Array {
  const info = new TSTInfo({
    version: 1,
    policy,
    messageImprint: query.messageImprint,
    serialNumber: Integer.fromBigInt(serial),
    genTime: new Date(nowMs),
    accuracy: new Accuracy({ seconds: 1 }),
    ...(query.nonce === undefined ? {} : { nonce: query.nonce }),
  });
  const schema = info.toSchema();
  // RFC 3161 §2.4.2: no trailing zeros in the fraction, which asn1js would write.
  const time = new Date(nowMs)
    .toISOString()
    .replace(/[-:T]/g, '')
    .replace(/\.?0*Z$/, 'Z');
  schema.valueBlock.value[4] = new Primitive({
    idBlock: { tagClass: 1, tagNumber: 24 },
    valueHex: Buffer.from(time),
  });
  return new Uint8Array(schema.toBER());
}

/** In the order that DER wants of a SET OF: verifiers that encode anew would otherwise see another signature input. */
function signedAttributes(content: Uint8Array, certificateDigest: Buffer): SignedAndUnsignedAttributes {
  const signingCertificate = [certificateDigest].map((valueHex) => new OctetString({ valueHex }));
  const nested = new Sequence({
    value: [new Sequence({ value: [new Sequence({ value: signingCertificate })] })],
  });
  const attributes = [
    new Attribute({ type: CONTENT_TYPE, values: [new ObjectIdentifier({ value: TST_INFO })] }),
    new Attribute({ type: MESSAGE_DIGEST, values: [new OctetString({ valueHex: sha256(content) })] }),
    new Attribute({ type: SIGNING_CERTIFICATE_V2, values: [nested] }),
  ];
  const der = (attribute: Attribute): Buffer => Buffer.from(attribute.toSchema().toBER());
  attributes.sort((a, b) => Buffer.compare(der(a), der(b)));
  return new SignedAndUnsignedAttributes({ type: 0, attributes });
}

function rejection(failure: Failure): Buffer {
  const bit = FAILURES[failure];
  const valueHex = Buffer.alloc((bit >> 3) + 1);
  valueHex[bit >> 3] = 0x80 >> (bit & 7);
  const failInfo = new BitString({ valueHex, unusedBits: 7 - (bit & 7) });
  return Buffer.from(
    new TimeStampResp({ status: new PKIStatusInfo({ status: 2, failInfo }) }).toSchema().toBER(),
  );
}

function sha256(octets: Uint8Array): Buffer {
  return createHash('sha256').update(octets).digest();
}
