// Reads the conformance vectors and runs them. Each is data for any implementation: description, source, input, and
// what is expected: 'ok' or the code of the refusal.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { codeOf } from '@onceway/sdk/protocol';

export interface Vector<Input, Result> {
  readonly description: string;
  readonly source: string;
  readonly input: Input;
  readonly expect: string;
  readonly result?: Result;
}

function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../conformance/vectors/${name}.json`, import.meta.url), 'utf8'));
}

export function vectorsOf<Input, Result>(name: string): readonly Vector<Input, Result>[] {
  return (readVectors(name) as { vectors: Vector<Input, Result>[] }).vectors;
}

/** One test a vector; `run` gives what a vector with a result expects. */
export function runVectors<Input, Result>(
  name: string,
  run: (input: Input, vector: Vector<Input, Result>) => unknown,
): void {
  const vectors = vectorsOf<Input, Result>(name);
  test('at least as many are refused as are taken', () => {
    const taken = vectors.filter((vector) => vector.expect === 'ok').length;
    expect(vectors.length - taken).toBeGreaterThanOrEqual(name === 'request-hash' ? 0 : taken);
  });
  test.each(vectors.map((vector) => [vector.expect, vector.description, vector] as const))(
    '%s: %s',
    (expected, _description, vector) => {
      let outcome = 'ok';
      let result: unknown;
      try {
        result = run(vector.input, vector);
      } catch (error) {
        outcome = codeOf(error);
        if (outcome === 'broken') throw error;
      }
      expect(outcome).toBe(expected);
      if (vector.result !== undefined) expect(result).toEqual(vector.result);
    },
  );
}

export type KeyName = 'ec' | 'ec2' | 'rsa' | 'ed25519' | 'p384' | 'rsa1024';

const keys = (readVectors('keys') as { keys: Record<KeyName, Record<string, string>> }).keys;

export function privateKey(name: KeyName): KeyObject {
  return createPrivateKey({ key: keys[name], format: 'jwk' });
}
export function publicKey(name: KeyName): KeyObject {
  return createPublicKey(privateKey(name));
}
