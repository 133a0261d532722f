// Envelopes: the signed part of a message between security servers (docs/protocol.md#envelope). Shape and form only:
// who signed, and whether they may, is decided in ../verify and by the servers.
import type {
  AnswerClaims,
  BatchClaims,
  BodyClaims,
  Digest,
  MessageHeader,
  MessageId,
  RefusalClaims,
  RequestClaims,
} from '@onceway/schemas';
import { codeOf, OncewayError } from './errors.js';
import {
  parseClientId,
  parseMemberId,
  parseSecurityServerId,
  parseServiceId,
  parseSubsystemId,
} from './identifiers.js';
import { encodePart, messageIdOf, parseJws, type ParsedJws, type SignatureAlgorithm } from './jws.js';
import { MESSAGE_LIFETIME_S_MAX } from './limits.js';
import { digestOf } from './octets.js';
import { validatorOf } from './schema.js';

export type ExchangeType = 'exchange-request+jws' | 'exchange-answer+jws' | 'exchange-refusal+jws';

/** A message taken apart: of the right type and form. Not yet verified: signature, certificate, time, addressee. */
export interface Envelope<Claims> {
  readonly jws: ParsedJws;
  readonly mid: MessageId;
  readonly alg: SignatureAlgorithm;
  /** Digest of the signing certificate (`x5t#S256`). */
  readonly certificate: Digest;
  /** Seconds since 1970. */
  readonly iat: number;
  readonly claims: Claims;
}

/** How a message is signed: what the protected header says beside `typ`. */
export interface EnvelopeSigner {
  readonly alg: SignatureAlgorithm;
  readonly certificate: Digest;
  readonly iat: number;
}

/** Claims as their writer has them: one without a value may be undefined, and is left out. */
export type Written<Claims> = {
  readonly [Name in keyof Claims]: object extends Pick<Claims, Name>
    ? Claims[Name] | undefined
    : Claims[Name];
};

/** A message before its signature: sign `signingInput` (ASCII), then completeJws. */
export interface UnsignedEnvelope {
  readonly signingInput: string;
  readonly mid: MessageId;
}

const headerOf = validatorOf<MessageHeader>('message-header', 'envelope_invalid');
const requestOf = validatorOf<RequestClaims>('exchange-request', 'envelope_invalid');
const answerOf = validatorOf<AnswerClaims>('exchange-answer', 'envelope_invalid');
const refusalOf = validatorOf<RefusalClaims>('exchange-refusal', 'envelope_invalid');
const bodyOf = validatorOf<BodyClaims>('exchange-body', 'envelope_invalid');
const batchOf = validatorOf<BatchClaims>('exchange-batch', 'envelope_invalid');

const EMPTY_ROOT = digestOf(Buffer.alloc(0));
/** What `ext.must` may name: nothing yet. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set();

function invalid(why: string): OncewayError {
  return new OncewayError('envelope_invalid', why);
}

/** @throws {OncewayError} `envelope_invalid`, whatever breaks its form */
export function parseRequestEnvelope(compact: string): Envelope<RequestClaims> {
  return parseMessage(compact, 'exchange-request+jws', requestOf, ({ iss, aud }) => {
    parseClientId(iss);
    parseServiceId(aud);
  });
}

/** @throws {OncewayError} `envelope_invalid`, whatever breaks its form */
export function parseAnswerEnvelope(compact: string): Envelope<AnswerClaims> {
  return parseMessage(compact, 'exchange-answer+jws', answerOf, ({ iss, aud, data }) => {
    parseSubsystemId(iss);
    parseClientId(aud);
    if (data !== undefined && data.given.some((pointer) => !data.asked.includes(pointer)))
      throw invalid('data.given holds what was not asked');
  });
}

/** @throws {OncewayError} `envelope_invalid`, whatever breaks its form */
export function parseRefusalEnvelope(compact: string): Envelope<RefusalClaims> {
  return parseMessage(compact, 'exchange-refusal+jws', refusalOf, ({ iss, aud, log, code }) => {
    parseMemberId(iss);
    parseClientId(aud);
    // What was never recorded has no place in a log; whatever else is refused has one.
    if ((log.index === undefined) !== (code === 'not_recorded'))
      throw invalid('log.index is left out with not_recorded, and only then');
  });
}

/** The closing of a streamed body: of this opening, by the same key and certificate.
 *  @throws {OncewayError} `envelope_invalid` */
export function parseBodyClosing(
  compact: string,
  opening: Pick<Envelope<unknown>, 'mid' | 'alg' | 'certificate'>,
): Envelope<BodyClaims> {
  return inForm(() => {
    const closing = parseTyped(compact, 'exchange-body+jws', bodyOf);
    if (closing.claims.re !== opening.mid) throw invalid('the closing is of another opening');
    if (closing.alg !== opening.alg || closing.certificate !== opening.certificate)
      throw invalid('the closing is signed by another certificate than the opening');
    return closing;
  });
}

/** @throws {OncewayError} `envelope_invalid` */
export function parseBatchEnvelope(compact: string): Envelope<BatchClaims> {
  return inForm(() => parseTyped(compact, 'exchange-batch+jws', batchOf));
}

type MessageClaims = RequestClaims | AnswerClaims | RefusalClaims;

function parseMessage<Claims extends MessageClaims>(
  compact: string,
  typ: ExchangeType,
  claimsOf: (value: unknown) => Claims,
  checkParties: (claims: Claims) => void,
): Envelope<Claims> {
  return inForm(() => {
    const envelope = parseTyped(compact, typ, claimsOf);
    const { claims, iat } = envelope;
    checkParties(claims);
    parseSecurityServerId(claims.server);
    parseSecurityServerId(claims.to);
    if (claims.exp < iat || claims.exp > iat + MESSAGE_LIFETIME_S_MAX)
      throw invalid(`exp is not within ${MESSAGE_LIFETIME_S_MAX} s after iat`);
    if (claims.log.size === 0 && claims.log.root !== EMPTY_ROOT)
      throw invalid('an empty log has another root');
    for (const id of claims.ext?.must ?? [])
      if (!KNOWN_EXTENSIONS.has(id)) throw invalid(`extension ${id} is not known here`);
    return envelope;
  });
}

function parseTyped<Claims>(
  compact: string,
  typ: string,
  claimsOf: (value: unknown) => Claims,
): Envelope<Claims> {
  const jws = parseJws(compact);
  const header = typedHeader(jws.header);
  if (header.typ !== typ) throw invalid(`typ is not ${typ}`);
  return {
    jws,
    mid: messageIdOf(jws),
    alg: header.alg,
    certificate: header['x5t#S256'],
    iat: header.iat,
    claims: claimsOf(jws.payload),
  };
}

const typedHeaders = new WeakMap<ParsedJws['header'], MessageHeader>();

/** Once for each header that parseJws keeps. */
function typedHeader(header: ParsedJws['header']): MessageHeader {
  let typed = typedHeaders.get(header);
  if (typed === undefined) typedHeaders.set(header, (typed = headerOf(header)));
  return typed;
}

/** One code for whatever breaks the form: which of the rules it was stays in the cause. */
function inForm<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof OncewayError) || codeOf(cause) === 'envelope_invalid') throw cause;
    throw new OncewayError('envelope_invalid', cause.message, { cause });
  }
}

/** iat − skew ≤ now ≤ exp. An answer that was fetched afterwards is not too late.
 *  @throws {OncewayError} `message_from_future`, `message_expired` */
export function checkTime(
  envelope: Envelope<{ readonly exp: number }>,
  nowMs: number,
  skewMs: number,
  options: { readonly fetched?: boolean } = {},
): void {
  if (nowMs < envelope.iat * 1000 - skewMs)
    throw new OncewayError('message_from_future', 'iat is ahead of this clock by more than the skew');
  if (options.fetched !== true && nowMs > envelope.claims.exp * 1000)
    throw new OncewayError('message_expired', 'exp is past');
}

// Writers put the claims in the order of docs/protocol.md#envelope; a claim that is undefined is left out. Each writes all of
// its members: copying those that they share out of an object costs more than the rest (docs/performance.md).

export function encodeRequestEnvelope(
  signer: EnvelopeSigner,
  claims: Written<RequestClaims>,
): UnsignedEnvelope {
  const { v, jti, exp, iss, aud, server, to, trace, cfg, log, head, body, purpose, form, ext } = claims;
  return seal(signer, 'exchange-request+jws', {
    v,
    jti,
    exp,
    iss,
    aud,
    server,
    to,
    trace,
    cfg: { seq: cfg.seq, digest: cfg.digest },
    log: { origin: log.origin, size: log.size, root: log.root },
    head,
    body,
    purpose,
    form: form && { form: form.form, version: form.version, facts: form.facts },
    ext,
  });
}

export function encodeAnswerEnvelope(
  signer: EnvelopeSigner,
  claims: Written<AnswerClaims>,
): UnsignedEnvelope {
  const { v, jti, exp, iss, aud, server, to, trace, cfg, log, head, body, purpose } = claims;
  const { re, op, right, data, ext } = claims;
  return seal(signer, 'exchange-answer+jws', {
    v,
    jti,
    exp,
    iss,
    aud,
    server,
    to,
    trace,
    cfg: { seq: cfg.seq, digest: cfg.digest },
    log: { origin: log.origin, size: log.size, root: log.root, index: log.index },
    head,
    body,
    purpose,
    re,
    op,
    right,
    data: data && { dataset: data.dataset, version: data.version, asked: data.asked, given: data.given },
    ext,
  });
}

export function encodeRefusalEnvelope(signer: EnvelopeSigner, claims: RefusalClaims): UnsignedEnvelope {
  const { v, jti, exp, iss, aud, server, to, cfg, log, re, op, code, rule, retry, ext } = claims;
  return seal(signer, 'exchange-refusal+jws', {
    v,
    jti,
    exp,
    iss,
    aud,
    server,
    to,
    cfg: { seq: cfg.seq, digest: cfg.digest },
    log: { origin: log.origin, size: log.size, root: log.root, index: log.index },
    re,
    op,
    code,
    rule,
    retry,
    ext,
  });
}

export function encodeBodyClosing(signer: EnvelopeSigner, claims: BodyClaims): UnsignedEnvelope {
  return seal(signer, 'exchange-body+jws', { v: claims.v, re: claims.re, digest: claims.digest });
}

export function encodeBatchEnvelope(signer: EnvelopeSigner, claims: BatchClaims): UnsignedEnvelope {
  return seal(signer, 'exchange-batch+jws', { v: claims.v, n: claims.n, root: claims.root });
}

/** The newest protected header of each type: it serves all messages of one signer in one second. */
const protectedHeaders = new Map<string, EnvelopeSigner & { readonly text: string }>();

function protectedHeader(signer: EnvelopeSigner, typ: string): string {
  const { alg, certificate, iat } = signer;
  const known = protectedHeaders.get(typ);
  if (known?.iat === iat && known.certificate === certificate && known.alg === alg) return known.text;
  const text = encodePart({ alg, typ, 'x5t#S256': certificate, iat });
  protectedHeaders.set(typ, { alg, certificate, iat, text });
  return text;
}

function seal(signer: EnvelopeSigner, typ: string, payload: object): UnsignedEnvelope {
  const signingInput = `${protectedHeader(signer, typ)}.${encodePart(payload)}`;
  return { signingInput, mid: messageIdOf({ signingInput }) };
}
