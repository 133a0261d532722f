import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { openStateFile } from '../src/state-file.js';
import { temporaryFolder } from './trust-services/pilot.js';

const FIRST = 'CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);';
const SECOND = 'CREATE TABLE b (y INTEGER) STRICT; INSERT INTO b SELECT x FROM a;';
let path: string, remove: () => void;
beforeEach(() => {
  const { folder, remove: removeFolder } = temporaryFolder();
  path = join(folder, 'test.db');
  remove = removeFolder;
  openStateFile(path, [FIRST], { create: true }).close();
});
afterEach(() => remove());

test('a file of an older version is brought up to date, once, and keeps what it holds', () => {
  for (let start = 0; start < 2; start += 1) {
    const file = openStateFile(path, [FIRST, SECOND], { create: false });
    expect(file.prepare('SELECT x, y FROM a, b').all()).toEqual([{ x: 1, y: 1 }]);
    file.close();
  }
});

test('a step that fails leaves the version before it', () => {
  expect(() => openStateFile(path, [FIRST, `${SECOND} nonsense`], { create: false })).toThrow('syntax');
  const file = openStateFile(path, [FIRST, SECOND], { create: false });
  expect(file.pragma('user_version', { simple: true })).toBe(2);
  file.close();
});

test('a file of a newer version is refused, and a missing one not made', () => {
  openStateFile(path, [FIRST, SECOND], { create: false }).close();
  expect(() => openStateFile(path, [FIRST], { create: false })).toThrow('newer version');
  expect(() => openStateFile(`${path}.missing`, [FIRST], { create: false })).toThrow(
    expect.objectContaining({ code: 'not_found' }),
  );
});
