import { afterEach, expect, jest, test } from '@jest/globals';
import { CatchUp } from '../../src/trust/catch-up.js';

afterEach(() => void jest.useRealTimers());

test('tries once for each sequence number, at most once a second, and a failure is no error', async () => {
  let nowMs = 0;
  const tried: number[] = [];
  const catchUp = new CatchUp(() => nowMs);
  const attempt = (seq: number): Promise<void> =>
    catchUp.once(seq, () => {
      tried.push(seq);
      return Promise.reject(new Error('nobody has it'));
    });
  await Promise.all([attempt(1), attempt(1)]);
  await attempt(2);
  expect(tried).toEqual([1]);
  nowMs += 1_000;
  await attempt(1);
  await attempt(2);
  expect(tried).toEqual([1, 2]);
});

test('waits no longer than two seconds for an attempt that hangs', async () => {
  jest.useFakeTimers();
  let isOver = false;
  const waiting = new CatchUp(() => 0)
    .once(1, () => new Promise(() => undefined))
    .then(() => (isOver = true));
  await jest.advanceTimersByTimeAsync(1_999);
  expect(isOver).toBe(false);
  await jest.advanceTimersByTimeAsync(1);
  await waiting;
});

test('forgets the oldest sequence numbers beyond its bound', async () => {
  let nowMs = 0;
  let attempts = 0;
  const catchUp = new CatchUp(() => (nowMs += 1_000));
  const attempt = (): Promise<void> => Promise.resolve(void attempts++);
  for (let seq = 0; seq <= 1_024; seq++) await catchUp.once(seq, attempt);
  await catchUp.once(1_024, attempt);
  expect(attempts).toBe(1_025);
  await catchUp.once(0, attempt);
  expect(attempts).toBe(1_026);
});
