// The auditor's program judges the vectors of the protocol as everybody must: a second opinion, from other code.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseMessage } from '../../src/verify-messages/copy.js';
import { verifyLines, verifyTarget } from '../../src/verify-messages/exchange.js';
import { verifyJws } from '../../src/verify-messages/jws.js';
import { decode, digestOf, parseStrict } from '../../src/verify-messages/octets.js';

interface Vector {
  readonly description: string;
  readonly input: unknown;
  readonly expect: string;
  readonly result?: unknown;
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(`test/conformance/vectors/${name}.json`, 'utf8'));
const vectorsOf = (name: string): readonly Vector[] => (read(name) as { vectors: Vector[] }).vectors;
const { keys } = read('keys') as { keys: Record<string, JsonWebKey> };

const midOf = (result: unknown): string | undefined => (result as { mid?: string } | undefined)?.mid;

/** Vectors that are judged otherwise than they expect. */
function disagreements(vectors: readonly Vector[], judge: (input: never) => unknown): string[] {
  return vectors.flatMap(({ description, input, expect: expected }) => {
    let outcome = 'ok';
    try {
      judge(input as never);
    } catch {
      outcome = 'refused';
    }
    return (outcome === 'ok') === (expected === 'ok') ? [] : [`${description}: ${outcome}, ${expected}`];
  });
}

test('base64url in its one form', () => {
  expect(disagreements(vectorsOf('base64url'), (text: string) => decode(text, 'base64url'))).toEqual([]);
});

test('JSON in its one form', () => {
  const objects = vectorsOf('strict-json').filter(({ input }) => String(input).startsWith('{'));
  expect(objects.length).toBeGreaterThan(10);
  expect(disagreements(objects, (text: string) => parseStrict(Buffer.from(text)))).toEqual([]);
});

describe('messages', () => {
  interface Input {
    readonly type: string;
    readonly compact: string;
    readonly key: string;
    readonly alg: string;
  }
  const messages = vectorsOf('envelopes').filter(({ input }) =>
    ['request', 'answer', 'refusal'].includes((input as Input).type),
  );
  const judge = ({ type, compact, key, alg }: Input): string => {
    const { jws, kind } = parseMessage(compact);
    if (kind !== type) throw new Error('of another type');
    const jwk = keys[key];
    if (jwk === undefined) throw new TypeError(`no key ${key}`);
    verifyJws(jws, createPublicKey({ key: jwk, format: 'jwk' }), alg);
    return jws.mid;
  };

  test('are taken, and their ids are the same', () => {
    const good = messages.filter(({ result }) => midOf(result) !== undefined);
    expect(good.length).toBeGreaterThan(10);
    expect(good.map(({ input }) => judge(input as Input))).toEqual(good.map(({ result }) => midOf(result)));
  });

  test.each(['signature_invalid', 'envelope_invalid'])('are refused: %s', (code) => {
    const bad = messages.filter(({ expect: expected }) => expected === code);
    expect(bad.length).toBeGreaterThan(0);
    expect(disagreements(bad, judge)).toEqual([]);
  });
});

describe('an answer’s X-Road lines', () => {
  const [vector] = vectorsOf('request-hash');
  const { head, body } = vector?.input as { head: string; body: string };
  const asked = { head: Buffer.from(head), body: Buffer.from(body) };
  const claims = { iss: 'DEV/COM/4321/TestClient', aud: 'DEV/COM/1234/TestService/mock1' };
  const lines = [
    '200',
    'x-road-id:DEV-11111111-2222-3333-4444-555555555555',
    'x-road-client:DEV/COM/4321/TestClient',
    'x-road-service:DEV/COM/1234/TestService/mock1',
    'x-road-request-id:f92591a3-6bf0-49b1-987b-0dd78c034cc3',
    `x-road-request-hash:${String(vector?.result)}`,
  ];
  const judge = (...given: readonly string[]): void =>
    verifyLines(asked, Buffer.from(`${given.join('\r\n')}\r\n`), claims);

  test('are those of its request', () => {
    judge(...lines);
    verifyTarget(asked.head, claims.aud);
  });

  test.each([
    ['another request', 'request_hash', lines.with(5, 'x-road-request-hash:AAAA')],
    ['no hash', 'request_hash', lines.slice(0, 5)],
    ['two hashes', 'request_hash', [...lines, 'X-Road-Request-Hash:AAAA']],
    ['another client', 'binding', lines.with(2, 'x-road-client:DEV/COM/4321/Other')],
    ['another service', 'binding', lines.with(3, 'x-road-service:DEV/COM/1234/TestService/mock2')],
    ['another id', 'binding', lines.with(1, 'x-road-id:DEV-1')],
    ['no request id', 'binding', lines.filter((line) => !line.startsWith('x-road-request-id'))],
  ])('of %s are refused: %s', (_what, rule, given) => {
    expect(() => judge(...given)).toThrow(expect.objectContaining({ rule }));
  });

  test.each(['/r1/DEV/COM/1234/TestService/mock2', '/r2/DEV/COM/1234/TestService/mock1', '/'])(
    'a head whose target is %s is not of the service',
    (target) => {
      expect(() => verifyTarget(Buffer.from(`GET\r\n${target}\r\n`), claims.aud)).toThrow(
        expect.objectContaining({ rule: 'binding' }),
      );
    },
  );
});

test('commitments open as they must', () => {
  for (const { input } of vectorsOf('commitments').filter(({ expect: expected }) => expected === 'ok')) {
    const { salt, octets, digest } = input as Record<'salt' | 'octets' | 'digest', string>;
    expect(digestOf(decode(salt, 'base64url'), Buffer.from(octets))).toBe(digest);
  }
});
