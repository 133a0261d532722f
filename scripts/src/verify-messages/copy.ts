// One copy of a message: an entry of one server's log. Proves who signed the message, under which configuration, and
// that the entry lies in that server's witnessed and time-stamped log. What the two copies say together: exchange.ts.
import { X509Certificate } from 'node:crypto';
import { verifyChain, verifyPurpose, verifyStatus } from './certificate.js';
import { checkClaims, checkClosing, type Claims, type Kind } from './claims.js';
import { verifyConfiguration, type Anchor, type Configuration, type ServerRecord } from './configuration.js';
import { prove } from './finding.js';
import type { ShownEntry } from './interface.js';
import { parseJws, verifyJws, type Jws } from './jws.js';
import { openCheckpoint, verifyCosignatures, type Checkpoint } from './note.js';
import { decode, digestOf, parseStrict, type Json } from './octets.js';
import type { Openssl } from './openssl.js';
import type { Promises } from './promises.js';
import { stampedAtMs } from './time-stamp.js';
import { leafHash, verifyInclusion } from './tree.js';

/** What servers allow themselves beyond the policy until a checkpoint is sealed (design: every 60 s at least). */
const SEALING_MS = 60_000;

interface Entry extends Json {
  readonly type: 'message' | 'refusal';
  readonly at: number;
  readonly dir: 'in' | 'out';
  readonly message: string;
  readonly closing?: string;
  readonly refusal?: string;
  readonly cfg: { readonly seq: number; readonly digest: string };
  readonly chain: readonly string[];
  readonly ocsp?: string;
}

interface Message {
  /** The closing's, where there is one. */
  readonly mid: string;
  readonly compact: string;
  readonly kind: Kind;
  /** Of a streamed body the opening. */
  readonly jws: Jws;
  readonly claims: Claims;
  readonly closing?: Jws | undefined;
}

export interface Copy extends Message {
  readonly server: string;
  readonly shown: ShownEntry;
  readonly entry: Entry;
}

/** A message taken apart: its form only. */
export function parseMessage(compact: string): Message {
  const jws = parseJws(compact, 'certificate');
  const kind = /^exchange-(request|answer|refusal)\+jws$/.exec(String(jws.header['typ']))?.[1];
  prove(kind !== undefined, 'form', 'typ is none of a message');
  const claims = checkClaims(kind as Kind, jws.header, jws.payload);
  return { mid: jws.mid, compact, kind: kind as Kind, jws, claims };
}

/** Makes a message of its opening (docs/protocol.md, Bodies). Alone an opening stands only where a request was refused
 *  on it. */
function close(opening: Message, { type, closing }: Entry): Message {
  const { jws, kind, claims } = opening;
  const isOpening = claims.body?.follows === true;
  if (closing === undefined) {
    const isRefused = type === 'refusal' && kind === 'request';
    prove(!isOpening || isRefused, 'closing', 'the closing of a body that follows is missing');
    return opening;
  }
  prove(isOpening && type === 'message', 'closing', 'a closing where no body follows');
  const closed = parseJws(closing, 'certificate');
  checkClosing(closed);
  prove(closed.payload['re'] === jws.mid, 'closing', 'the closing is of another opening');
  for (const name of ['alg', 'x5t#S256'])
    prove(closed.header[name] === jws.header[name], 'closing', `opening and closing differ in ${name}`);
  return { ...opening, mid: closed.mid, closing: closed };
}

/** Takes an entry apart: which of its messages has this id, and of which kind it is. Nothing is verified yet. */
export function parseCopy(server: string, shown: ShownEntry, mid: string): Copy {
  const json = parseStrict(Buffer.from(shown.entry));
  const isExchange = json['v'] === 1 && ['message', 'refusal'].includes(String(json['type']));
  prove(isExchange && ['in', 'out'].includes(String(json['dir'])), 'form', 'the entry is none of a message');
  const entry = json as Entry;
  prove(json['batch'] === undefined, 'form', 'a message of a batch');
  const messages = [close(parseMessage(entry.message), entry)];
  if (entry.refusal !== undefined) messages.push(parseMessage(entry.refusal));
  // A streamed message is found by either id.
  const message = messages.find(({ mid: own, jws }) => own === mid || jws.mid === mid);
  prove(message !== undefined, 'form', 'the entry holds no message of this id');
  const isRefusal = message.compact === entry.refusal;
  prove((message.kind === 'refusal') === isRefusal, 'form', 'not at its place in the entry');
  return { ...message, server, shown, entry };
}

export interface Proven {
  readonly configuration: number;
  readonly witnesses: number;
  readonly stampedAtMs: number;
}

export interface Judges {
  readonly anchor: Anchor;
  readonly openssl: Openssl;
  readonly promises: Promises;
}

/** @param certificates DER of both copies' materials, by digest */
export function verifyCopy(copy: Copy, certificates: ReadonlyMap<string, Buffer>, judges: Judges): Proven {
  const { shown, entry, jws, claims } = copy;
  prove(shown.configuration !== undefined, 'configuration', 'the server shows no configuration');
  const configuration = verifyConfiguration(shown.configuration, judges.anchor);
  const isNamed = configuration.digest === entry.cfg.digest && configuration.seq === entry.cfg.seq;
  prove(isNamed, 'configuration', 'the configuration shown is another than the entry names');
  // Of two genuine heads with one number one is a fraud (docs/protocol.md, Configuration).
  const isFork = claims.cfg.seq === entry.cfg.seq && claims.cfg.digest !== entry.cfg.digest;
  prove(!isFork, 'configuration', 'message and entry name different heads of one number');
  const skewMs = configuration.policy.clockSkewMs;
  const isInForce =
    configuration.issued * 1000 <= entry.at + skewMs && entry.at <= configuration.expires * 1000 + skewMs;
  prove(isInForce, 'configuration', 'the configuration was not in force when the entry was made');

  verifySigner(copy, configuration, certificates);
  verifyLeafStatus(copy, configuration, certificates, judges.openssl);
  const checkpoint = verifyPlace(copy, configuration, judges.promises);
  const witnesses = verifyCosignatures(shown.server?.checkpoint ?? '', judges.anchor.witnesses);
  const stamped = verifyStamp(shown, checkpoint, configuration, judges.openssl);
  // Of an answer nobody judged when its closing was signed.
  const last = copy.kind === 'request' ? (copy.closing ?? jws) : jws;
  const iatMs = Math.max(Number(jws.header['iat']), Number(last.header['iat'])) * 1000;
  prove(iatMs - skewMs <= entry.at, 'time', 'the entry was made before the message was signed');
  const isTimely =
    entry.at <= stamped && stamped - entry.at <= configuration.policy.stampingBacklogMs + SEALING_MS;
  prove(isTimely, 'time', 'the entry was not stamped within the time that the policy allows');
  return { configuration: configuration.seq, witnesses, stampedAtMs: stamped };
}

/** Signature, listing and chain of whoever signed: of a closing by the opening's key, as listed at the opening's iat. */
function verifySigner(
  { jws, closing, claims: { iss, server } }: Copy,
  { servers, policy, authorities }: Configuration,
  certificates: ReadonlyMap<string, Buffer>,
): void {
  const digest = String(jws.header['x5t#S256']);
  const iat = Number(jws.header['iat']);
  const member = iss.split('/').slice(0, 3).join('/');
  const record = recordOf(servers, server);
  const listed = record.signing.find((one) => one.certificate === digest && one.member === member);
  prove(listed !== undefined, 'listed', `the certificate is not listed for ${member} on ${server}`);
  prove(listed.from <= iat && iat < listed.until, 'listed', 'the certificate was not listed at iat');
  const isHosted = record.clients.includes(iss) || server.startsWith(`${iss}/`);
  prove(isHosted, 'listed', `${iss} is not registered on ${server}`);
  const isAllowed = policy.algorithms.some(
    ({ alg, from, until = Infinity }) => alg === listed.alg && from <= iat && iat < until,
  );
  prove(isAllowed, 'listed', `the policy does not allow ${listed.alg}`);
  const der = certificates.get(digest);
  prove(der !== undefined, 'certificate', 'no log holds the certificate');
  const certificate = new X509Certificate(der);
  for (const signed of closing === undefined ? [jws] : [jws, closing])
    verifyJws(signed, certificate.publicKey, listed.alg);
  verifyPurpose(certificate);
  verifyChain(certificate, authorities, iat * 1000);
}

function recordOf(servers: readonly ServerRecord[], id: string): ServerRecord {
  const record = servers.find((one) => one.id === id);
  prove(record !== undefined, 'listed', `the configuration does not know ${id}`);
  return record;
}

/** The status of the certificate on which the entry relied: in a refusal's entry that is the other party's. */
function verifyLeafStatus(
  { entry, jws, shown }: Copy,
  { policy, authorities }: Configuration,
  certificates: ReadonlyMap<string, Buffer>,
  openssl: Openssl,
): void {
  const [leaf = ''] = entry.chain;
  const isSigner = leaf === jws.header['x5t#S256'] || entry.type === 'refusal';
  prove(isSigner, 'certificate', 'the entry relies on another certificate than the message');
  const der = certificates.get(leaf);
  const answer = shown.materials.find(({ kind, digest }) => kind === 'ocsp' && digest === entry.ocsp);
  prove(der !== undefined && answer !== undefined, 'certificate_status', 'no OCSP answer in the log');
  const octets = decode(answer.octets, 'base64');
  prove(digestOf(octets) === answer.digest, 'certificate_status', 'an OCSP answer of another digest');
  const chain = verifyChain(new X509Certificate(der), authorities, entry.at);
  const [certificate, issuer] = chain;
  prove(certificate !== undefined && issuer !== undefined, 'certificate', 'the certificate has no issuer');
  const { clockSkewMs: skewMs, ocspFreshnessMs: freshnessMs } = policy;
  const hash = verifyStatus(octets, certificate, issuer, { atMs: entry.at, skewMs, freshnessMs });
  openssl.verifyStatus(octets, hash, chain, entry.at);
}

/** From the entry up to the checkpoint of the server's log, under the keys listed for this server. */
function verifyPlace({ server, shown }: Copy, { servers }: Configuration, promises: Promises): Checkpoint {
  const { lane, server: above } = shown;
  prove(lane !== undefined && above !== undefined, 'inclusion', 'no checkpoint covers the entry');
  const { logs } = recordOf(servers, server);
  const keyOf = (origin: string): string => {
    const listed = logs.find((log) => log.origin === origin);
    prove(listed !== undefined, 'checkpoint', `${origin} is no log of ${server}`);
    return listed.key;
  };
  const { size, root } = openCheckpoint(lane.checkpoint, keyOf(shown.log));
  const leaf = leafHash(Buffer.from(shown.entry));
  verifyInclusion({ index: shown.index, size, leaf, proof: lane.proof, root });
  const { type, event, origin, note } = parseStrict(Buffer.from(above.entry));
  const isOfLane = type === 'lane' && event !== 'opened' && origin === shown.log && note === lane.checkpoint;
  prove(isOfLane, 'inclusion', 'the entry of the server’s log does not hold the checkpoint of the lane');
  const ofServer = above.checkpoint.slice(0, above.checkpoint.indexOf('\n'));
  prove(ofServer !== shown.log, 'checkpoint', 'a lane is not the log of its server');
  const checkpoint = openCheckpoint(above.checkpoint, keyOf(ofServer));
  const inServer = { index: above.index, size: checkpoint.size, proof: above.proof, root: checkpoint.root };
  verifyInclusion({ ...inServer, leaf: leafHash(Buffer.from(above.entry)) });
  promises.known(shown.log, size, root);
  promises.known(ofServer, checkpoint.size, checkpoint.root);
  return checkpoint;
}

function verifyStamp(
  { server }: ShownEntry,
  { stamped }: Checkpoint,
  { stampingAuthorities, authorities }: Configuration,
  openssl: Openssl,
): number {
  prove(server?.timeStamp !== undefined, 'time_stamp', 'the checkpoint has no time-stamp');
  const token = decode(server.timeStamp, 'base64', 'time_stamp');
  const data = Buffer.from(stamped);
  const atMs = stampedAtMs(token, data);
  // The token holds the certificate that signed it, and openssl lets no other have done so.
  const der = stampingAuthorities
    .map(({ certificate }) => decode(certificate, 'base64'))
    .find((one) => token.includes(one));
  prove(der !== undefined, 'time_stamp', 'the token is by no listed time-stamping authority');
  const authority = new X509Certificate(der);
  verifyChain(authority, authorities, atMs);
  openssl.verifyStamp(token, data, authority, atMs);
  return atMs;
}
