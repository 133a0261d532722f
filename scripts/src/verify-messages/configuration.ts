// The global configuration that a message was made under: genuine from the anchor on, and what its records say.
import { createPublicKey } from 'node:crypto';
import { prove } from './finding.js';
import { parseJws, verifyJws } from './jws.js';
import { openCheckpoint, verifyCosignatures, type WitnessPolicy } from './note.js';
import { decode, digestOf, parseStrict, type Json } from './octets.js';
import { leafHash, rootOf, verifyInclusion } from './tree.js';

interface KeySet {
  readonly keys: readonly { readonly kid: string; readonly publicKey: string }[];
  readonly threshold: number;
}

export interface ListedLog {
  readonly origin: string;
  readonly key: string;
}

/** anchor.json: what the auditor was given by hand, and all that he believes. */
export interface Anchor {
  readonly instance: string;
  readonly roots: KeySet;
  readonly witnesses: WitnessPolicy;
  readonly log: ListedLog;
}

export interface ServerRecord {
  readonly type: 'security-server';
  readonly id: string;
  readonly signing: readonly {
    readonly certificate: string;
    readonly member: string;
    readonly alg: string;
    /** Seconds; until is exclusive. */
    readonly from: number;
    readonly until: number;
  }[];
  readonly clients: readonly string[];
  readonly logs: readonly ListedLog[];
}

interface Policy {
  readonly type: 'policy';
  readonly clockSkewMs: number;
  readonly ocspFreshnessMs: number;
  readonly stampingBacklogMs: number;
  readonly algorithms: readonly { readonly alg: string; readonly from: number; readonly until?: number }[];
}

interface Authority {
  readonly type: 'certification-authority';
  /** Root first; DER in base64. */
  readonly certificates: readonly string[];
}

interface StampingAuthority {
  readonly type: 'time-stamping-authority';
  readonly certificate: string;
}

/** As `GET /messages/{mid}` gives it: all digests, and the records that matter to the message. */
export interface ShownConfiguration {
  readonly head: readonly string[];
  readonly delegations: readonly (readonly string[])[];
  readonly digests: readonly string[];
  readonly records: readonly string[];
  readonly entry: string;
  readonly proof: string;
}

export interface Configuration {
  readonly seq: number;
  readonly digest: string;
  /** Seconds. */
  readonly issued: number;
  readonly expires: number;
  readonly policy: Policy;
  readonly servers: readonly ServerRecord[];
  readonly authorities: readonly Authority[];
  readonly stampingAuthorities: readonly StampingAuthority[];
}

export function verifyConfiguration(shown: ShownConfiguration, anchor: Anchor): Configuration {
  const keys = followDelegations(shown.delegations, anchor);
  const { payload, octets } = signedBySeveral(shown.head, 'configuration+jws', keys);
  const { instance, seq, issued, expires, root } = payload as Json & Record<string, number>;
  prove(String(instance) === anchor.instance, 'configuration', 'a head of another instance');
  const digest = digestOf(octets);
  verifyPlace(shown, { seq: Number(seq), digest }, anchor);
  const records = recordsUnder(String(root), shown);
  const of = <T extends { readonly type: string }>(type: T['type']): T[] =>
    records.filter((record) => record['type'] === type) as unknown as T[];
  const [policy] = of<Policy>('policy');
  prove(policy !== undefined, 'records', 'the record of the policy is missing');
  return {
    seq: Number(seq),
    digest,
    issued: Number(issued),
    expires: Number(expires),
    policy,
    servers: of<ServerRecord>('security-server'),
    authorities: of<Authority>('certification-authority'),
    stampingAuthorities: of<StampingAuthority>('time-stamping-authority'),
  };
}

function signedBySeveral(signed: readonly string[], typ: string, keys: KeySet) {
  const signers = new Set<string>();
  const all = signed.map((compact) => parseJws(compact, 'key'));
  const [first] = all;
  prove(first !== undefined, 'configuration', `no ${typ}`);
  for (const jws of all) {
    const isSame = jws.header['typ'] === typ && jws.payloadOctets.equals(first.payloadOctets);
    prove(isSame, 'configuration', `not one ${typ}, signed several times`);
    const listed = keys.keys.find(({ kid }) => kid === jws.header['kid']);
    if (listed === undefined) continue;
    const der = decode(listed.publicKey, 'base64', 'configuration');
    prove(digestOf(der) === listed.kid, 'configuration', 'a kid is not the digest of its key');
    verifyJws(jws, createPublicKey({ key: der, format: 'der', type: 'spki' }), 'EdDSA', 'configuration');
    signers.add(listed.kid);
  }
  const isEnough = keys.threshold >= 1 && signers.size >= keys.threshold;
  prove(isEnough, 'configuration', `${typ}: ${signers.size} of ${keys.threshold} signatures`);
  return { payload: first.payload, octets: first.payloadOctets };
}

/** The keys that sign heads, by way of the delegations from the anchor's roots. */
function followDelegations(delegations: ShownConfiguration['delegations'], anchor: Anchor): KeySet {
  let roots = anchor.roots;
  let keys: KeySet | undefined;
  let last = 0;
  for (const signed of delegations) {
    const { payload } = signedBySeveral(signed, 'delegation+jws', roots);
    const { instance, seq, configuration, roots: next } = payload;
    const isNext = instance === anchor.instance && Number(seq) > last;
    prove(isNext, 'configuration', 'a delegation of another instance or out of order');
    last = Number(seq);
    keys = configuration as KeySet;
    roots = (next as KeySet | undefined) ?? roots;
  }
  prove(keys !== undefined, 'configuration', 'no delegation from the roots of the anchor');
  return keys;
}

/** That the registry's witnessed log holds the head: it was shown to everybody (c2sp.org/tlog-proof). */
function verifyPlace(
  { entry, proof }: ShownConfiguration,
  head: { readonly seq: number; readonly digest: string },
  { log, witnesses }: Anchor,
): void {
  const { type, seq, digest } = parseStrict(Buffer.from(entry));
  const isThis = type === 'configuration' && seq === head.seq && digest === head.digest;
  prove(isThis, 'configuration', 'the entry of the registry log names another head');
  const blank = proof.indexOf('\n\n');
  const [first, ...lines] = proof.slice(0, blank).split('\n');
  prove(first === 'c2sp.org/tlog-proof@v1', 'configuration', 'no tlog-proof');
  const [index = '', ...path] = lines.filter((line) => !line.startsWith('extra '));
  const checkpoint = proof.slice(blank + 2);
  const { origin, size, root } = openCheckpoint(checkpoint, log.key, 'configuration');
  prove(origin === log.origin, 'configuration', 'the proof is of another log than the registry’s');
  const place = Number(/^index (0|[1-9]\d*)$/.exec(index)?.[1]);
  verifyInclusion(
    { index: place, size, leaf: leafHash(Buffer.from(entry)), proof: path, root },
    'configuration',
  );
  verifyCosignatures(checkpoint, witnesses);
}

function recordsUnder(root: string, { digests, records }: ShownConfiguration): Json[] {
  const leaves = digests
    .map((digest) => decode(digest, 'base64url', 'records'))
    .sort((a, b) => Buffer.compare(a, b));
  const own = rootOf(leaves.map(leafHash)).toString('base64url');
  prove(own === root, 'records', 'the records are not those of the head');
  const listed = new Set(digests);
  return records.map((text) => {
    const octets = Buffer.from(text);
    prove(listed.has(digestOf(octets)), 'records', 'a record that the head does not list');
    return parseStrict(octets);
  });
}
