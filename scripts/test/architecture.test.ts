// The two lines as docs/architecture.md draws them: no step leaves with a code that does not exist.
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { isErrorCode } from '@onceway/sdk/protocol';

test.each(['consumer', 'provider'])("the %s's line leaves only with codes of the table", (side) => {
  const page = readFileSync('docs/architecture.md', 'utf8');
  const [, section = ''] =
    new RegExp(`### The ${side}'s line([\\s\\S]*?)(?=\n###|\n## |\nNo evidence)`).exec(page) ?? [];
  const codes = section
    .split('\n')
    .map((row) => row.split('|')[3] ?? '')
    .flatMap((cell) => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, code = '']) => code));
  expect(codes.length).toBeGreaterThan(15);
  expect(codes.filter((code) => !isErrorCode(code))).toEqual([]);
});
