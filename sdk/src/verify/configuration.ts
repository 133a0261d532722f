// What makes a global configuration genuine: delegation by the roots, signatures over the head, records that
// hash to its root, and its place in the registry's witnessed log (docs/protocol.md#configuration). Pure.
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  decodeBase64url,
  digestOf,
  OncewayError,
  parseConfigurationHead,
  parseDelegation,
  parseJws,
  verifySignature,
  type Anchor,
  type ConfigurationBundle,
  type ConfigurationHead,
  type ConfigurationReference,
  type JsonObject,
  type KeySet,
} from '../protocol/index.js';
import type { Digest } from '@onceway/schemas';
import { openCheckpoint } from './checkpoint.js';
import { verifyCosignatures } from './cosignature.js';
import { leafHash, verifyInclusion } from './merkle.js';
import { MerkleTree } from './merkle-tree.js';
import { parseTlogProof } from './tlog-proof.js';

export interface GenuineHead {
  readonly head: ConfigurationHead;
  readonly reference: ConfigurationReference;
  /** The compact JWS whose signatures were verified. */
  readonly signed: readonly string[];
}

function invalid(why: string, cause?: unknown): OncewayError {
  return new OncewayError('configuration_invalid', why, { cause });
}

function underCode<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw invalid('a signature is malformed or does not verify', cause);
  }
}

function publicKey(base64: string): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalid('a listed key is not a SubjectPublicKeyInfo', cause);
  }
}

/** Verifies that at least `threshold` different keys of the set signed the same payload.
 *  @throws {OncewayError} `configuration_invalid` */
export function verifyBySeveral(
  signed: readonly string[],
  typ: 'configuration+jws' | 'delegation+jws',
  keys: KeySet,
): { payload: JsonObject; octets: Buffer } {
  const signers = new Set<string>();
  let first: { payload: JsonObject; octets: Buffer } | undefined;
  for (const compact of signed) {
    const jws = underCode(() => parseJws(compact));
    if (jws.header['typ'] !== typ) throw invalid(`typ is not ${typ}`);
    first ??= { payload: jws.payload, octets: jws.payloadOctets };
    if (!first.octets.equals(jws.payloadOctets))
      throw invalid('the signatures stand over different payloads');
    const key = keys.keys.find((listed) => listed.kid === jws.header['kid']);
    if (key === undefined) continue;
    const der = Buffer.from(key.publicKey, 'base64');
    if (digestOf(der) !== (key.kid as string)) throw invalid('a kid is not the digest of its key');
    underCode(() => verifySignature(jws, publicKey(key.publicKey), 'EdDSA'));
    signers.add(key.kid);
  }
  if (first === undefined || signers.size < keys.threshold || keys.threshold < 1)
    throw invalid(`${signers.size} of ${keys.threshold} signatures needed`);
  return first;
}

/** Follows the delegations from the anchor's roots and returns the keys that may sign configurations now.
 *  @throws {OncewayError} `configuration_invalid` */
export function verifyDelegations(delegations: readonly (readonly string[])[], anchor: Anchor): KeySet {
  let roots = anchor.roots;
  let configuration: KeySet | undefined;
  let seq = 0;
  for (const signed of delegations) {
    const delegation = parseDelegation(verifyBySeveral(signed, 'delegation+jws', roots).payload);
    if (delegation.instance !== anchor.instance || delegation.seq <= seq)
      throw invalid('a delegation is of another instance or out of order');
    seq = delegation.seq;
    configuration = delegation.configuration;
    roots = delegation.roots ?? roots;
  }
  if (configuration === undefined) throw invalid('no delegation');
  return configuration;
}

/** Verifies the signatures of a head. Not yet verified: its records, its place in the log, its expiry.
 *  @throws {OncewayError} `configuration_invalid` */
export function verifyHead(signed: readonly string[], keys: KeySet, instance: string): GenuineHead {
  const { payload, octets } = verifyBySeveral(signed, 'configuration+jws', keys);
  const head = parseConfigurationHead(payload);
  if (head.instance !== instance) throw invalid('the head is of another instance');
  return { head, reference: { seq: head.seq, digest: digestOf(octets) }, signed };
}

/** RFC 6962 root over the records' digests in ascending order of their octets. */
export function recordsRoot(digests: readonly Digest[]): Digest {
  const tree = new MerkleTree();
  for (const octets of digests.map((digest) => decodeBase64url(digest)).sort((a, b) => a.compare(b)))
    tree.append(leafHash(octets));
  return tree.root().toString('base64url') as Digest;
}

/** Verifies that the registry's log holds this head. `witnessed` is false where the log's own signature is good and
 *  too few witnesses have cosigned: a server may take such a head for a limited time only.
 *  @throws {OncewayError} `configuration_invalid` */
export function verifyHeadProof(
  bundle: ConfigurationBundle,
  reference: ConfigurationReference,
  anchor: Anchor,
): { witnessed: boolean; size: number; root: Buffer } {
  try {
    const entry = JSON.parse(bundle.entry) as Record<string, unknown>;
    if (
      entry['type'] !== 'configuration' ||
      entry['seq'] !== reference.seq ||
      entry['digest'] !== reference.digest
    )
      throw invalid('the log entry names another head');
    const proof = parseTlogProof(bundle.proof);
    const text = openCheckpoint(proof.checkpoint, anchor.log.key);
    if (text.origin !== anchor.log.origin) throw invalid('the proof is from another log');
    verifyInclusion({
      index: proof.index,
      size: text.size,
      leafHash: leafHash(Buffer.from(bundle.entry)),
      proof: proof.proof,
      root: text.root,
    });
    const { satisfied } = verifyCosignatures(proof.checkpoint, anchor.witnesses);
    return { witnessed: satisfied, size: text.size, root: text.root };
  } catch (cause) {
    if (cause instanceof OncewayError && cause.code === 'configuration_invalid') throw cause;
    throw invalid('the proof from the registry log does not verify', cause);
  }
}
