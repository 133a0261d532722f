// The client of witnesses (sdk) against a real witness and against others that lie.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { VerifierKey } from '@onceway/schemas';
import { addCheckpoint, WitnessDisagrees } from '@onceway/sdk/configuration';
import { cosign, parseNote, verifyCosignatures } from '@onceway/sdk/verify';
import { createWitnessListener } from '../../src/witness/add-checkpoint.js';
import { initWitness, Witness } from '../../src/witness/witness.js';
import { temporaryFolder } from '../trust-services/pilot.js';
import { Log, serve, type Served } from './log.js';

const NAME = 'witness.example/w1';
let folder: string, remove: () => void, key: VerifierKey, witness: Witness, served: Served, log: Log;

beforeEach(async () => {
  ({ folder, remove } = temporaryFolder());
  key = initWitness({ folder, name: NAME });
  log = new Log(40);
  witness = new Witness({ folder, logOf: () => log.vkey, clock: Date.now });
  served = await serve(createWitnessListener(witness, () => undefined));
});
afterEach(async () => {
  await served.close();
  witness.close();
  remove();
});

interface Wanted {
  known?: number;
  url?: string;
  signal?: AbortSignal;
}
function ask(size: number, { known = 0, url = served.url, signal }: Wanted = {}): Promise<string> {
  return addCheckpoint({
    witness: { key, url },
    checkpoint: log.checkpoint(size),
    known,
    consistency: (from) => log.proof(from, size),
    ...(signal === undefined ? {} : { signal }),
  });
}
const unavailable = { code: 'witness_unavailable' };

describe('returns the verified line', () => {
  test('of a witness that is as far as was believed', async () => {
    const policy = { witnesses: [{ key, url: '' }], threshold: 1 };
    expect(verifyCosignatures(log.checkpoint(9) + (await ask(9)), policy).verified).toEqual([key]);
    expect(
      verifyCosignatures(log.checkpoint(20) + (await ask(20, { known: 9, url: `${served.url}/` })), policy)
        .satisfied,
    ).toBe(true);
  });

  test('of a witness that remembers another size, more or less', async () => {
    await ask(9);
    await expect(ask(12, { known: 3 })).resolves.toMatch(/^— witness\.example\/w1 .*\n$/);
    await expect(ask(20, { known: 15 })).resolves.toMatch(/\n$/);
  });

  test('for a checkpoint that others cosigned before', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const other = cosign(parseNote(log.checkpoint(9)).text, 'w2', privateKey, 1);
    const line = await addCheckpoint({
      witness: { key, url: served.url },
      checkpoint: log.checkpoint(9) + other,
      known: 0,
      consistency: () => Promise.resolve([]),
    });
    expect(parseNote(log.checkpoint(9) + other + line).signatures).toHaveLength(3);
  });
});

describe('refuses', () => {
  async function lying(listener: RequestListener): Promise<string> {
    const liar = await serve(listener);
    try {
      return await ask(9, { url: liar.url });
    } finally {
      await liar.close();
    }
  }
  const answering =
    (status: number, text: string): RequestListener =>
    (_, response) => {
      response.statusCode = status;
      response.end(text);
    };

  test('an older checkpoint than the witness remembers, and says how far that is', async () => {
    await ask(12);
    for (const known of [0, 3, 9]) {
      const refused = await ask(9, { known }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(WitnessDisagrees);
      expect(refused).toMatchObject({ ...unavailable, remembered: 12 });
    }
  });

  test('a log that continues another one than the witness remembers, of the same size or larger', async () => {
    await ask(12);
    const { vkey, key: logKey } = log;
    log = Object.assign(new Log(40, 'restored'), { vkey, key: logKey });
    for (const [size, known] of [
      [12, 0],
      [12, 12],
      [20, 0],
      [20, 12],
    ] as const) {
      const refused = await ask(size, { known }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(WitnessDisagrees);
      expect(refused).toMatchObject({ ...unavailable, remembered: 12 });
    }
  });

  test('a witness that does not know the log, or does not answer', async () => {
    log = new Log(10);
    const witnessOfNone = new Witness({ folder, logOf: () => undefined, clock: Date.now });
    await expect(lying(createWitnessListener(witnessOfNone, () => undefined))).rejects.toMatchObject(
      unavailable,
    );
    witnessOfNone.close();
    await expect(ask(9, { url: 'http://127.0.0.1:9' })).rejects.toMatchObject(unavailable);
    await expect(ask(9, { signal: AbortSignal.abort() })).rejects.toMatchObject(unavailable);
  });

  test('lines of other keys, endless lines, and none', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const other = cosign(parseNote(log.checkpoint(9)).text, NAME, privateKey, 1);
    for (const text of [other, '', 'hello\n', `${'x'.repeat(100_000)}\n`])
      await expect(lying(answering(200, text))).rejects.toMatchObject(unavailable);
  });

  test('a cosignature over another checkpoint', async () => {
    await expect(lying(answering(200, await ask(20)))).rejects.toMatchObject(unavailable);
  });

  test('to be sent round in circles', async () => {
    let asked = 0;
    const circling: RequestListener = (_, response) => {
      response.statusCode = 409;
      response.end(`${++asked}\n`);
    };
    await expect(lying(circling)).rejects.toMatchObject(unavailable);
    expect(asked).toBe(2);
    for (const text of ['', 'x\n', '-1\n', '0\n', '99999999999999999\n']) {
      const refused = await lying(answering(409, text)).catch((error: unknown) => error);
      expect(refused).toMatchObject(unavailable);
      expect(refused).not.toBeInstanceOf(WitnessDisagrees);
    }
  });
});
