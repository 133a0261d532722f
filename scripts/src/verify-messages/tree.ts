// Merkle trees of RFC 6962: the root of a list, and whether a proof leads from a leaf to a root (RFC 9162 §2.1.3.2).
import { prove, type Rule } from './finding.js';
import { decode, sha256 } from './octets.js';

export const EMPTY_ROOT = sha256().toString('base64url');

export function leafHash(octets: Uint8Array): Buffer {
  return sha256(Buffer.of(0), octets);
}

const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** Root over leaf hashes. */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return only;
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return nodeHash(rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leaf: Buffer;
  /** From the leaf's sibling upwards, base64. */
  readonly proof: readonly string[];
  readonly root: Buffer;
}

export function verifyInclusion(
  { index, size, leaf, proof, root }: Inclusion,
  rule: Rule = 'inclusion',
): void {
  const isPlace = Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
  prove(isPlace, rule, `place ${index} is not in a tree of ${size}`);
  const half = (n: number): number => Math.floor(n / 2);
  let [node, last, hash] = [index, size - 1, leaf];
  for (const text of proof) {
    const sibling = decode(text, 'base64', rule);
    prove(sibling.length === 32 && last > 0, rule, 'the proof is too long or no list of hashes');
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  prove(last === 0 && hash.equals(root), rule, 'the proof does not lead to the root');
}
