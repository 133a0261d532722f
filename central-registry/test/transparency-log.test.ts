import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leafHash, MerkleTree, verifyConsistency, verifyInclusion } from '@onceway/sdk/verify';
import fc from 'fast-check';
import { openDatabase, type Database } from '../src/database.js';
import { TransparencyLog } from '../src/transparency-log/transparency-log.js';

function withDatabase<T>(use: (db: Database) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-log-'));
  const db = openDatabase(join(folder, 'test.db'), { create: true });
  try {
    return use(db);
  } finally {
    db.close();
    rmSync(folder, { recursive: true });
  }
}

describe('a log in SQLite', () => {
  test('has the roots and proofs of the tree in memory, at every size', () =>
    withDatabase((db) => {
      const log = new TransparencyLog(db, 'registry');
      const tree = new MerkleTree();
      expect(log.root()).toEqual(tree.root());
      const append = db.transaction(() => {
        for (let i = 0; i < 70; i += 1) {
          expect(log.append('test', i, { i })).toBe(i);
          tree.append(leafHash(Buffer.from(log.entry(i) ?? '')));
        }
      });
      append();
      for (let size = 0; size <= 70; size += 1) expect(log.root(size)).toEqual(tree.root(size));
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, a, b) => {
          const index = a % size;
          verifyInclusion({
            index,
            size,
            leafHash: leafHash(Buffer.from(log.entry(index) ?? '')),
            proof: log.inclusionProof(index, size),
            root: log.root(size),
          });
          const from = b % (size + 1);
          const proof = log.consistencyProof(from, size);
          verifyConsistency({ from, to: size, fromRoot: log.root(from), toRoot: log.root(size), proof });
        }),
      );
    }));

  test('keeps what was committed and nothing of what was rolled back', () =>
    withDatabase((db) => {
      const log = new TransparencyLog(db, 'audit');
      log.append('test', 1, {});
      const root = log.root();
      const failing = db.transaction(() => {
        log.append('test', 2, {});
        throw new Error('rolled back');
      });
      expect(failing).toThrow('rolled back');
      expect(log.size).toBe(1);
      expect(new TransparencyLog(db, 'audit').root()).toEqual(root);
    }));

  test('repeats the last time where the clock went back, also after a restart', () =>
    withDatabase((db) => {
      new TransparencyLog(db, 'audit').append('test', 1000, {});
      const log = new TransparencyLog(db, 'audit');
      log.append('test', 500, {});
      expect(JSON.parse(log.entry(1) ?? '')).toEqual({ v: 1, type: 'test', at: 1000 });
    }));

  test('refuses proofs beyond its size', () =>
    withDatabase((db) => {
      const log = new TransparencyLog(db, 'audit');
      log.append('test', 1, {});
      expect(() => log.inclusionProof(1, 1)).toThrow(TypeError);
      expect(() => log.inclusionProof(0, 2)).toThrow(TypeError);
      expect(() => log.consistencyProof(2, 1)).toThrow(TypeError);
    }));
});

test('a database that is missing is not made anew', () => {
  expect(() => openDatabase('/nowhere/registry.db', { create: false })).toThrow('is missing');
});
