// Makes roots and proofs of an RFC 6962 tree, from a reader of complete subtrees, so that a log on disk need not hold
// its leaves in memory. What others prove is checked in merkle.ts.
import { EMPTY_ROOT, nodeHash } from './merkle.js';

/** Reads the hash of the complete subtree over the leaves [index × 2^level, (index + 1) × 2^level): level 0 are the
 *  leaf hashes. To read all of a proof's hashes in one query, run the function once with a reader that only notes
 *  down what it is asked for: which hashes are read never depends on their values. */
export type HashReader = (level: number, index: number) => Uint8Array;

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0)
    throw new TypeError('a tree size is an integer from 0 to 2^53 - 1');
}

/** Largest level whose complete subtree is no larger than `count` leaves. */
function levelWithin(count: number): number {
  let level = 0;
  while (2 ** (level + 1) <= count) level += 1;
  return level;
}

/** Largest power of two below `count` (RFC 6962 §2.1): where a tree of `count` > 1 leaves divides. */
const splitOf = (count: number): number => 2 ** levelWithin(count - 1);

/** `hashes` are complete subtrees, left to right. */
function foldRight(hashes: readonly Uint8Array[]): Buffer {
  if (hashes.length === 0) return EMPTY_ROOT;
  return Buffer.from(hashes.reduceRight((right, left) => nodeHash(left, right)));
}

/** Hash over the leaves [begin, end), where `begin` is where RFC 6962 divides a tree. */
function rangeHash(begin: number, end: number, hashAt: HashReader): Buffer {
  const hashes: Uint8Array[] = [];
  for (let at = begin; at < end;) {
    const level = levelWithin(end - at);
    hashes.push(hashAt(level, at / 2 ** level));
    at += 2 ** level;
  }
  return foldRight(hashes);
}

/** Root of the tree of the first `size` leaves. */
export function rootOf(size: number, hashAt: HashReader): Buffer {
  checkSize(size);
  return rangeHash(0, size, hashAt);
}

/** Proof that leaf `index` is in the tree of the first `size` leaves, sibling first (RFC 6962 §2.1.1).
 *  @throws {TypeError} when the index lies outside the tree */
export function inclusionPath(index: number, size: number, hashAt: HashReader): Buffer[] {
  checkSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new TypeError('the index lies outside the tree');
  const path: Buffer[] = [];
  for (let begin = 0, end = size; end - begin > 1;) {
    const middle = begin + splitOf(end - begin);
    if (index < middle) {
      path.push(rangeHash(middle, end, hashAt));
      end = middle;
    } else {
      path.push(rangeHash(begin, middle, hashAt));
      begin = middle;
    }
  }
  return path.reverse();
}

/** Proof that the tree of the first `to` leaves begins with that of the first `from` (RFC 6962 §2.1.2); empty for
 *  `from` 0, as the empty tree begins every tree.
 *  @throws {TypeError} when `from` exceeds `to` */
export function consistencyPath(from: number, to: number, hashAt: HashReader): Buffer[] {
  checkSize(from);
  checkSize(to);
  if (from > to) throw new TypeError('the older tree is the larger one');
  if (from === 0) return [];
  const path: Buffer[] = [];
  let begin = 0;
  let end = to;
  while (from !== end) {
    const middle = begin + splitOf(end - begin);
    if (from <= middle) {
      path.push(rangeHash(middle, end, hashAt));
      end = middle;
    } else {
      path.push(rangeHash(begin, middle, hashAt));
      begin = middle;
    }
  }
  // The subtree where both trees end; when it is the older tree itself, its root is known to the verifier.
  if (begin > 0) path.push(rangeHash(begin, end, hashAt));
  return path.reverse();
}

/** What a log must keep to go on from `size` leaves: the complete subtrees of its right edge, largest first, one for
 *  each bit set in `size`. */
export interface RightEdge {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

/** Computes roots while leaves are appended, with O(log n) of state. Not a tree: it proves nothing. */
export class RootBuilder implements RightEdge {
  #size: number;
  readonly #hashes: Uint8Array[];

  /** @throws {TypeError} when the edge's hashes do not fit its size */
  constructor(edge: RightEdge = { size: 0, hashes: [] }) {
    checkSize(edge.size);
    const bits = edge.size.toString(2).replaceAll('0', '').length;
    if (edge.hashes.length !== bits || edge.hashes.some((hash) => hash.length !== 32))
      throw new TypeError(`a right edge of size ${edge.size} has ${bits} hashes of 32 octets`);
    this.#size = edge.size;
    this.#hashes = [...edge.hashes];
  }

  /** Returns the hashes of the subtrees that this leaf completed, the leaf's own first: entry `level` of the answer is
   *  what a HashReader gives for (level, floor(leaf index / 2^level)). A log stores exactly these, 2 per leaf on
   *  average, and never changes one. */
  append(leafHash: Uint8Array): Uint8Array[] {
    const completed = [leafHash];
    let hash = leafHash;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      // One bit set in the size is one hash of the edge, so there is always one to take here.
      hash = nodeHash(this.#hashes.pop() as Uint8Array, hash);
      completed.push(hash);
    }
    this.#hashes.push(hash);
    this.#size += 1;
    return completed;
  }

  root(): Buffer {
    return foldRight(this.#hashes);
  }

  get size(): number {
    return this.#size;
  }

  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }
}

/** A whole tree in memory: 2 hashes per leaf. For configurations, batches and tests; logs read from disk. */
export class MerkleTree {
  readonly #edge = new RootBuilder();
  readonly #levels: Uint8Array[][] = [];
  readonly #hashAt: HashReader = (level, index) => {
    const hash = this.#levels[level]?.[index];
    if (hash === undefined) throw new TypeError('the tree is smaller');
    return hash;
  };

  /** Returns the zero-based index of the new leaf. */
  append(leafHash: Uint8Array): number {
    const index = this.#edge.size;
    for (const [level, hash] of this.#edge.append(leafHash).entries())
      (this.#levels[level] ??= []).push(hash);
    return index;
  }

  get size(): number {
    return this.#edge.size;
  }

  /** Root of the first `size` leaves; of all by default. */
  root(size: number = this.size): Buffer {
    return rootOf(size, this.#hashAt);
  }

  inclusionProof(index: number, size: number = this.size): Buffer[] {
    return inclusionPath(index, size, this.#hashAt);
  }

  consistencyProof(from: number, to: number = this.size): Buffer[] {
    return consistencyPath(from, to, this.#hashAt);
  }
}
