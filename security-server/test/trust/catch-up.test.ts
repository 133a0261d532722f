import { afterEach, expect, jest, test } from '@jest/globals';
import type { Digest, SecurityServerId } from '@onceway/schemas';
import { CatchUp } from '../../src/trust/catch-up.js';

const A = 'TEST/GOV/A/SS1' as SecurityServerId;
const B = 'TEST/GOV/B/SS1' as SecurityServerId;
const named = (seq: number, digest = 'd') => ({ seq, digest: digest as Digest });
const never = (): Promise<never> => new Promise(() => undefined);

afterEach(() => void jest.useRealTimers());

test('tries once for what a peer named, at most once a second for each peer, and a failure is no error', async () => {
  let nowMs = 0;
  const tried: string[] = [];
  const catchUp = new CatchUp(() => nowMs);
  const attempt = (source: SecurityServerId, seq: number, digest?: string): Promise<void> =>
    catchUp.once(source, named(seq, digest), () => {
      tried.push(`${source === A ? 'A' : 'B'}${seq}${digest ?? ''}`);
      return Promise.reject(new Error('nobody has it'));
    });
  await Promise.all([attempt(A, 1), attempt(A, 1)]);
  await attempt(A, 2);
  expect(tried).toEqual(['A1']);
  // Another peer is asked all the same: one that lies keeps nobody from the one that has it.
  await attempt(B, 1);
  expect(tried).toEqual(['A1', 'B1']);
  nowMs += 1_000;
  await attempt(A, 1);
  await attempt(A, 1, 'other');
  expect(tried).toEqual(['A1', 'B1', 'A1other']);
});

test('tries again what failed only after a minute, and what succeeded never', async () => {
  let nowMs = 0;
  let attempts = 0;
  const catchUp = new CatchUp(() => nowMs);
  const failing = (): Promise<void> => (attempts++, Promise.reject(new Error('busy')));
  await catchUp.once(A, named(1), failing);
  nowMs += 59_999;
  await catchUp.once(A, named(1), failing);
  expect(attempts).toBe(1);
  nowMs += 1;
  await catchUp.once(A, named(1), () => Promise.resolve(void attempts++));
  nowMs += 120_000;
  await catchUp.once(A, named(1), failing);
  expect(attempts).toBe(2);
});

test('waits no longer than two seconds for an attempt that hangs, and begins no other one with that peer', async () => {
  jest.useFakeTimers();
  let nowMs = 0;
  const catchUp = new CatchUp(() => nowMs);
  let isOver = false;
  const waiting = catchUp.once(A, named(1), never).then(() => (isOver = true));
  await jest.advanceTimersByTimeAsync(1_999);
  expect(isOver).toBe(false);
  await jest.advanceTimersByTimeAsync(1);
  await waiting;
  // Whoever comes later does not wait two seconds anew.
  await catchUp.once(A, named(1), never);
  nowMs += 5_000;
  let isTried = false;
  await catchUp.once(A, named(2), () => Promise.resolve((isTried = true)));
  expect(isTried).toBe(false);
  await catchUp.once(B, named(2), () => Promise.resolve((isTried = true)));
  expect(isTried).toBe(true);
});

test('has no more than sixteen attempts under way', async () => {
  const catchUp = new CatchUp(() => 0);
  const ends: (() => void)[] = [];
  const peer = (n: number): SecurityServerId => `TEST/GOV/${n}/SS1` as SecurityServerId;
  const waiting = Array.from({ length: 20 }, (_, n) =>
    catchUp.once(peer(n), named(1), () => new Promise<void>((resolve) => ends.push(resolve))),
  );
  expect(ends).toHaveLength(16);
  for (const end of ends) end();
  await Promise.all(waiting);
  let isTried = false;
  await catchUp.once(peer(19), named(1), () => Promise.resolve((isTried = true)));
  expect(isTried).toBe(true);
});

test('forgets the oldest that a peer named beyond its bound', async () => {
  let nowMs = 0;
  let attempts = 0;
  const catchUp = new CatchUp(() => (nowMs += 1_000));
  const attempt = (): Promise<void> => Promise.resolve(void attempts++);
  for (let seq = 0; seq <= 16; seq++) await catchUp.once(A, named(seq), attempt);
  await catchUp.once(A, named(16), attempt);
  expect(attempts).toBe(17);
  await catchUp.once(A, named(0), attempt);
  expect(attempts).toBe(18);
});
