// Properties of heads and of what is hashed over them; their vectors are in test/conformance.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CommitmentHash,
  STRIPPED_HEADERS,
  commit,
  encodeAnswerHead,
  encodeRequestHead,
  lastValueOf,
  linesOf,
  parseAnswerHead,
  parseRequestHead,
  RequestHash,
  requestHash,
  targetOf,
  valuesOf,
  type HeadLine,
  type ServiceId,
} from '../../src/protocol/index.js';

const letters = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i));
const name = fc
  .string({
    unit: fc.constantFrom(...letters(0x61, 0x7a), ...letters(0x41, 0x5a), '-', '_', '.', '~'),
    minLength: 1,
  })
  .filter((text) => !STRIPPED_HEADERS.has(text.toLowerCase()) && !/^exchange-/i.test(text));
const value = fc
  .string({ unit: fc.constantFrom('\t', ...letters(0x20, 0x7e), ...letters(0x80, 0xff)) })
  .map((text) => text.replace(/^[\t ]+|[\t ]+$/g, ''));
const lines = fc.array(fc.tuple(name, value), { maxLength: 20 });
const target = fc.string({ unit: fc.constantFrom(...letters(0x21, 0x7e)), minLength: 1 });

describe('heads', () => {
  test('of several lines with one name the last value is the one that valuesOf gives last', () => {
    fc.assert(
      fc.property(lines, name, (given, wanted) => {
        const named: HeadLine[] = [
          ...given,
          ...given.map(([, text]): HeadLine => [wanted.toUpperCase(), text]),
        ];
        expect(lastValueOf(named, wanted)).toBe(valuesOf(named, wanted).at(-1));
        expect(lastValueOf([], wanted)).toBeUndefined();
      }),
    );
  });

  test('a request is read as it was written', () => {
    fc.assert(
      fc.property(fc.constantFrom('GET', 'POST', 'TRACE'), target, lines, (method, to, given) => {
        const head = { method, target: to, lines: given };
        expect(parseRequestHead(encodeRequestHead(head))).toEqual(head);
      }),
    );
  });

  test('an answer is read as it was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), lines, (status, given) => {
        expect(parseAnswerHead(encodeAnswerHead({ status, lines: given }))).toEqual({ status, lines: given });
      }),
    );
  });

  test('octets are either the one form of a head or refused', () => {
    const start = Buffer.from('GET\r\n/\r\n');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (rest) => {
        const octets = Buffer.concat([start, rest]);
        let head;
        try {
          head = parseRequestHead(octets);
        } catch (error) {
          expect(error).toMatchObject({ code: 'head_invalid' });
          return;
        }
        expect(encodeRequestHead(head).equals(octets)).toBe(true);
      }),
    );
  });

  test.each<[string, HeadLine, string]>([
    ['a line end in a value', ['x', 'a\r\nHost:b'], 'head_invalid'],
    ['a line end in a name', ['x\r\ny', 'a'], 'head_invalid'],
    ['a character that is no octet', ['x', 'ổ'], 'head_invalid'],
    ['a line of the connection', ['Connection', 'close'], 'head_invalid'],
    ['a field of the exchange', ['Exchange-Id', 'a'], 'head_invalid'],
    ['more than 24 KiB', ['x', 'a'.repeat(24 * 1024)], 'head_too_large'],
  ])('refuses to write %s', (_what, line, code) => {
    const refused = expect.objectContaining({ code });
    expect(() => encodeAnswerHead({ status: 200, lines: [line] })).toThrow(refused);
    expect(() => encodeRequestHead({ method: 'GET', target: '/', lines: [line] })).toThrow(refused);
  });

  test('refuses to write another method, target or status', () => {
    const write = (method: string, to: string) => () => encodeRequestHead({ method, target: to, lines: [] });
    expect(write('CONNECT', '/')).toThrow(expect.objectContaining({ code: 'method_invalid' }));
    expect(write('GET', '/a\r\nb:c')).toThrow(expect.objectContaining({ code: 'request_target_invalid' }));
    expect(() => encodeAnswerHead({ status: 101, lines: [] })).toThrow(
      expect.objectContaining({ code: 'head_invalid' }),
    );
  });

  test('takes from raw headers what travels, in order and case', () => {
    const raw = ['Host', 'a', 'X-B', '1', 'CONNECTION', 'close', 'x-b', '2', 'User-Agent', 'c'];
    const kept = linesOf(raw);
    expect(kept).toEqual([
      ['X-B', '1'],
      ['x-b', '2'],
    ]);
    expect(valuesOf(kept, 'x-B')).toEqual(['1', '2']);
    expect(valuesOf(kept, 'host')).toEqual([]);
  });

  test('a question mark in a service code is escaped in a target', () => {
    expect(targetOf('VN/GOV/G12/a/b?c' as ServiceId)).toBe('/r1/VN/GOV/G12/a/b%3Fc');
  });
});

describe('hashes over a stream', () => {
  test('the request hash and the commitment do not depend on how a body was cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array()),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (chunks, salt) => {
          const head = Buffer.from('GET\r\n/\r\n');
          const request = new RequestHash(head);
          const commitment = new CommitmentHash(salt);
          for (const chunk of chunks) {
            request.update(chunk);
            commitment.update(chunk);
          }
          const whole = Buffer.concat(chunks);
          expect(request.digest()).toBe(requestHash(head, whole.length === 0 ? null : whole));
          expect(commitment.digest()).toBe(commit(salt, whole));
        },
      ),
    );
  });

  test('a salt of another length is a mistake of the program', () => {
    expect(() => commit(Buffer.alloc(31), Buffer.alloc(0))).toThrow(TypeError);
    expect(() => new CommitmentHash(Buffer.alloc(33))).toThrow(TypeError);
  });
});
