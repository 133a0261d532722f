// What is recognised at once must be what the whole rule takes: identifiers and JSON of drawn letters against the rule
// as it is written.
import { describe, expect, test } from '@jest/globals';
import {
  decodeSegment,
  formatServiceId,
  parseServiceId,
  parseStrictJson,
  readServiceId,
} from '../../src/protocol/index.js';

/** Numbers in [0, max), the same in every run (Lehmer). */
function drawing(): (max: number) => number {
  let state = 20_261_121;
  return (max) => (state = (state * 48_271) % 2_147_483_647) % max;
}

function outcomeOf<T>(make: () => T): T | 'refused' {
  try {
    return make();
  } catch {
    return 'refused';
  }
}

describe('identifiers', () => {
  const pieces = [
    ...[
      'a',
      'Z',
      '0',
      '.',
      '..',
      '+',
      '?',
      '=',
      '~',
      "'",
      '%2F',
      '%2f',
      '%2e',
      '%41',
      '%C3%A9',
      '%EF%BB%BF',
      '%ED%A0%80',
    ],
    ...[
      '/',
      '/',
      '/',
      '',
      '!',
      '*',
      '@',
      '%',
      ' ',
      'é',
      '\n',
      '\ud800',
      '#',
      'x'.repeat(120),
      'y'.repeat(255),
    ],
  ];

  test('are taken, and written, as each of their parts is', () => {
    const draw = drawing();
    const piece = (): string => pieces[draw(pieces.length)] as string;
    let taken = 0;
    for (let n = 0; n < 20_000; n++) {
      const parts = Array.from({ length: draw(8) === 0 ? 4 + draw(3) : 5 }, () =>
        draw(3) === 0 ? piece() + piece() : `a${draw(9)}`,
      );
      const text = parts.join('/');
      const wanted = outcomeOf(() => {
        const segments = text.split('/');
        if (segments.length !== 5) throw new Error('parts');
        const [instance, memberClass, memberCode, subsystemCode, serviceCode] = segments.map(
          decodeSegment,
        ) as [string, string, string, string, string];
        return formatServiceId({ instance, memberClass, memberCode, subsystemCode, serviceCode });
      });
      const read = outcomeOf(() => readServiceId(text));
      const parsed = outcomeOf(() => parseServiceId(text));
      if (read !== wanted || parsed !== (wanted === text ? text : 'refused'))
        expect({ text, read, parsed }).toEqual({ text, wanted });
      if (wanted !== 'refused') taken++;
    }
    expect(taken).toBeGreaterThan(1_000);
    expect(taken).toBeLessThan(19_000);
  });
});

describe('strict JSON', () => {
  const atoms = [
    ...[
      '0',
      '-0',
      '1',
      '1.0',
      '1e3',
      '1e21',
      '1e400',
      '9007199254740991',
      '9007199254740992',
      'true',
      'null',
      '0.1',
    ],
    ...[
      '""',
      '"a"',
      '"\\u0041"',
      '"\\ud800"',
      '"\ud800"',
      '"\\ud83d\\ude00"',
      '"😀"',
      '"\\n"',
      '"\\u000a"',
      '"\\u001f"',
    ],
    ...['"\\/"', '"\\\\u0041"', ' 1'],
  ];
  const names = [
    'a',
    'b',
    '',
    '0',
    '7',
    '01',
    '4294967295',
    '-1',
    '1a',
    '__proto__',
    'constructor',
    '\ud800',
    '\\ud800',
  ];

  function isAllowed(value: unknown): boolean {
    if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value);
    if (typeof value === 'string') return value.isWellFormed();
    if (Array.isArray(value)) return value.every(isAllowed);
    if (value === null || typeof value !== 'object') return true;
    return Object.entries(value).every(
      ([name, of]) =>
        !/^(?:0|[1-9]\d*)$/.test(name) && name !== '__proto__' && name.isWellFormed() && isAllowed(of),
    );
  }

  test('is taken as its definition says', () => {
    const draw = drawing();
    const from = (list: readonly string[]): string => list[draw(list.length)] as string;
    const some = (make: () => string): string => Array.from({ length: draw(4) }, make).join();
    const value = (depth: number): string => {
      const kind = depth > 3 ? 0 : draw(3);
      if (kind === 0) return from(atoms);
      if (kind === 1) return `[${some(() => value(depth + 1))}]`;
      return `{${some(() => `"${from(names)}":${value(depth + 1)}`)}}`;
    };
    let taken = 0;
    for (let n = 0; n < 20_000; n++) {
      const text = value(0);
      const parsed: unknown = JSON.parse(text);
      const wanted = isAllowed(parsed) && JSON.stringify(parsed) === text;
      const is = outcomeOf(() => JSON.stringify(parseStrictJson(text))) === text;
      if (is !== wanted) expect({ text, is }).toEqual({ text, wanted });
      if (wanted) taken++;
    }
    expect(taken).toBeGreaterThan(1_000);
    expect(taken).toBeLessThan(19_000);
  });
});
