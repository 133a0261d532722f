// Compiled files go with their source; what is current stays as it is, octet and time.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { removeStaleOutput } from '../src/stale-output.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'onceway-stale-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(...files: string[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
}

test('removes the output of a source that is gone', () => {
  const gone = ['js', 'js.map', 'd.ts', 'd.ts.map'].map((end) => `sdk/dist/test/old.test.${end}`);
  write(...gone, 'test/dist/exchange/old.js');
  expect(removeStaleOutput(root).sort()).toEqual([...gone, 'test/dist/exchange/old.js'].sort());
  expect(gone.filter((file) => existsSync(join(root, file)))).toEqual([]);
});

test('keeps the output of a source, what the compiler remembers, and what is nobody’s output', () => {
  const kept = ['sdk/src/a.ts', 'sdk/dist/src/a.js', 'sdk/dist/src/a.d.ts', 'sdk/dist/tsbuildinfo'];
  write(...kept, 'sdk/other/b.js', 'var/dist/c.js');
  expect(removeStaleOutput(root)).toEqual([]);
  expect([...kept, 'sdk/other/b.js', 'var/dist/c.js'].every((file) => existsSync(join(root, file)))).toBe(
    true,
  );
});
