import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Direction, MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { answer, content, optionsOf, plain, refusal, request, temporaryFolder } from './fixture.js';

let place: ReturnType<typeof temporaryFolder>;
let log: MessageLog;

beforeEach(async () => {
  place = temporaryFolder();
  await createMessageLog(place.log, optionsOf());
  log = await openMessageLog(place.log, optionsOf());
});
afterEach(async () => {
  await log.close();
  place.remove();
});

async function reopened(): Promise<void> {
  await log.close();
  log = await openMessageLog(place.log, optionsOf());
}

/** The consumer's record and the provider's of one request. */
const sent = request('1', 'out');
const taken = request('1', 'in');
const { mid } = sent;

async function asked(): Promise<void> {
  await log.appendRequest(sent.entry, mid, { content: content('sent', null), materials: [] });
  await log.appendRequest(taken.entry, mid, { content: content('taken', null), materials: [] });
}

const append = (dir: Direction, jti: string): Promise<unknown> => {
  const answered = answer(mid, jti, dir);
  return log.appendAnswer(answered.entry, answered.mid, mid, plain(`answer ${dir}`));
};
const refuse = (of: typeof sent, jti: string): Promise<unknown> =>
  log.appendRefusal(() => refusal(of, jti), mid, { materials: [] });

describe('an exchange of this server with itself', () => {
  test('is four entries, two under each mid, and each party has its own answer', async () => {
    await asked();
    expect(await log.unanswered()).toEqual([
      { mid, dir: 'out' },
      { mid, dir: 'in' },
    ]);
    await append('out', '2');
    expect(await log.unanswered()).toEqual([{ mid, dir: 'out' }]);
    await append('in', '2');
    const answered = answer(mid, '2').mid;
    for (let round = 0; round < 2; round += 1) {
      expect(await log.exchange(mid, 'out')).toMatchObject({
        ...{ requestIndex: 0, request: sent.entry },
        answer: { mid: answered, index: 3, entry: { dir: 'in' } },
      });
      expect(await log.exchange(mid, 'in')).toMatchObject({
        ...{ requestIndex: 1, request: taken.entry },
        answer: { mid: answered, index: 2, entry: { dir: 'out' } },
      });
      const heads = [mid, answered].flatMap((of) =>
        (['out', 'in'] as const).map(async (dir) => (await log.content(of, dir))?.head.toString()),
      );
      expect(await Promise.all(heads)).toEqual(['sent', 'taken', 'answer out', 'answer in']);
      expect(await log.messages(mid)).toMatchObject([{ index: 0 }, { index: 1 }]);
      expect(await log.messages(answered)).toMatchObject([{ index: 2 }, { index: 3 }]);
      await log.verify();
      await reopened();
    }
  });

  test('refuses the same request in the same direction, and another answer', async () => {
    await asked();
    await append('out', '2');
    await append('in', '2');
    for (let round = 0; round < 2; round += 1) {
      for (const { entry } of [sent, taken])
        await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({
          code: 'message_replayed',
        });
      for (const dir of ['in', 'out'] as const) {
        await append(dir, '2');
        await expect(append(dir, '3')).rejects.toMatchObject({ code: 'conflict' });
      }
      for (const of of [sent, taken])
        await expect(refuse(of, '3')).rejects.toMatchObject({ code: 'conflict' });
      await reopened();
    }
    expect(log.counts().lane).toBe(4);
  });

  test('takes an answer only where that party’s request is recorded', async () => {
    await log.appendRequest(sent.entry, mid, plain());
    await expect(append('out', '2')).rejects.toThrow(TypeError);
    await expect(log.appendOutcome(mid, 'in', 'unknown')).rejects.toThrow(TypeError);
    expect(await log.exchange(mid, 'in')).toBeUndefined();
  });

  test('is refused by one party as it came and taken by the other as an answer', async () => {
    await log.appendRequest(sent.entry, mid, plain());
    await refuse(taken, '2');
    await refuse(sent, '2');
    await reopened();
    const refused = { mid: refusal(sent, '2').mid, content: undefined };
    expect(await log.exchange(mid, 'in')).toMatchObject({
      requestIndex: 1,
      answer: { ...refused, index: 1 },
    });
    expect(await log.exchange(mid, 'out')).toMatchObject({
      requestIndex: 0,
      answer: { ...refused, index: 2 },
    });
    expect(await log.messages(refused.mid)).toMatchObject([{ index: 1 }, { index: 2 }]);
    expect(await log.unanswered()).toEqual([]);
  });

  test('has an outcome for each party', async () => {
    await asked();
    await log.appendOutcome(mid, 'out', 'unknown');
    expect(await log.unanswered()).toEqual([{ mid, dir: 'in' }]);
    expect(await log.exchange(mid, 'out')).toMatchObject({ outcome: 'unknown' });
    expect(await log.exchange(mid, 'in')).not.toHaveProperty('outcome');
  });

  test('is one message in the replay window', async () => {
    await log.appendRequest(sent.entry, mid, plain());
    await refuse(sent, '2');
    const window = async (): Promise<unknown[]> => {
      const found = [];
      for await (const { jti } of log.requestsSince(0)) found.push(jti);
      return found;
    };
    expect(await window()).toEqual([]);
    await log.appendRequest(taken.entry, mid, plain());
    expect(await window()).toEqual(['1']);
  });
});
