import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from '../../src/verify/merkle.js';
import {
  inclusionPath,
  MerkleTree,
  RootBuilder,
  rootOf,
  type HashReader,
} from '../../src/verify/merkle-tree.js';

const refused = expect.objectContaining({ code: 'proof_invalid' });

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree();
  for (let i = 0; i < size; i += 1) tree.append(leafHash(Buffer.from(`leaf ${i}`)));
  return tree;
}

/** RFC 6962 §2.1 as it is written there, to judge the iterative code by. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0] as Buffer;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)));
}

const inclusionOf = (tree: MerkleTree, index: number, size: number): InclusionClaim => ({
  index,
  size,
  leafHash: leafHash(Buffer.from(`leaf ${index}`)),
  proof: tree.inclusionProof(index, size),
  root: tree.root(size),
});
const consistencyOf = (tree: MerkleTree, from: number, to: number): ConsistencyClaim => ({
  from,
  to,
  fromRoot: tree.root(from),
  toRoot: tree.root(to),
  proof: tree.consistencyProof(from, to),
});

function flipped(octets: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(octets);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

interface InclusionVector {
  leafIdx: number;
  treeSize: number;
  root: string;
  leafHash: string;
  proof: string[] | null;
  desc: string;
  wantErr: boolean;
}
interface ConsistencyVector {
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  desc: string;
  wantErr: boolean;
}

const octets = (text: string): Buffer => Buffer.from(text, 'base64');
const checkInclusion = (v: InclusionVector) => () => {
  verifyInclusion({
    index: v.leafIdx,
    size: v.treeSize,
    leafHash: octets(v.leafHash),
    proof: (v.proof ?? []).map(octets),
    root: octets(v.root),
  });
};
const checkConsistency = (v: ConsistencyVector) => () => {
  verifyConsistency({
    from: v.size1,
    to: v.size2,
    fromRoot: octets(v.root1),
    toRoot: octets(v.root2),
    proof: (v.proof ?? []).map(octets),
  });
};
function judge(check: () => void, wantErr: boolean): void {
  if (wantErr) expect(check).toThrow(refused);
  else expect(check).not.toThrow();
}

describe('own vectors', () => {
  const file = join(import.meta.dirname, '../../../test/verify/vectors/merkle.json');
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as {
    leaves: string[];
    roots: string[];
    inclusion: InclusionVector[];
    consistency: ConsistencyVector[];
  };
  test('the roots of the first 0 to 8 leaves are the known ones', () => {
    const tree = new MerkleTree();
    const roots = [tree.root()];
    for (const leaf of vectors.leaves) {
      tree.append(leafHash(Buffer.from(leaf, 'hex')));
      roots.push(tree.root());
    }
    expect(roots.map((root) => root.toString('hex'))).toEqual(vectors.roots);
  });
  test.each(vectors.inclusion.map((v) => [v.desc, v] as const))('inclusion: %s', (_, v) => {
    judge(checkInclusion(v), v.wantErr);
  });
  test.each(vectors.consistency.map((v) => [v.desc, v] as const))('consistency: %s', (_, v) => {
    judge(checkConsistency(v), v.wantErr);
  });
  test('there are at least as many bad ones as good ones', () => {
    for (const list of [vectors.inclusion, vectors.consistency])
      expect(list.filter((v) => v.wantErr).length).toBeGreaterThanOrEqual(list.length / 2);
  });
});

const foreign = join(process.cwd(), '../shared/vectors/merkle');
const foreignTest = existsSync(foreign) ? test : test.skip;
describe('vectors of transparency-dev/merkle (../shared/vectors/merkle; skipped where it is missing)', () => {
  const read = <V>(kind: string): V[] =>
    readdirSync(join(foreign, kind), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(foreign, kind, name), 'utf8')) as V);
  foreignTest('inclusion: each is judged as its authors say', () => {
    const vectors = read<InclusionVector>('inclusion');
    expect(vectors.length).toBeGreaterThan(80);
    for (const v of vectors) judge(checkInclusion(v), v.wantErr);
  });
  foreignTest('consistency: each is judged as its authors say', () => {
    const vectors = read<ConsistencyVector>('consistency');
    expect(vectors.length).toBeGreaterThan(80);
    for (const v of vectors) judge(checkConsistency(v), v.wantErr);
  });
});

describe('properties', () => {
  const size = fc.integer({ min: 1, max: 200 });
  const tree = treeOf(200);

  test('every root is the one of the definition, also from the right edge alone', () => {
    const leaves: Buffer[] = [];
    const builder = new RootBuilder();
    for (let i = 0; i <= 70; i += 1) {
      const expected = rootByDefinition(leaves);
      expect(tree.root(i)).toEqual(expected);
      expect(builder.root()).toEqual(expected);
      expect(new RootBuilder(builder).root()).toEqual(expected);
      const leaf = leafHash(Buffer.from(`leaf ${i}`));
      leaves.push(leaf);
      builder.append(leaf);
    }
  });

  test('inclusion is proven for every leaf of every tree', () => {
    for (let n = 1; n <= 40; n += 1) for (let i = 0; i < n; i += 1) verifyInclusion(inclusionOf(tree, i, n));
    fc.assert(
      fc.property(size, fc.nat(), (n, i) => {
        verifyInclusion(inclusionOf(tree, i % n, n));
      }),
    );
  });

  test('consistency is proven between every two trees', () => {
    for (let n = 0; n <= 40; n += 1)
      for (let m = 0; m <= n; m += 1) verifyConsistency(consistencyOf(tree, m, n));
    fc.assert(
      fc.property(size, fc.nat(), (n, m) => {
        verifyConsistency(consistencyOf(tree, m % (n + 1), n));
      }),
    );
  });

  test('any changed bit of an inclusion claim is refused', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (n, i, part, bit) => {
        const good = inclusionOf(tree, i % n, n);
        const parts = [good.leafHash, good.root, ...good.proof].map((hash, at, all) =>
          at === part % all.length ? flipped(hash, bit) : hash,
        );
        const [leaf, root, ...proof] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
        expect(() => {
          verifyInclusion({ ...good, leafHash: leaf, root, proof });
        }).toThrow(refused);
      }),
    );
  });

  test('any changed bit of a consistency claim is refused', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (n, m, part, bit) => {
        const good = consistencyOf(tree, m % (n + 1), n);
        const parts = [good.fromRoot, good.toRoot, ...good.proof].map((hash, at, all) =>
          at === part % all.length ? flipped(hash, bit) : hash,
        );
        const [fromRoot, toRoot, ...proof] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
        const check = (): void => {
          verifyConsistency({ ...good, fromRoot, toRoot, proof });
        };
        // The empty tree begins every tree: nothing but its own root is then claimed.
        if (good.from === 0 && part % parts.length === 1) expect(check).not.toThrow();
        else expect(check).toThrow(refused);
      }),
    );
  });

  test('a proof with an element more, or one less, is refused', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (n, i, at) => {
        const good = inclusionOf(tree, i % n, n);
        const place = at % (good.proof.length + 1);
        expect(() => {
          verifyInclusion({ ...good, proof: good.proof.toSpliced(place, 0, good.leafHash) });
        }).toThrow(refused);
        if (good.proof.length > 0)
          expect(() => {
            verifyInclusion({ ...good, proof: good.proof.toSpliced(at % good.proof.length, 1) });
          }).toThrow(refused);
      }),
    );
  });

  test('an inclusion claim at any other index is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), (n, i, j) => {
        fc.pre(i % n !== j % n);
        expect(() => {
          verifyInclusion({ ...inclusionOf(tree, i % n, n), index: j % n });
        }).toThrow(refused);
      }),
    );
  });
});

describe('bounds', () => {
  const good = inclusionOf(treeOf(5), 1, 5);
  test.each([[-1], [1.5], [Number.NaN], [2 ** 53], [5], [Infinity]])('refuses index %p', (index) => {
    expect(() => {
      verifyInclusion({ ...good, index });
    }).toThrow(refused);
  });
  test.each([[-1], [1.5], [Number.NaN], [2 ** 53], [0]])('refuses size %p', (size) => {
    expect(() => {
      verifyInclusion({ ...good, size });
    }).toThrow(refused);
  });
  test('refuses a hash of 31 or 33 octets', () => {
    for (const hash of [good.leafHash.subarray(1), Buffer.concat([good.leafHash, Buffer.of(0)])])
      expect(() => {
        verifyInclusion({ ...good, leafHash: hash });
      }).toThrow(refused);
  });
  test('verifies near the largest size, beyond 32 bits', () => {
    // A tree of 2^40 equal leaves: every complete subtree of a level has the same hash.
    const levels = [leafHash(Buffer.of())];
    while (levels.length < 53) levels.push(nodeHash(levels.at(-1) as Buffer, levels.at(-1) as Buffer));
    const hashAt: HashReader = (level) => levels[level] as Buffer;
    const n = 2 ** 52 + 2 ** 33 + 5;
    const root = rootOf(n, hashAt);
    for (const index of [0, 2 ** 33 + 1, n - 6, n - 1]) {
      const claim = { index, size: n, leafHash: levels[0] as Buffer, root };
      const proof = inclusionPath(index, n, hashAt);
      verifyInclusion({ ...claim, proof });
      expect(() => {
        verifyInclusion({ ...claim, proof: proof.slice(1) });
      }).toThrow(refused);
    }
  });
  test('makers of proofs refuse what lies outside the tree, as mistakes of the program', () => {
    const tree = treeOf(3);
    for (const make of [
      () => tree.inclusionProof(3),
      () => tree.inclusionProof(0, 4),
      () => tree.inclusionProof(-1),
      () => tree.inclusionProof(0.5),
      () => tree.consistencyProof(2, 1),
      () => tree.consistencyProof(2, 4),
      () => tree.root(4),
      () => tree.root(-1),
      () => new RootBuilder({ size: 3, hashes: [EMPTY_ROOT] }),
      () => new RootBuilder({ size: 1, hashes: [Buffer.of(1)] }),
    ])
      expect(make).toThrow(TypeError);
  });
});

test('a log that keeps what append returns, and nothing else, can prove everything', () => {
  const stored = new Map<string, Uint8Array>();
  const builder = new RootBuilder();
  const tree = treeOf(100);
  for (let i = 0; i < 100; i += 1)
    for (const [level, hash] of builder.append(leafHash(Buffer.from(`leaf ${i}`))).entries())
      stored.set(`${level}/${Math.floor(i / 2 ** level)}`, hash);
  const hashAt: HashReader = (level, index) => stored.get(`${level}/${index}`) as Uint8Array;
  expect(stored.size).toBeLessThan(200);
  expect(rootOf(100, hashAt)).toEqual(builder.root());
  for (let i = 0; i < 100; i += 7) expect(inclusionPath(i, 100, hashAt)).toEqual(tree.inclusionProof(i, 100));
});
