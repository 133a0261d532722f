import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
} from '../../src/verify/checkpoint.js';
import { cosign, verifyCosignatures } from '../../src/verify/cosignature.js';
import { leafHash } from '../../src/verify/merkle.js';
import { MerkleTree } from '../../src/verify/merkle-tree.js';
import {
  openNote,
  parseNote,
  parseVerifierKey,
  signatureLine,
  signNote,
  vkeyOf,
} from '../../src/verify/note.js';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from '../../src/verify/tlog-proof.js';

const invalid = expect.objectContaining({ code: 'checkpoint_invalid' });
const proofInvalid = expect.objectContaining({ code: 'proof_invalid' });
const keyInvalid = expect.objectContaining({ code: 'key_invalid' });

/** Fixed keys, so that every signature here is the same in every run. */
function keyOf(seed: number) {
  const pkcs8 = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.alloc(32, seed),
  ]);
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
}
const NAME = 'vn.example/log/a';
const key = keyOf(1);
const vkey = vkeyOf(NAME, key);
const text = 'first\n\nthird\n';
const note = signNote(text, NAME, key);
const line = note.slice(text.length + 1);

describe('verifier keys', () => {
  test('private and public half have the same one, and it is parsed again', () => {
    expect(vkeyOf(NAME, createPublicKey(key))).toBe(vkey);
    const parsed = parseVerifierKey(vkey);
    expect(parsed).toMatchObject({ vkey, name: NAME, type: 1 });
    expect(vkeyOf(NAME, parsed.publicKey)).toBe(vkey);
    expect(vkeyOf(NAME, key, 4)).not.toBe(vkey);
  });
  test.each([
    ['empty', ''],
    ['without id', vkey.replace(/\+[0-9a-f]{8}/, '')],
    ['with an id in upper case', vkey.replace(/\+[0-9a-f]{8}/, (id) => id.toUpperCase())],
    [
      'with the id of another key',
      vkeyOf(NAME, keyOf(2)).replace(/[^+]*$/, vkey.split('+').slice(2).join('+')),
    ],
    ['with another name', vkey.replace('/a', '/b')],
    ['with a blank in the name', vkey.replace('/a', ' a')],
    ['without name', vkey.replace(NAME, '')],
    [
      'with a key of 31 octets',
      `${NAME}+00000000+${Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64')}`,
    ],
    [
      'of an unknown type',
      `${NAME}+00000000+${Buffer.concat([Buffer.of(2), Buffer.alloc(32)]).toString('base64')}`,
    ],
    ['with a newline after it', `${vkey}\n`],
    ['in base64url', `${NAME}+00000000+_-_-`],
  ])('refuses one %s', (_, bad) => {
    expect(() => parseVerifierKey(bad)).toThrow(keyInvalid);
  });
  test('refuses, as mistakes of the program, other kinds of keys and names that no line can hold', () => {
    expect(() => vkeyOf(NAME, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)).toThrow(
      TypeError,
    );
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u00a0b', 'a\u0001b', '\ud800']) {
      expect(() => vkeyOf(name, key)).toThrow(TypeError);
      expect(() => signatureLine(name, key, 1, Buffer.of(1))).toThrow(TypeError);
    }
  });
});

describe('notes', () => {
  test('are opened by the key that signed them, with blank lines in the text', () => {
    expect(openNote(note, [vkey])).toMatchObject({ text, verified: [vkey] });
  });
  test('keep a text that looks like signatures', () => {
    const tricky = `${line}\n${line}`;
    expect(openNote(signNote(tricky, NAME, key), [vkey]).text).toBe(tricky);
  });
  test('report every known key that signed, each once, and pass over the others', () => {
    const stranger = signNote(text, 'x.example', keyOf(3)).slice(text.length + 1);
    const second = signNote(text, 'b.example', keyOf(2)).slice(text.length + 1);
    const all = note + stranger + second + line;
    expect(openNote(all, [vkeyOf('b.example', keyOf(2)), vkey]).verified).toEqual([
      vkey,
      vkeyOf('b.example', keyOf(2)),
    ]);
    expect(openNote(all, [vkey]).signatures).toHaveLength(4);
  });
  test('may carry a signature of another key under the same name', () => {
    const other = signNote(text, NAME, keyOf(2)).slice(text.length + 1);
    expect(openNote(note + other, [vkey]).verified).toEqual([vkey]);
  });
  test('are refused whole when a known key signed falsely, even beside a good signature', () => {
    const false1 = signatureLine(NAME, key, 1, sign(null, Buffer.from('another text\n'), key));
    const short = signatureLine(NAME, key, 1, Buffer.alloc(63));
    for (const bad of [false1, short]) {
      expect(() => openNote(note + bad, [vkey])).toThrow(invalid);
      expect(() => openNote(`${text}\n${bad}`, [vkey])).toThrow(invalid);
    }
  });
  const encoded = line.trimEnd().split(' ')[2] as string;
  test.each([
    ['by an unknown key', signNote(text, NAME, keyOf(2))],
    ['under another name', signNote(text, 'b.example', key)],
    ['by nobody', `${text}\n`],
    ['that is empty', ''],
    ['of text alone', text],
    ['without blank line', note.replaceAll('\n\n', '\n')],
    ['without its last newline', note.slice(0, -1)],
    ['with a line after the signatures', `${note}more\n`],
    ['with a blank line after the signatures', `${note}\n`],
    ['with CRLF', note.replaceAll('\n', '\r\n')],
    ['with a tab', note.replace('first', 'fi\trst')],
    ['with a lone surrogate', note.replace('first', '\ud800')],
    ['with a hyphen for the dash', note.replace('\u2014', '-')],
    ['with two blanks in the line', note.replace(`${NAME} `, `${NAME}  `)],
    ['with a plus in the name', note.replace(NAME, 'a+b')],
    ['with a no-break space in the name', note.replace(NAME, 'a\u00a0b')],
    ['without padding', note.replace(/=+\n$/, '\n')],
    ['in base64url', note.replace(encoded, encoded.replace(/^./, '_'))],
    ['with a signature of 4 octets', `${text}\n\u2014 ${NAME} AAAAAA==\n`],
    ['with 65 signatures', note + line.repeat(64)],
    ['of more than 128 KiB', signNote('x'.repeat(128 * 1024) + '\n', NAME, key)],
    ['of 100 KB garbage', 'g\n'.repeat(50_000)],
  ])('refuses one %s', (_, bad) => {
    expect(() => openNote(bad, [vkey])).toThrow(invalid);
  });
  test('refuses a signature with unused bits set in its base64', () => {
    // 68 octets end in two characters and one sign of padding: 2 bits of the last character are unused.
    const last = encoded.at(-2) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const changed = `${encoded.slice(0, -2)}${alphabet[alphabet.indexOf(last) + 1] as string}=`;
    expect(Buffer.from(changed, 'base64')).toEqual(Buffer.from(encoded, 'base64'));
    expect(() => openNote(note.replace(encoded, changed), [vkey])).toThrow(invalid);
  });
  test('takes 64 signatures', () => {
    expect(openNote(note + line.repeat(63), [vkey]).verified).toEqual([vkey]);
  });
  test('refuses, as mistakes of the program, a text that no note can hold and the key of a witness', () => {
    for (const bad of ['no newline', '', 'tab\t\n', '\ud800\n'])
      expect(() => signNote(bad, NAME, key)).toThrow(TypeError);
    expect(() => openNote(note, [vkeyOf(NAME, key, 4)])).toThrow(TypeError);
  });
  test('any changed character is refused', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 0xd7ff }), (place, code) => {
        const at = place % note.length;
        const changed = note.slice(0, at) + String.fromCharCode(code) + note.slice(at + 1);
        fc.pre(changed !== note);
        expect(() => openNote(changed, [vkey])).toThrow(invalid);
      }),
    );
  });
  test('what was signed is opened, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (any) => {
        // eslint-disable-next-line no-control-regex -- what a note can not hold
        const some = `${any.replace(/[\u0000-\u0009\u000b-\u001f]/g, '')}\n`;
        expect(openNote(signNote(some, NAME, key), [vkey]).text).toBe(some);
      }),
    );
  });
});

const root = leafHash(Buffer.from('root'));
const checkpointText = `${NAME}\n42\n${root.toString('base64')}\n`;

describe('checkpoints', () => {
  test('are written in three lines and read again', () => {
    expect(formatCheckpoint({ origin: NAME, size: 42, root })).toBe(checkpointText);
    expect(parseCheckpoint(checkpointText)).toEqual({ origin: NAME, size: 42, root });
    expect(openCheckpoint(signCheckpoint({ origin: NAME, size: 42, root }, key), vkey).size).toBe(42);
  });
  test.each([
    ['with an extension line', `${checkpointText}more\n`],
    ['with a leading zero', checkpointText.replace('42', '042')],
    ['with a sign', checkpointText.replace('42', '+42')],
    ['with a fraction', checkpointText.replace('42', '4.2')],
    ['with a size of 2^53', checkpointText.replace('42', '9007199254740992')],
    ['without size', checkpointText.replace('42', '')],
    ['without origin', checkpointText.slice(NAME.length)],
    ['with a root of 31 octets', `${NAME}\n42\n${root.subarray(1).toString('base64')}\n`],
    ['with a root in hex', `${NAME}\n42\n${root.toString('hex')}\n`],
    ['without its last newline', checkpointText.slice(0, -1)],
    ['of two lines', `${NAME}\n42\n`],
    ['that is empty', ''],
  ])('refuses one %s', (_, bad) => {
    expect(() => parseCheckpoint(bad)).toThrow(invalid);
    if (bad.endsWith('\n')) expect(() => openCheckpoint(signNote(bad, NAME, key), vkey)).toThrow(invalid);
  });
  test('refuses the checkpoint of another log under the key of this one', () => {
    const other = signNote(checkpointText.replace('/a', '/b'), NAME, key);
    expect(() => openCheckpoint(other, vkey)).toThrow(invalid);
  });
  test('refuses, as mistakes of the program, what no checkpoint can hold', () => {
    for (const bad of [
      { origin: '', size: 1, root },
      { origin: 'a\nb', size: 1, root },
      { origin: NAME, size: -1, root },
      { origin: NAME, size: 2 ** 53, root },
      { origin: NAME, size: 1, root: Buffer.of(1) },
    ])
      expect(() => formatCheckpoint(bad)).toThrow(TypeError);
  });
});

const witness = (seed: number) => ({
  key: vkeyOf(`w${seed}.example`, keyOf(seed), 4),
  url: 'https://w.example',
});
const cosignedBy = (seed: number, timeS = 1_800_000_000): string =>
  cosign(checkpointText, `w${seed}.example`, keyOf(seed), timeS);
const signed = signNote(checkpointText, NAME, key);
const policy = (threshold: number, ...seeds: number[]) => ({ witnesses: seeds.map(witness), threshold });

describe('cosignatures', () => {
  test('are counted against the policy', () => {
    const both = signed + cosignedBy(7) + cosignedBy(8);
    expect(verifyCosignatures(both, policy(2, 7, 8))).toEqual({
      verified: [witness(7).key, witness(8).key],
      satisfied: true,
    });
    expect(verifyCosignatures(signed + cosignedBy(7), policy(2, 7, 8)).satisfied).toBe(false);
    expect(verifyCosignatures(signed + cosignedBy(9), policy(1, 7, 8)).satisfied).toBe(false);
    expect(verifyCosignatures(both, policy(3, 7, 8)).satisfied).toBe(false);
    expect(openCheckpoint(both, vkey).size).toBe(42);
  });
  test('sign the header, the time and the text, as C2SP writes them', () => {
    const [, encoded] = /(\S+)\n$/.exec(cosignedBy(7)) ?? [];
    const octets = Buffer.from(encoded as string, 'base64');
    expect(octets.subarray(4, 12).readBigUInt64BE()).toBe(1_800_000_000n);
    const message = Buffer.from(`cosignature/v1\ntime 1800000000\n${checkpointText}`);
    expect(octets.subarray(12)).toEqual(sign(null, message, keyOf(7)));
  });
  test('of one witness count once, in two lines or under two names', () => {
    const twice = signed + cosignedBy(7) + cosignedBy(7, 1_800_000_001);
    expect(verifyCosignatures(twice, policy(2, 7, 8)).satisfied).toBe(false);
    const alias = { key: vkeyOf('alias.example', keyOf(7), 4), url: '' };
    const aliased = signed + cosignedBy(7) + cosign(checkpointText, 'alias.example', keyOf(7), 1);
    expect(verifyCosignatures(aliased, { witnesses: [witness(7), alias], threshold: 2 }).satisfied).toBe(
      false,
    );
  });
  test('of a known witness that do not verify refuse the note', () => {
    const parsed = parseNote(signed + cosignedBy(7)).signatures[1]?.signature as Buffer;
    const late = Buffer.from(parsed);
    late.writeUInt8((late[7] as number) ^ 1, 7);
    const far = Buffer.from(parsed);
    far.writeUInt8(0x80, 0);
    const overText = sign(null, Buffer.from(checkpointText), keyOf(7));
    for (const bad of [
      late,
      far,
      parsed.subarray(1),
      Buffer.concat([parsed, Buffer.of(0)]),
      overText,
      Buffer.concat([Buffer.alloc(8), overText]),
    ])
      expect(() =>
        verifyCosignatures(signed + signatureLine('w7.example', keyOf(7), 4, bad), policy(1, 7)),
      ).toThrow(invalid);
    const other = cosign(checkpointText.replace('42', '43'), 'w7.example', keyOf(7), 1_800_000_000);
    expect(() => verifyCosignatures(signed + other, policy(1, 7))).toThrow(invalid);
    expect(() => verifyCosignatures('garbage', policy(1, 7))).toThrow(invalid);
  });
  test('are no signature of the log, and the signature of a log is none', () => {
    const logAsWitness = { witnesses: [{ key: vkeyOf(NAME, key, 4), url: '' }], threshold: 1 };
    expect(verifyCosignatures(signed, logAsWitness).satisfied).toBe(false);
    expect(() => openNote(`${checkpointText}\n${cosignedBy(7)}`, [vkeyOf('w7.example', keyOf(7))])).toThrow(
      invalid,
    );
    expect(() => verifyCosignatures(signed, { witnesses: [{ key: vkey, url: '' }], threshold: 1 })).toThrow(
      TypeError,
    );
    expect(() =>
      verifyCosignatures(signed, { witnesses: [{ key: 'x' as never, url: '' }], threshold: 1 }),
    ).toThrow(keyInvalid);
  });
});

describe('log proofs', () => {
  const tree = new MerkleTree();
  const entry = (i: number): Buffer => Buffer.from(`entry ${i}`);
  for (let i = 0; i < 11; i += 1) tree.append(leafHash(entry(i)));
  const treeText = formatCheckpoint({ origin: NAME, size: 11, root: tree.root() });
  const checkpoint = signNote(treeText, NAME, key) + cosign(treeText, 'w7.example', keyOf(7), 5);
  const proofOf = (index: number): string =>
    formatTlogProof({ index, proof: tree.inclusionProof(index), checkpoint });
  const good = proofOf(6);

  test('prove every entry, offline', () => {
    for (let i = 0; i < 11; i += 1)
      expect(verifyTlogProof(proofOf(i), entry(i), vkey, policy(1, 7))).toMatchObject({
        index: i,
        checkpoint: { origin: NAME, size: 11 },
        witnesses: [witness(7).key],
      });
  });
  test('are read again as they were written, with and without extra data and path', () => {
    for (const proof of [
      { index: 6, proof: tree.inclusionProof(6), checkpoint },
      { index: 0, proof: [], checkpoint, extra: Buffer.from('more') },
    ])
      expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof);
    expect(good.startsWith('c2sp.org/tlog-proof@v1\nindex 6\n')).toBe(true);
  });
  test.each([
    ['of another version', good.replace('@v1', '@v2')],
    ['without index', good.replace('index 6\n', '')],
    ['with a leading zero', good.replace('index 6', 'index 06')],
    ['with a negative index', good.replace('index 6', 'index -6')],
    ['with an index of 2^53', good.replace('index 6', 'index 9007199254740992')],
    ['with extra data that is no base64', good.replace('index', 'extra !\nindex')],
    ['with extra data after the index', good.replace('index 6\n', 'index 6\nextra AAAA\n')],
    [
      'with a hash of 31 octets',
      good.replace('index 6\n', `index 6\n${root.subarray(1).toString('base64')}\n`),
    ],
    ['with a hash too many', good.replace('index 6\n', `index 6\n${root.toString('base64')}\n`)],
    ['with 54 hashes', good.replace('index 6\n', `index 6\n${`${root.toString('base64')}\n`.repeat(54)}`)],
    ['of another index', good.replace('index 6', 'index 7')],
    ['without a hash', good.replace(/index 6\n[^\n]+\n/, 'index 6\n')],
    ['with CRLF', good.replaceAll('\n', '\r\n')],
    ['that is empty', ''],
    ['of 200 KB garbage', 'g\n'.repeat(100_000)],
  ])('refuses one %s', (_, bad) => {
    expect(() => verifyTlogProof(bad, entry(6), vkey, policy(1, 7))).toThrow(proofInvalid);
  });
  test('refuse another entry, another log key, a checkpoint altered, and too few witnesses', () => {
    expect(() => verifyTlogProof(good, entry(5), vkey, policy(1, 7))).toThrow(proofInvalid);
    expect(() => verifyTlogProof(good, entry(6), vkeyOf(NAME, keyOf(2)), policy(1, 7))).toThrow(invalid);
    expect(() => verifyTlogProof(good.replace('\n11\n', '\n12\n'), entry(6), vkey, policy(1, 7))).toThrow(
      invalid,
    );
    expect(() => verifyTlogProof(good, entry(6), vkey, policy(2, 7, 8))).toThrow(invalid);
    expect(() => verifyTlogProof(good, entry(6), vkey, policy(1, 8))).toThrow(invalid);
    expect(() => verifyTlogProof(good, entry(6), 'x', policy(1, 7))).toThrow(keyInvalid);
  });
  test('any changed character is refused', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 0x2fff }), (place, code) => {
        const at = place % good.length;
        const changed = good.slice(0, at) + String.fromCharCode(code) + good.slice(at + 1);
        fc.pre(changed !== good);
        expect(() => verifyTlogProof(changed, entry(6), vkey, policy(1, 7))).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^(proof|checkpoint)_invalid$/) }),
        );
      }),
      { numRuns: 300 },
    );
  });
});
