// The benchmark says how it is called, and starts nothing when it was called otherwise.
import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('../../src/bench/main.js', import.meta.url));
const bench = (...args: string[]) =>
  spawnSync(process.execPath, [BENCH, ...args], { encoding: 'utf8', timeout: 20_000 });

test('prints its options and an example when asked', () => {
  const { status, stdout, stderr } = bench('--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^Usage: npm run bench -- .*\$ npm run bench -- --rounds 3/s);
});

test.each([
  [['--round', '2'], "Unknown option '--round'"],
  [['2'], 'Unexpected argument'],
  [['--rounds', '0'], '--rounds is a whole number from 1 to 20'],
  [['--seconds', 'long'], '--seconds is a whole number from 1 to 30'],
])('refuses %j with what is wrong and the usage, no stack', (args, text) => {
  const { status, stdout, stderr } = bench(...args);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toContain(text);
  expect(stderr).toContain('Example:');
  expect(stderr).not.toContain('    at ');
});
