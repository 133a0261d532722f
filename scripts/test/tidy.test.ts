// What tidy.ts finds, and what it leaves alone.
import { describe, expect, test } from '@jest/globals';
import { anchorOf, brokenLinks, faultsOf } from '../src/tidy.js';

const source = (rest: string): string => `// What this is.\n${rest}\n`;

describe('finds', () => {
  test.each([
    ['a file of more than 350 lines', 'sdk/src/a.ts', source('x\n'.repeat(350)), /at most 350/],
    ['a file that does not say what it is', 'sdk/src/a.ts', 'export const a = 1;\n', /first line/],
    ['a path of one machine', 'docs/a.md', 'See /home/ada/onceway.\n', /one machine/],
    ['a path of one machine in a string', 'sdk/src/a.ts', source("open('/tmp/x')"), /one machine/],
    [
      'a test that hides the others',
      'sdk/test/a.test.ts',
      ['test', "only('x', f);"].join('.'),
      /hides the others/,
    ],
    [
      'a skipped test without a reason',
      'sdk/test/a.test.ts',
      "\ntest.skip('x', f);",
      /comment that says why/,
    ],
    ['unfinished work without an issue', 'sdk/src/a.ts', source('// TODO later'), /unfinished/],
    [
      'a suppression without a reason',
      'sdk/src/a.ts',
      source('// eslint-disable-next-line eqeqeq'),
      /saying why/,
    ],
    ['a folder that names no concept', 'sdk/src/utils/a.ts', source(''), /names no concept/],
    ['a file name in camel case', 'sdk/src/messageLog.ts', source(''), /kebab-case/],
    ['a registry in the lock file', 'package-lock.json', '"resolved": "https://x/y.tgz"', /names a registry/],
  ])('%s', (_fact, path, text, expected) => {
    expect(faultsOf(path, text)).toEqual([expect.stringMatching(expected)]);
  });

  test('a link that leads nowhere, and one to a heading that is not there', () => {
    const read = (path: string): string | undefined => (path === 'docs/b.md' ? '# One\n' : undefined);
    const text = '[a](c.md) [b](b.md#two) [c](b.md#one) [d](https://example.org/x) [e](#here)\n## Here\n';
    expect(brokenLinks('docs/a.md', text, read)).toEqual([
      'docs/a.md: c.md leads nowhere',
      'docs/a.md: b.md#two has no such heading',
    ]);
  });
});

describe('leaves alone', () => {
  test.each([
    ['a source that says what it is', 'sdk/src/a.ts', source('export const a = 1;')],
    ['unfinished work with its issue', 'sdk/src/a.ts', source('// TODO(#7): batches')],
    [
      'a suppression with its reason',
      'sdk/src/a.ts',
      source('// eslint-disable-next-line eqeqeq -- null and undefined'),
    ],
    ['a skipped test with its reason', 'sdk/test/a.test.ts', "// openssl 3.5 only\ntest.skip('x', f);"],
    ['a URL whose path begins like a folder', 'docs/a.md', 'https://example.org/home/ada\n'],
  ])('%s', (_fact, path, text) => {
    expect(faultsOf(path, text)).toEqual([]);
  });

  test('links inside examples', () => {
    expect(brokenLinks('docs/a.md', '```md\n[a](nowhere.md)\n```\n', () => undefined)).toEqual([]);
  });
});

test('makes the anchors that code forges make', () => {
  expect(anchorOf('X-Road: the `head`')).toBe('x-road-the-head');
  expect(anchorOf('Thuật ngữ')).toBe('thuật-ngữ');
});
