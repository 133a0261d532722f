import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { Appender, type Line } from './child.js';
import { optionsOf, temporaryFolder } from './fixture.js';

let place: ReturnType<typeof temporaryFolder>;

beforeEach(async () => {
  place = temporaryFolder();
  await createMessageLog(place.log, optionsOf('crash'));
});
afterEach(() => {
  place.remove();
});

/** Everything that the killed process was promised is there, and the whole log holds together. */
async function expectKept(log: MessageLog, lines: readonly Line[]): Promise<void> {
  const roots = new Map<string, string>();
  for (const { mid, dir, index, bytes, checkpoints } of lines) {
    if (mid !== undefined && dir !== undefined) {
      expect((await log.messages(mid)).map((entry) => entry.index)).toEqual([index]);
      expect((await log.content(mid, dir))?.body).toHaveLength(bytes ?? 0);
    }
    for (const { origin, size, root } of checkpoints ?? []) {
      expect(roots.get(`${origin} ${size}`) ?? root).toBe(root);
      roots.set(`${origin} ${size}`, root);
    }
  }
  expect(log.restoredAtMs).toBeUndefined();
  const { lane, server } = log.latestCheckpoints();
  for (const latest of [lane, server])
    for (const [place, root] of roots) {
      const [origin, size] = place.split(' ');
      if (origin === latest?.origin && Number(size) === latest?.size) expect(root).toBe(latest?.root);
      if (origin === latest?.origin) expect(Number(size)).toBeLessThanOrEqual(latest?.size ?? 0);
    }
  // Compares each entry with its hash, every hash with every checkpoint that was kept; no gap.
  await log.verify();
}

test('whenever the process is killed, every append that resolved is there and the tree is that of every checkpoint', async () => {
  const promised: Line[] = [];
  for (let round = 0; round < 24; round += 1) {
    const appender = new Appender(place.log, 'crash', 1 + ((round * 5) % 32));
    // Now and then before the first append is through.
    const wanted = round % 8 === 0 ? 1 : 1 + Math.floor(Math.random() * 120);
    await appender.until((lines) => lines.length >= wanted);
    await appender.kill();
    promised.push(...appender.lines);
    const log = await openMessageLog(place.log, optionsOf('crash'));
    await expectKept(log, round === 23 ? promised : appender.lines);
    // What the crash left open is closed the way a restart does it.
    const unanswered = await log.unanswered();
    for (const { mid, dir } of unanswered) await log.appendOutcome(mid, dir, 'unknown');
    expect(await log.unanswered()).toEqual([]);
    await log.close();
  }
  expect(promised.length).toBeGreaterThan(300);
}, 120_000);

test.each([
  ['no file may grow', 0],
  ['the disk is full in the middle of a batch', 300_000],
])(
  'when %s appends are refused as log_unavailable, and the log goes on by itself afterwards',
  async (_, fileBytesMax) => {
    const appender = new Appender(place.log, 'crash', 8);
    const limit = (bytes: number | 'unlimited'): void => {
      execFileSync('prlimit', ['--pid', String(appender.pid), `--fsize=${bytes}:unlimited`]);
    };
    for (let round = 0; round < 3; round += 1) {
      const start = appender.lines.length;
      await appender.until((lines) => lines.filter(({ mid }) => mid).length >= 30, start);
      limit(fileBytesMax);
      const limited = appender.lines.length;
      await appender.until((lines) => lines.filter(({ error }) => error).length >= 20, limited);
      limit('unlimited');
    }
    const last = appender.lines.length;
    await appender.until((lines) => lines.filter(({ mid }) => mid).length >= 30, last);
    await appender.kill();
    const errors = new Set(appender.lines.flatMap(({ error }) => error ?? []));
    expect([...errors]).toEqual(['log_unavailable']);
    const log = await openMessageLog(place.log, optionsOf('crash'));
    await expectKept(log, appender.lines);
    await log.close();
  },
  60_000,
);
