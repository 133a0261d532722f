import { expect, test } from '@jest/globals';
import { ReplayWindow } from '../../src/exchange/replay.js';

const sender = (jti: number | string) => ({ iss: 'TEST/GOV/A/B', jti: String(jti) });
const replayed = expect.objectContaining({ code: 'message_replayed' });

test('takes each message once, whoever else uses its id', () => {
  const window = new ReplayWindow(() => 0);
  window.take(sender(1), 0, 100);
  expect(() => window.take(sender(1), 0, 100)).toThrow(replayed);
  window.take(sender(2), 0, 100);
  window.take({ iss: 'TEST/GOV/A/C', jti: '1' }, 0, 100);
  expect(window.size).toBe(3);
});

test('knows what the log held before the start', () => {
  const window = new ReplayWindow(() => 0);
  window.restore(sender(1), 100);
  expect(() => window.take(sender(1), 0, 100)).toThrow(replayed);
});

test('refuses everything that was issued before a lost log was noticed', () => {
  const window = new ReplayWindow(() => 0, 1_000);
  expect(() => window.take(sender(1), 1_000, 2_000)).toThrow(replayed);
  window.take(sender(1), 1_001, 2_000);
});

test('forgets what is over, and nothing sooner', () => {
  let nowMs = 0;
  const window = new ReplayWindow(() => nowMs);
  for (let i = 0; i < 1_000; i++) window.take(sender(i), 0, i < 500 ? 100 : 10_000);
  nowMs = 101;
  for (let i = 0; i < 1_024; i++) window.take(sender(`later ${i}`), 101, 10_000);
  expect(window.size).toBe(500 + 1_024);
  expect(() => window.take(sender(500), 0, 10_000)).toThrow(replayed);
});
