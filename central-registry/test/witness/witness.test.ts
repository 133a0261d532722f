import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VerifierKey } from '@onceway/schemas';
import { parseNote, parseVerifierKey, signCheckpoint, verifyCosignatures } from '@onceway/sdk/verify';
import { pkcs8PemOf } from '../../src/trust-services/credential.js';
import { createWitnessListener } from '../../src/witness/add-checkpoint.js';
import { initWitness, Witness, type Fork } from '../../src/witness/witness.js';
import { temporaryFolder } from '../trust-services/pilot.js';
import { Log, ORIGIN, post, serve, type Answer, type Served } from './log.js';

const NAME = 'witness.audit.example/w1';
let folder: string, remove: () => void, vkey: VerifierKey, witness: Witness, served: Served, log: Log;
let nowMs: number, reported: unknown[], caught: Fork[];

beforeEach(async () => {
  ({ folder, remove } = temporaryFolder());
  vkey = initWitness({ folder, name: NAME });
  log = new Log(40);
  nowMs = Date.UTC(2026, 10, 21, 12, 0, 0, 900);
  reported = [];
  caught = [];
  witness = openWitness();
  served = await serve(createWitnessListener(witness, (error) => reported.push(error)));
});
afterEach(async () => {
  await served.close();
  witness.close();
  remove();
  expect(reported).toEqual([]);
});

function openWitness(): Witness {
  const logOf = (origin: string) => (origin === ORIGIN ? log.vkey : undefined);
  return new Witness({ folder, logOf, clock: () => nowMs, caught: (fork) => caught.push(fork) });
}

const submit = (from: number, to: number): Promise<Answer> => post(served.url, log.body(from, to));
const conflict = (size: number): Answer => ({ status: 409, type: 'text/x.tlog.size', text: `${size}\n` });

function expectCosigned(answer: Answer, size: number): void {
  expect(answer.status).toBe(200);
  const policy = { witnesses: [{ key: vkey, url: '' }], threshold: 1 };
  expect(verifyCosignatures(log.checkpoint(size) + answer.text, policy).satisfied).toBe(true);
}

function timeOf(answer: Answer): bigint | undefined {
  return parseNote(log.checkpoint(1) + answer.text)
    .signatures.at(-1)
    ?.signature.readBigUInt64BE();
}

describe('cosigns', () => {
  test('a log from its first checkpoint on, and each that extends the last', async () => {
    expectCosigned(await submit(0, 0), 0);
    expectCosigned(await submit(0, 7), 7);
    expectCosigned(await submit(7, 8), 8);
    expectCosigned(await submit(8, 40), 40);
  });

  test('the same checkpoint again, with the time of now', async () => {
    const first = await submit(0, 5);
    nowMs += 5000;
    const second = await submit(5, 5);
    expectCosigned(second, 5);
    expect(timeOf(first)).toBe(BigInt(Date.UTC(2026, 10, 21, 12) / 1000));
    expect(timeOf(second)).toBe(BigInt(Date.UTC(2026, 10, 21, 12) / 1000) + 5n);
  });

  test('never with a time before that of a smaller tree', async () => {
    const first = await submit(0, 5);
    nowMs -= 3_600_000;
    expect(timeOf(await submit(5, 6))).toBe(timeOf(first));
  });

  test('a checkpoint that others cosigned already', async () => {
    const { text } = await submit(0, 3);
    expectCosigned(await post(served.url, log.body(3, 3) + text), 3);
  });
});

describe('refuses', () => {
  test('a fork of the same size, and keeps the proof of it', async () => {
    await submit(0, 9);
    const fork = new Log(12, 'false');
    const forked = signCheckpoint({ origin: ORIGIN, size: 9, root: fork.tree.root(9) }, log.key);
    expect(await post(served.url, `old 9\n\n${forked}`)).toEqual(conflict(9));
    expect(await post(served.url, `old 3\n\n${forked}`)).toEqual(conflict(9));
    const kept = { origin: ORIGIN, cosigned: log.checkpoint(9), refused: forked };
    expect(witness.forks()).toEqual([kept]);
    expect(caught).toEqual([kept]);
    expectCosigned(await submit(9, 10), 10);
  });

  test('a fork that grows, by whatever proof', async () => {
    await submit(0, 9);
    const fork = new Log(12, 'false');
    const forked = signCheckpoint({ origin: ORIGIN, size: 12, root: fork.tree.root(12) }, log.key);
    for (const proof of [fork.proof(9, 12), log.proof(9, 12), []]) {
      const lines = proof.map((hash) => `${hash.toString('base64')}\n`).join('');
      expect((await post(served.url, `old 9\n${lines}\n${forked}`)).status).toBe(422);
    }
    expect(await post(served.url, `old 0\n\n${forked}`)).toEqual(conflict(9));
  });

  test('to go back', async () => {
    await submit(0, 9);
    expect(await submit(4, 8)).toEqual(conflict(9));
    expect(await submit(0, 8)).toEqual(conflict(9));
    expect((await post(served.url, `old 9\n\n${log.checkpoint(8)}`)).status).toBe(400);
  });

  test('an old size that it does not remember', async () => {
    expect(await submit(5, 9)).toEqual(conflict(0));
    await submit(0, 9);
    expect(await submit(0, 12)).toEqual(conflict(9));
  });

  test('a proof that is altered, short, long, or not empty where it must be', async () => {
    await submit(0, 9);
    const proof = log.proof(9, 30);
    const altered = proof.map((hash, index) => (index === 1 ? Buffer.alloc(32, 7) : hash));
    for (const wrong of [altered, proof.slice(1), [...proof, Buffer.alloc(32)], [...proof].reverse()])
      expect((await post(served.url, log.body(9, 30, wrong))).status).toBe(422);
    expect((await post(served.url, log.body(9, 9, [Buffer.alloc(32)]))).status).toBe(422);
    expectCosigned(await submit(9, 30), 30);
  });

  test('a proof from nothing', async () => {
    expect((await post(served.url, log.body(0, 9, [Buffer.alloc(32)]))).status).toBe(422);
  });

  test('an empty tree that is not empty', async () => {
    const lie = signCheckpoint({ origin: ORIGIN, size: 0, root: log.tree.root(9) }, log.key);
    expect(await post(served.url, `old 0\n\n${lie}`)).toEqual(conflict(0));
    expect(witness.forks()).toEqual([]);
  });

  test('an unknown log', async () => {
    const stranger = signCheckpoint(
      { origin: 'other.example/log', size: 9, root: log.tree.root(9) },
      log.key,
    );
    expect((await post(served.url, `old 0\n\n${stranger}`)).status).toBe(404);
  });

  test('another key under the log’s name, and a signature that does not verify', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    expect((await post(served.url, `old 0\n\n${log.checkpoint(9, privateKey)}`)).status).toBe(403);
    const [text, signature] = log.checkpoint(9).split('\n\n');
    const broken = `${text}\n\n${signature?.replace(/....\n$/, 'AAAA\n')}`;
    expect((await post(served.url, `old 0\n\n${broken}`)).status).toBe(403);
    const larger = log.checkpoint(9).replace('\n9\n', '\n10\n');
    expect((await post(served.url, `old 0\n\n${larger}`)).status).toBe(403);
    expectCosigned(await submit(0, 9), 9);
  });

  test.each([
    ['an empty body', () => ''],
    ['no old size', () => log.checkpoint(9)],
    ['a leading zero', () => `old 00\n\n${log.checkpoint(9)}`],
    ['a negative size', () => `old -1\n\n${log.checkpoint(9)}`],
    ['a size beyond 2^53', () => `old 9999999999999999\n\n${log.checkpoint(9)}`],
    ['a carriage return', () => log.body(0, 9).replace('\n', '\r\n')],
    ['no blank line', () => `old 0\n${log.checkpoint(9)}`],
    [
      '64 proof lines',
      () =>
        log.body(
          1,
          9,
          Array.from({ length: 64 }, () => Buffer.alloc(32)),
        ),
    ],
    ['a hash of 31 octets', () => log.body(1, 9, [Buffer.alloc(31)])],
    ['unused bits in base64', () => `old 1\n${'A'.repeat(42)}B=\n\n${log.checkpoint(9)}`],
    ['no note', () => 'old 0\n\n'],
    ['a note without signature', () => `old 0\n\n${log.checkpoint(9).split('\n\n')[0]}\n`],
    ['a note that is no checkpoint', () => log.body(0, 9).replace(`${ORIGIN}\n`, '')],
    ['an octet that is not UTF-8', () => Buffer.concat([Buffer.from(log.body(0, 9)), Buffer.of(0xff)])],
    ['a byte order mark', () => `\ufeff${log.body(0, 9)}`],
  ])('%s', async (_, body) => {
    expect((await post(served.url, body())).status).toBe(400);
    expectCosigned(await submit(0, 9), 9);
  });

  test('too many octets', async () => {
    expect((await post(served.url, log.body(0, 9) + 'x'.repeat(16 * 1024))).status).toBe(413);
  });

  test('other paths and methods', async () => {
    expect((await fetch(`${served.url}/`, { method: 'POST' })).status).toBe(404);
    const got = await fetch(`${served.url}/add-checkpoint`);
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('its memory', () => {
  test('of twenty requests at once that extend one checkpoint, one wins', async () => {
    await submit(0, 10);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => submit(10, 11 + index)));
    const winner = answers.findIndex(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expectCosigned(answers[winner] as Answer, 11 + winner);
    expect(answers.filter((_, index) => index !== winner)).toEqual(Array(19).fill(conflict(11 + winner)));
  });

  test('is shared by two that run on one folder', async () => {
    const other = openWitness();
    const otherServed = await serve(createWitnessListener(other, (error) => reported.push(error)));
    await submit(0, 10);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        post(index % 2 ? served.url : otherServed.url, log.body(10, 11 + index)),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    await otherServed.close();
    other.close();
  });

  test('survives a restart', async () => {
    await submit(0, 9);
    witness.close();
    witness = openWitness();
    await served.close();
    served = await serve(createWitnessListener(witness, (error) => reported.push(error)));
    expect(await submit(0, 9)).toEqual(conflict(9));
    expectCosigned(await submit(9, 12), 12);
  });

  test('never lies behind a cosignature that left, however it is killed', async () => {
    let size = 0;
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [script, folder, log.vkey], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const port = await new Promise<string>((resolve) =>
        child.stdout.once('data', (data) => resolve(String(data).trim())),
      );
      const url = `http://127.0.0.1:${port}`;
      const [, remembered] = /^(\d+)\n$/.exec((await post(url, log.body(39, 40))).text) ?? [];
      expect(Number(remembered)).toBeGreaterThanOrEqual(size);
      size = Number(remembered);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      for (let step = 0; step < 8; step++) {
        const answer = post(url, log.body(size, size + 1)).catch(() => undefined);
        if (step === 7) child.kill('SIGKILL'); // the last request is on its way
        const arrived = await answer;
        if (arrived?.status === 200) size += 1;
      }
      await ended;
    }
    expect(size).toBeGreaterThanOrEqual(28);
    expect(await submit(0, 40)).toEqual({
      ...conflict(0),
      text: expect.stringMatching(new RegExp(`^(${size}|${size + 1})\n$`)),
    });
  });
});

const script = fileURLToPath(new URL('./witness-process.js', import.meta.url));

describe('its key', () => {
  test('is readable by its owner only, and of type 4', () => {
    expect(statSync(join(folder, 'witness-key.pem')).mode & 0o777).toBe(0o600);
    expect(parseVerifierKey(vkey)).toMatchObject({ name: NAME, type: 4 });
    expect(witness.vkey).toBe(vkey);
    expect(readFileSync(join(folder, 'witness.vkey'), 'utf8')).toBe(`${vkey}\n`);
  });

  test('is made once', () => {
    expect(() => initWitness({ folder, name: NAME })).toThrow(expect.objectContaining({ code: 'conflict' }));
    expect(() => initWitness({ folder: join(folder, 'x'), name: 'a name' })).toThrow(TypeError);
  });

  test('must be the one of the vkey', () => {
    writeFileSync(join(folder, 'witness-key.pem'), pkcs8PemOf(generateKeyPairSync('ed25519').privateKey));
    expect(openWitness).toThrow(expect.objectContaining({ code: 'key_invalid' }));
  });

  test('is not used without its memory', () => {
    const other = join(folder, 'other');
    initWitness({ folder: other, name: NAME });
    rmSync(join(other, 'witness.db'));
    const open = () => new Witness({ folder: other, logOf: () => undefined, clock: Date.now });
    expect(open).toThrow(expect.objectContaining({ code: 'not_found' }));
    rmSync(join(other, 'witness.vkey'));
    expect(open).toThrow(expect.objectContaining({ code: 'not_found' }));
  });
});

test('what breaks inside is reported, and the client learns only 500', async () => {
  const broken = openWitness();
  const errors: unknown[] = [];
  const brokenServed = await serve(createWitnessListener(broken, (error) => errors.push(error)));
  broken.close();
  expect(await post(brokenServed.url, log.body(0, 9))).toMatchObject({
    status: 500,
    text: 'Internal Server Error\n',
  });
  expect(errors).toHaveLength(1);
  await brokenServed.close();
});
