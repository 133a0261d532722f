import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openCheckpoint, signCheckpoint } from '../../src/verify/checkpoint.js';
import { cosign } from '../../src/verify/cosignature.js';
import { leafHash } from '../../src/verify/merkle.js';
import { MerkleTree } from '../../src/verify/merkle-tree.js';
import { openNote, vkeyOf } from '../../src/verify/note.js';

const GOPATH = '/usr/share/gocode';
const judgeFile = join(import.meta.dirname, '../../../test/verify/go/judge.go');
const available =
  spawnSync('go', ['version']).status === 0 && existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog'));

interface Verdict {
  OK: boolean;
  Text: string;
}
function judge(tasks: readonly object[]): Verdict[] {
  const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '' };
  const input = JSON.stringify(tasks);
  return JSON.parse(execFileSync('go', ['run', judgeFile], { env, input, encoding: 'utf8' })) as Verdict[];
}

const NAME = 'vn.example/log/a';
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const vkey = vkeyOf(NAME, publicKey);

/** Go's own form of a private key: `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`. */
function goSigningKey(key: KeyObject): string {
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const [name, id] = vkeyOf(NAME, key).split('+') as [string, string];
  return `PRIVATE+KEY+${name}+${id}+${Buffer.concat([Buffer.of(1), seed]).toString('base64')}`;
}

const tree = new MerkleTree();
for (let i = 0; i < 50; i += 1) tree.append(leafHash(Buffer.from(`entry ${i}`)));
const base64 = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('base64'));
const flip = (hash: string): string => (hash.startsWith('A') ? 'B' : 'A') + hash.slice(1);

if (!available && process.env['CI'] === 'true')
  test('the foreign judge is installed', () => {
    throw new Error('apt-get install -y golang-go golang-golang-x-mod-dev');
  });

(available ? describe : describe.skip)(
  'golang.org/x/mod/sumdb as judge (skipped without: apt-get install golang-go golang-golang-x-mod-dev)',
  () => {
    test('Go opens our checkpoints, cosigned too, and refuses altered ones', () => {
      const signed = signCheckpoint({ origin: NAME, size: 50, root: tree.root() }, privateKey);
      const text = signed.slice(0, signed.indexOf('\n\n') + 1);
      const cosigned =
        signed + cosign(text, 'w.example', generateKeyPairSync('ed25519').privateKey, 1_800_000_000);
      const verdicts = judge([
        { Do: 'open', Note: signed, Key: vkey },
        { Do: 'open', Note: cosigned, Key: vkey },
        { Do: 'open', Note: signed.replace('\n50\n', '\n51\n'), Key: vkey },
        { Do: 'open', Note: signed, Key: vkeyOf(NAME, generateKeyPairSync('ed25519').publicKey) },
        { Do: 'open', Note: signed.slice(0, -1), Key: vkey },
      ]);
      expect(verdicts.map((verdict) => verdict.OK)).toEqual([true, true, false, false, false]);
      expect(verdicts[0]?.Text).toBe(text);
    });

    test('we open the notes that Go signs, octet for octet as our own', () => {
      const checkpoint = { origin: NAME, size: 50, root: tree.root() };
      const ours = signCheckpoint(checkpoint, privateKey);
      const prose = 'Một lần,\n\nmọi nơi.\n';
      const [signed, note] = judge([
        { Do: 'sign', Key: goSigningKey(privateKey), Text: ours.slice(0, ours.indexOf('\n\n') + 1) },
        { Do: 'sign', Key: goSigningKey(privateKey), Text: prose },
      ]);
      expect(signed?.Text).toBe(ours);
      expect(openCheckpoint(signed?.Text ?? '', vkey)).toEqual(checkpoint);
      expect(openNote(note?.Text ?? '', [vkey]).text).toBe(prose);
      expect(() => openNote((note?.Text ?? '').replace('lần', 'lan'), [vkey])).toThrow(
        expect.objectContaining({ code: 'checkpoint_invalid' }),
      );
    });

    test('Go accepts all our inclusion and consistency proofs, and none that was altered', () => {
      const good: object[] = [];
      const bad: object[] = [];
      for (let size = 1; size <= 50; size += 7)
        for (let i = 0; i < size; i += 1) {
          const Root = tree.root(size).toString('base64');
          const Leaf = leafHash(Buffer.from(`entry ${i}`)).toString('base64');
          const record = {
            Do: 'record',
            Size: size,
            Root,
            Index: i,
            Leaf,
            Proof: base64(tree.inclusionProof(i, size)),
          };
          const Old = tree.root(i + 1).toString('base64');
          const Proof = base64(tree.consistencyProof(i + 1, size));
          const extended = { Do: 'tree', Size: size, Root, From: i + 1, Old, Proof };
          good.push(record, extended);
          bad.push({ ...record, Leaf: flip(Leaf) }, { ...extended, Old: flip(Old) });
          if (record.Proof.length > 0) bad.push({ ...record, Proof: record.Proof.map(flip) });
          if (Proof.length > 0) bad.push({ ...extended, Proof: Proof.slice(1) });
        }
      expect(judge(good).filter((verdict) => !verdict.OK)).toEqual([]);
      expect(judge(bad).filter((verdict) => verdict.OK)).toEqual([]);
    });
  },
);
