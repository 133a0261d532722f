// Hashes and proofs of an RFC 6962 Merkle tree: checks what somebody else proved. Trees and proofs are made in
// merkle-tree.ts; who signed a root is decided in checkpoint.ts.
import { OncewayError } from '../protocol/errors.js';
import { sha256 } from '../protocol/octets.js';

const HASH_BYTES = 32;
// RFC 6962 §2.1: the two prefixes keep a leaf from being passed off as a node.
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** Root of the tree without leaves: SHA-256 of nothing (RFC 6962 §2.1). */
export const EMPTY_ROOT: Buffer = sha256();

/** Hash of a leaf from its octets as stored. */
export function leafHash(octets: Uint8Array): Buffer {
  return sha256(LEAF, octets);
}

/** Hash of an inner node from the hashes of its two children. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(NODE, left, right);
}

export interface InclusionClaim {
  /** Zero-based. */
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  /** From the leaf's sibling up to the root's child. */
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

const refused = (why: string): OncewayError => new OncewayError('proof_invalid', why);
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const half = (n: number): number => Math.floor(n / 2);
const isOdd = (n: number): boolean => n % 2 === 1;

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0)
    throw refused('a size or index is not an integer from 0 to 2^53 - 1');
}

// Elements of another length would shift the border between two children and so let other trees hash alike.
function checkHashes(hashes: readonly Uint8Array[]): void {
  if (hashes.some((hash) => hash.length !== HASH_BYTES)) throw refused('a hash is not 32 octets');
}

/** Proves that the leaf stands at `index` in the tree of `size` leaves under `root` (RFC 9162 §2.1.3.2).
 *  Not verified here: whose root it is.
 *  @throws {OncewayError} `proof_invalid` */
export function verifyInclusion(claim: InclusionClaim): void {
  checkSize(claim.index);
  checkSize(claim.size);
  if (claim.index >= claim.size) throw refused('the index lies outside the tree');
  checkHashes([claim.leafHash, claim.root, ...claim.proof]);
  let node = claim.index;
  let last = claim.size - 1;
  let hash: Uint8Array = claim.leafHash;
  for (const sibling of claim.proof) {
    if (last === 0) throw refused('the proof is too long');
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      // On the ragged right edge a node without sibling is its own parent.
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0 || !equal(hash, claim.root)) throw refused('the leaf is not in the tree of this root');
}

/** Proves that the tree of `to` leaves begins with the very leaves of the tree of `from` (RFC 9162 §2.1.4.2).
 *  The empty tree begins every tree: with `from` 0 the root must be EMPTY_ROOT and the proof empty.
 *  @throws {OncewayError} `proof_invalid` */
export function verifyConsistency(claim: ConsistencyClaim): void {
  const { from, to, fromRoot, toRoot, proof } = claim;
  checkSize(from);
  checkSize(to);
  if (from > to) throw refused('the older tree is the larger one');
  if (from === 0 && !equal(fromRoot, EMPTY_ROOT)) throw refused('this is not the root of the empty tree');
  if (from === to && !equal(fromRoot, toRoot)) throw refused('two roots of one size');
  if (from === to || from === 0) {
    if (proof.length > 0) throw refused('the proof is too long');
    if (from !== to) checkHashes([toRoot]);
    return;
  }
  checkHashes([fromRoot, toRoot, ...proof]);
  let node = from - 1;
  let last = to - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // A complete older tree is itself a node of the newer one, and the proof leaves it out.
  const [start, ...rest] = node === 0 ? [fromRoot, ...proof] : proof;
  if (start === undefined) throw refused('the proof is too short');
  let older = start;
  let newer = start;
  for (const sibling of rest) {
    if (last === 0) throw refused('the proof is too long');
    if (isOdd(node) || node === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else newer = nodeHash(newer, sibling);
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0 || !equal(older, fromRoot) || !equal(newer, toRoot))
    throw refused('the newer tree does not begin with the older one');
}
