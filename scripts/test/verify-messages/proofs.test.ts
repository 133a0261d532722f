import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { openCheckpoint, verifyCosignatures } from '../../src/verify-messages/note.js';
import { Promises } from '../../src/verify-messages/promises.js';
import { EMPTY_ROOT, leafHash, rootOf, verifyInclusion } from '../../src/verify-messages/tree.js';
import { cosign, leafHash as sdkLeafHash, MerkleTree, signCheckpoint, vkeyOf } from '@onceway/sdk/verify';

const refusal = (rule: string): unknown => expect.objectContaining({ rule });
const leaves = Array.from({ length: 40 }, (_, i) => Buffer.from(`entry ${i}`));

describe('a tree', () => {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.append(sdkLeafHash(leaf));

  test('has the root that the SDK finds, and takes its proofs', () => {
    for (let size = 1; size <= leaves.length; size++) {
      const root = rootOf(leaves.slice(0, size).map(leafHash));
      expect(root).toEqual(tree.root(size));
      for (const [index, octets] of leaves.slice(0, size).entries()) {
        const proof = tree.inclusionProof(index, size).map((hash) => hash.toString('base64'));
        const claim = { index, size, leaf: leafHash(octets), proof, root };
        verifyInclusion(claim);
        const wrong = [
          { ...claim, leaf: leafHash(Buffer.from('other')) },
          { ...claim, proof: [...proof, root.toString('base64')] },
          { ...claim, index: size },
          { ...claim, index: -1 },
        ];
        if (size > 1)
          wrong.push({ ...claim, proof: proof.slice(1) }, { ...claim, index: (index + 1) % size });
        for (const each of wrong) expect(() => verifyInclusion(each)).toThrow(refusal('inclusion'));
      }
    }
  });
});

describe('a checkpoint', () => {
  const pair = generateKeyPairSync('ed25519');
  const witness = generateKeyPairSync('ed25519');
  const origin = 'vn.example/log/a';
  const vkey = vkeyOf(origin, pair.publicKey);
  const note = signCheckpoint(
    { origin, size: 3, root: rootOf(leaves.slice(0, 3).map(leafHash)) },
    pair.privateKey,
  );
  const text = note.slice(0, note.indexOf('\n\n') + 1);
  const policy = { witnesses: [{ key: vkeyOf('w.example', witness.publicKey, 4) }], threshold: 1 };

  test('opens under the key of its log, and what is stamped ends with the log’s signature', () => {
    const cosigned = note + cosign(text, 'w.example', witness.privateKey, 1_800_000_000);
    expect(openCheckpoint(cosigned, vkey)).toMatchObject({ origin, size: 3, stamped: note });
    expect(verifyCosignatures(cosigned, policy)).toBe(1);
  });

  test('of another key, another log or without witnesses is refused', () => {
    const other = vkeyOf(origin, witness.publicKey);
    expect(() => openCheckpoint(note, other)).toThrow(refusal('checkpoint'));
    expect(() => openCheckpoint(note, vkey.replace('log/a', 'log/b'))).toThrow(refusal('checkpoint'));
    const foreign = `vn.example/log/b\n${text.slice(text.indexOf('\n') + 1)}`;
    const id = Buffer.from(vkey.split('+')[1] ?? '', 'hex');
    const line = Buffer.concat([id, sign(null, Buffer.from(foreign), pair.privateKey)]).toString('base64');
    expect(() => openCheckpoint(`${foreign}\n\u2014 ${origin} ${line}\n`, vkey)).toThrow(
      refusal('checkpoint'),
    );
    expect(() => verifyCosignatures(note, policy)).toThrow(refusal('cosignature'));
    expect(() => verifyCosignatures(note, { ...policy, witnesses: [{ key: vkey }] })).toThrow(
      refusal('cosignature'),
    );
  });

  test('one witness under two names counts once', () => {
    const twice = {
      witnesses: [...policy.witnesses, { key: vkeyOf('x.example', witness.publicKey, 4) }],
      threshold: 2,
    };
    const cosigned = ['w.example', 'x.example'].reduce(
      (before, name) => before + cosign(text, name, witness.privateKey, 1),
      note,
    );
    expect(() => verifyCosignatures(cosigned, twice)).toThrow(refusal('cosignature'));
  });
});

test('two roots of one size of one log are found', () => {
  const promises = new Promises();
  const root = createHash('sha256').digest();
  promises.known('a', 0, EMPTY_ROOT);
  promises.known('a', 7, root);
  promises.known('a', 7, root.toString('base64url'));
  promises.known('b', 7, leafHash(root));
  expect(() => promises.known('a', 7, leafHash(root))).toThrow(refusal('promise'));
  expect(() => promises.known('a', 0, leafHash(root))).toThrow(refusal('promise'));
});
