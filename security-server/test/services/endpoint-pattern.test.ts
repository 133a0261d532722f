// Which paths a pattern means, and which nobody may send: judged by how other programs read a path.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { posix } from 'node:path';
import { bySpecificity, matches, parsePattern, readPath } from '../../src/services/endpoint-pattern.js';

const fits = (pattern: string, path: string): boolean => matches(parsePattern(pattern), readPath(path));

describe('a pattern', () => {
  test.each([
    ['/persons', '/persons'],
    ['/persons/*', '/persons/1'],
    ['/persons/*', '/persons/a%20b'],
    ['/persons/*/records', '/persons/1/records'],
    ['/files/*.json', '/files/a.json'],
    ['/a/**', '/a/b'],
    ['/a/**', '/a/b/c/d'],
    ['/a/**', '/a/'],
    ['/a/**/z', '/a/b/z/c/z'],
    ['**', ''],
    ['**', '/'],
    ['/**', '/a%2Fb/c'],
    ['/', '/'],
    ['/', ''],
    ['/dân-số/*', '/d%C3%A2n-s%E1%BB%91/1'],
    ['/a/**', '/a/b%2Fc'],
    ['/a/*', '/a/b;v=1'],
    ['/a/**', '/a//b'],
  ])('%s means %s', (pattern, path) => expect(fits(pattern, path)).toBe(true));

  test.each([
    ['/persons', '/persons/'],
    ['/persons', '/Persons'],
    ['/persons/*', '/persons'],
    ['/persons/*', '/persons/'],
    ['/persons/*', '/persons/1/records'],
    ['/files/*.json', '/files/.json'],
    ['/a/**', '/a'],
    ['/a/**', '/ab/c'],
    ['/a/**/z', '/a/z'],
    ['/a/**/z', '/a/b/z/y'],
    ['/', '/a'],
    // One reading fits, another would not: a service may take either.
    ['/a/*', '/a/b%2Fc'],
    ['/a/*/c', '/a/b%2Fx/c'],
    ['/a/b', '/a/b;v=1'],
    ['/a/*', '/a/;v=1'],
    ['/a/*/c', '/a/b%3Fx/c'],
    ['/a/*/c', '/a//c'],
  ])('%s does not mean %s', (pattern, path) => expect(fits(pattern, path)).toBe(false));

  test.each([
    '',
    'a',
    '/a/../b',
    '/a//b',
    '/./a',
    '/a%2Fb',
    '/a\\b',
    '/a*b*c',
    '/...',
    `/${'a'.repeat(1024)}`,
  ])('%j is none', (pattern) =>
    expect(() => parsePattern(pattern)).toThrow(expect.objectContaining({ code: 'request_invalid' })),
  );

  test('that is more specific comes first', () => {
    const sorted = ['/**', '/a/**', '/a/*', '/a/x*', '/a/b'].map(parsePattern).sort(bySpecificity);
    expect(sorted).toEqual(['/a/b', '/a/x*', '/a/*', '/a/**', '/**'].map(parsePattern));
  });
});

describe('a path is refused', () => {
  test.each([
    '/..',
    '/a/../b',
    '/a/./b',
    '/a/..',
    '/a/%2e%2e/b',
    '/a/%2E./b',
    '/a/..%2Fb',
    '/a%2F..%2Fb',
    '/a/%2e%2e%2fb',
    '/public/..;/admin',
    '/public/..;a=1/admin',
    '/public/%2e%2e;/admin',
    '/a/.../b',
    '/a/..%20/b',
    '/a/x%3F/../b',
    '/a/x%23%2F..%2Fb',
    '/a\\b',
    '/a%5C..%5Cb',
    '/a%00b',
    '/a%0d%0ab',
    '/a%252e%252e/b',
    '/a%25%32%66b',
    '/a%2',
    '/a%zz',
    '/a%C0%AE%C0%AE/b',
    '/a%FF',
    '/a b',
    '/a?b',
    '/a#b',
    '/a"b',
    '/%EF%BC%8E%EF%BC%8E/b',
    '/a%EF%BC%8Fb',
    '/%E2%80%A5/b',
    'a/b',
    '*',
    'http://a/b',
  ])('%s', (path) =>
    expect(() => readPath(path)).toThrow(expect.objectContaining({ code: 'request_target_invalid' })),
  );
});

describe('properties', () => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'public',
      'admin',
      '.',
      '..',
      '/',
      '//',
      '%2F',
      '%2f',
      '%2e',
      '%2E%2e',
      ';',
      ';x=1',
      '%3B',
      '%5C',
      '\\',
    ],
    ...[
      '%25',
      '%252e',
      '%00',
      '?',
      '%3F',
      '%23',
      '..;',
      '%20',
      '%C3%A2',
      '%EF%BC%8E',
      '*',
      '~',
      '+',
      ':',
      '@',
      '',
    ],
  );
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);
  const readable = (raw: string) => {
    try {
      return readPath(raw);
    } catch {
      return undefined;
    }
  };

  test('whatever a rule for /public/** lets pass stays there, however the service reads it', () => {
    const pattern = parsePattern('/public/**');
    const under = (text: string): boolean => /^\/public(?:\/|$)/.test(text);
    let passed = 0;
    fc.assert(
      fc.property(path, (rest) => {
        for (const raw of [`/public${rest}`, `/public/${rest}`, rest]) {
          const readings = readable(raw);
          if (readings === undefined || !matches(pattern, readings)) continue;
          passed++;
          const decoded = decodeURIComponent(raw);
          const stripped = decoded.replaceAll(/;[^/]*/g, '');
          for (const read of [
            new URL(`http://service${raw}`).pathname,
            new URL(`http://service${decoded.replaceAll(/[?#].*$/g, '')}`).pathname,
            posix.normalize(decoded),
            posix.normalize(stripped),
            posix.normalize(decoded.normalize('NFKC')),
          ])
            expect(under(read)).toBe(true);
        }
      }),
      { numRuns: 5000 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  test('no reading of an accepted path holds a dot segment, a backslash or a control', () => {
    fc.assert(
      fc.property(path, (raw) => {
        for (const segment of (readable(raw) ?? []).flat()) expect(segment).not.toMatch(/^\.\.?$|\\|\p{Cc}/u);
      }),
      { numRuns: 5000 },
    );
  });

  const segment = fc.constantFrom('a', 'b', 'c', 'records');
  const segments = fc.array(segment, { minLength: 1, maxLength: 6 });

  test('what matches a pattern also matches each wider one', () => {
    fc.assert(
      fc.property(
        segments,
        fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
        fc.nat(),
        (parts, levels, at) => {
          const globOf = (wide: readonly number[]): string =>
            `/${parts.map((part, index) => [part, '*', '**'][wide[index] ?? 0]).join('/')}`;
          const wider = levels.map((level, index) =>
            index === at % parts.length ? Math.min(2, level + 1) : level,
          );
          const candidates = [
            parts,
            [...parts, 'x'],
            [...parts.slice(0, 2), 'y', ...parts.slice(2)],
            parts.slice(1),
          ];
          for (const candidate of candidates) {
            const raw = `/${candidate.join('/')}`;
            if (fits(globOf(levels), raw)) expect(fits(globOf(wider), raw)).toBe(true);
          }
          expect(fits(globOf(levels), `/${parts.join('/')}`)).toBe(true);
        },
      ),
    );
  });

  test('agrees with a regular expression where a path has one reading', () => {
    const glob = fc.array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(glob, segments, (pattern, parts) => {
        const expression = pattern
          .map((each) => (each === '*' ? '[^/]+' : each === '**' ? '.+' : each))
          .join('/');
        const raw = `/${parts.join('/')}`;
        expect(fits(`/${pattern.join('/')}`, raw)).toBe(new RegExp(`^/${expression}$`).test(raw));
      }),
      { numRuns: 2000 },
    );
  });

  test('a long path against many wildcards takes milliseconds', () => {
    const pattern = parsePattern(`/${'**/a/'.repeat(100)}b`);
    const before = process.cpuUsage();
    matches(pattern, readPath('/a'.repeat(8000)));
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });
});
