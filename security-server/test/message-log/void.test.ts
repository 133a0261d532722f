import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeOf } from '@onceway/sdk/protocol';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { optionsOf, plain, refusal, request, temporaryFolder } from './fixture.js';

let place: ReturnType<typeof temporaryFolder>;
let log: MessageLog;
let now = 1_790_000_000_000;
const options = optionsOf('a', () => now);

beforeEach(async () => {
  place = temporaryFolder();
  await createMessageLog(place.log, options);
  log = await openMessageLog(place.log, options);
});
afterEach(async () => {
  await log.close();
  place.remove();
});

async function reopened(): Promise<MessageLog> {
  await log.close();
  log = await openMessageLog(place.log, options);
  return log;
}

describe('a void mid', () => {
  test('is refused after a restart too, until its time is over', async () => {
    const { entry, mid } = request('1');
    const refused = refusal({ entry, mid }, '2');
    expect(await log.declareNotRecorded(mid, now + 1000)).toBe('void');
    expect(await log.declareNotRecorded(mid, now + 1000)).toBe('void');
    await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({ code: 'message_void' });
    await reopened();
    await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({ code: 'message_void' });
    await expect(log.appendRefusal(() => refused, mid, { materials: [] })).rejects.toMatchObject({
      code: 'message_void',
    });
    now += 1001;
    expect(await log.declareNotRecorded(request('3').mid, now + 1000)).toBe('void');
    expect(await log.appendRequest(entry, mid, plain())).toMatchObject({ index: 0 });
  });

  test('may be of a request that went out from here and never came in', async () => {
    const sent = request('1', 'out');
    const taken = request('1');
    await log.appendRequest(sent.entry, sent.mid, plain());
    expect(await log.declareNotRecorded(sent.mid, now + 1000)).toBe('void');
    await expect(log.appendRequest(taken.entry, taken.mid, plain())).rejects.toMatchObject({
      code: 'message_void',
    });
    const refused = refusal(sent, '2');
    await log.appendRefusal(() => refused, sent.mid, { materials: [] });
    expect(await log.exchange(sent.mid, 'out')).toMatchObject({ answer: { mid: refused.mid } });
    expect(await log.exchange(sent.mid, 'in')).toBeUndefined();
  });

  test('is never one that was recorded', async () => {
    const { entry, mid } = request('1');
    const appended = log.appendRequest(entry, mid, plain());
    expect(await log.declareNotRecorded(mid, now + 1000)).toBe('recorded');
    await appended;
    expect(await (await reopened()).declareNotRecorded(mid, now + 1000)).toBe('recorded');
  });
});

test('no interleaving both records a request and declares it not recorded', async () => {
  let run = 0;
  const action = fc.record({
    what: fc.constantFrom('append' as const, 'declare' as const, 'refuse' as const),
    which: fc.nat({ max: 1 }),
    dir: fc.constantFrom('in' as const, 'out' as const),
    turnsBefore: fc.nat({ max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 2, maxLength: 12 }),
      fc.boolean(),
      async (actions, restarts) => {
        run += 1;
        const mids = [request(`${run} 0`).mid, request(`${run} 1`).mid];
        const running: Promise<readonly [number, string]>[] = [];
        for (const { what, which, dir, turnsBefore } of actions) {
          for (let turn = 0; turn < turnsBefore; turn += 1) await setImmediate();
          const { entry, mid } = request(`${run} ${which}`, dir);
          const refused = refusal({ entry, mid }, `${run} refusal`);
          const begun = {
            append: () => log.appendRequest(entry, mid, plain()).then(() => 'appended'),
            declare: () => log.declareNotRecorded(mid, now + 600_000),
            refuse: () => log.appendRefusal(() => refused, mid, { materials: [] }).then(() => 'refused'),
          }[what]();
          // A message that goes out is no party to this.
          const seen = begun.catch(codeOf).then((result) => [which, result] as const);
          running.push(what === 'declare' || dir === 'in' ? seen : seen.then(() => [-1, '']));
        }
        const results = await Promise.all(running);
        if (restarts) {
          await log.close();
          log = await openMessageLog(place.log, options);
        }
        for (const [which, mid] of mids.entries()) {
          const seen = results.filter(([of]) => of === which).map(([, result]) => result);
          const isRecorded = seen.includes('appended') || seen.includes('refused');
          expect(isRecorded && (seen.includes('void') || seen.includes('message_void'))).toBe(false);
          expect(!isRecorded && seen.includes('recorded')).toBe(false);
          expect(seen.filter((result) => result === 'appended').length).toBeLessThanOrEqual(1);
          expect((await log.exchange(mid, 'in')) !== undefined).toBe(isRecorded);
        }
      },
    ),
    { numRuns: 60 },
  );
});
