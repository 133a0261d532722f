import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { LogOrigin } from '@onceway/schemas';
import type { LogEntry } from '@onceway/sdk/protocol';
import { LOG_BATCH_APPENDS_ENOUGH } from '../../src/limits.js';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, logOrigin, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import {
  answer,
  content,
  EXP_S,
  material,
  optionsOf,
  plain,
  refusal,
  request,
  temporaryFolder,
} from './fixture.js';

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

const parsed = async (index: number): Promise<LogEntry> =>
  JSON.parse((await log.entry(log.lane, index)).toString()) as LogEntry;

describe('an exchange', () => {
  test('is found by the mid of its request, with the answer octet for octet, also after a restart', async () => {
    const asked = request('1');
    const answered = answer(asked.mid, '2');
    const recorded = await log.appendRequest(asked.entry, asked.mid, plain());
    expect(recorded).toEqual({ index: 0, at: now });
    const given = { content: content('200\r\n', 'the answer'), materials: [] };
    await log.appendAnswer(answered.entry, answered.mid, asked.mid, given);
    for (let round = 0; round < 2; round += 1) {
      const state = await log.exchange(asked.mid, 'in');
      expect(state).toMatchObject({ requestIndex: 0, request: asked.entry });
      expect(state?.answer).toEqual({
        mid: answered.mid,
        index: 1,
        entry: { v: 1, at: now, ...answered.entry },
        content: given.content,
      });
      await reopened();
    }
  });

  test.each([
    ['no body', content('GET /\r\n', null)],
    ['an empty body', content('', '')],
    ['64 KiB', content('h', Buffer.alloc(65_536, 1))],
    ['just under the database bound', content('', Buffer.alloc(65_536 - 69 - 28, 2))],
    ['a body in a file', content('h', Buffer.alloc(262_144, 3))],
  ])('keeps %s', async (_, kept) => {
    const asked = request('1');
    await log.appendRequest(asked.entry, asked.mid, { content: kept, materials: [] });
    expect(await log.content(asked.mid, 'in')).toEqual(kept);
    expect(await (await reopened()).content(asked.mid, 'in')).toEqual(kept);
  });

  test('is not known under the mid of its answer, or any other', async () => {
    const asked = request('1');
    const answered = answer(asked.mid, '2');
    await log.appendRequest(asked.entry, asked.mid, plain());
    await log.appendAnswer(answered.entry, answered.mid, asked.mid, plain());
    expect(await log.exchange(answered.mid, 'out')).toBeUndefined();
    expect(await log.exchange(request('x').mid, 'in')).toBeUndefined();
    expect(await log.content(request('x').mid, 'in')).toBeUndefined();
    expect(await log.messages(request('x').mid)).toEqual([]);
  });

  test('refused as it came is one entry under both mids', async () => {
    const asked = request('1');
    const refused = refusal(asked, '2');
    await log.appendRefusal(() => refused, asked.mid, { materials: [] });
    expect(await log.exchange(asked.mid, 'in')).toMatchObject({
      answer: { mid: refused.mid, index: 0, content: undefined },
    });
    expect(await log.exchange(refused.mid, 'in')).toBeUndefined();
    expect(await log.messages(asked.mid)).toMatchObject([{ index: 0 }]);
    expect(await log.messages(refused.mid)).toEqual(await log.messages(asked.mid));
    expect(log.counts().lane).toBe(1);
  });

  test('refused as it came is told its place before the refusal is made, and fails alone when none is made', async () => {
    const asked = request('1');
    const refused = refusal(asked, '2');
    const places: number[] = [];
    const compose = (index: number): typeof refused => {
      places.push(index);
      return refused;
    };
    const failing = (): never => {
      throw new RangeError('no key');
    };
    const materials = [material('leaf')];
    await expect(log.appendRefusal(failing, asked.mid, { materials })).rejects.toThrow(RangeError);
    expect(await log.appendRefusal(compose, asked.mid, { materials })).toMatchObject({ index: 1 });
    expect(await log.appendRefusal(compose, asked.mid, { materials })).toMatchObject({ index: 1 });
    expect(places[0]).toBe(1);
    expect(log.counts().lane).toBe(2);
  });

  test('refused later has the request and the refusal as entries', async () => {
    const asked = request('1', 'out');
    const refused = refusal(asked, '2');
    await log.appendRequest(asked.entry, asked.mid, plain());
    await log.appendRefusal(() => refused, asked.mid, { materials: [] });
    expect(await log.exchange(asked.mid, 'out')).toMatchObject({
      requestIndex: 0,
      answer: { index: 1 },
    });
  });

  test('has the newest of its outcomes, and may still be answered', async () => {
    const asked = request('1', 'out');
    await log.appendRequest(asked.entry, asked.mid, plain());
    await log.appendOutcome(asked.mid, 'out', 'unknown');
    await log.appendOutcome(asked.mid, 'out', 'not_recorded');
    expect(await log.exchange(asked.mid, 'out')).toMatchObject({ outcome: 'not_recorded' });
    const late = answer(asked.mid, '2', 'in');
    await (await reopened()).appendAnswer(late.entry, late.mid, asked.mid, plain('late'));
    expect((await log.content(late.mid, 'in'))?.head.toString()).toBe('late');
  });

  test('is unanswered until an answer, a refusal or an outcome', async () => {
    const all = ['1', '2', '3', '4', '5'].map((jti) => request(jti, jti === '5' ? 'in' : 'out'));
    for (const { entry, mid } of all) await log.appendRequest(entry, mid, plain());
    const [a, b, c, d, e] = all as [
      (typeof all)[0],
      (typeof all)[0],
      (typeof all)[0],
      (typeof all)[0],
      (typeof all)[0],
    ];
    const answered = answer(a.mid, 'a', 'in');
    await log.appendAnswer(answered.entry, answered.mid, a.mid, plain());
    const refused = refusal(b, 'b');
    await log.appendRefusal(() => refused, b.mid, { materials: [] });
    await log.appendOutcome(c.mid, 'out', 'unknown');
    expect(await (await reopened()).unanswered()).toEqual([
      { mid: d.mid, dir: 'out' },
      { mid: e.mid, dir: 'in' },
    ]);
  });
});

describe('an append', () => {
  test('of a mid that was recorded is refused, at once, in the same batch and after a restart', async () => {
    const { entry, mid } = request('1');
    const first = log.appendRequest(entry, mid, plain());
    await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({ code: 'message_replayed' });
    await first;
    await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({ code: 'message_replayed' });
    await reopened();
    await expect(log.appendRequest(entry, mid, plain())).rejects.toMatchObject({ code: 'message_replayed' });
    expect(log.counts().lane).toBe(1);
  });

  test('of the same answer gives its first place; another answer or refusal is a conflict', async () => {
    const asked = request('1', 'out');
    await log.appendRequest(asked.entry, asked.mid, plain());
    const answered = answer(asked.mid, '2', 'in');
    const other = answer(asked.mid, '3', 'in');
    const refused = refusal(asked, '4');
    const append = ({ entry, mid }: typeof answered) => log.appendAnswer(entry, mid, asked.mid, plain());
    const [first, second, third] = await Promise.allSettled([
      append(answered),
      append(answered),
      append(other),
    ]);
    expect([first, second]).toEqual([
      { status: 'fulfilled', value: { index: 1, at: now } },
      { status: 'fulfilled', value: { index: 1, at: now } },
    ]);
    expect(third).toMatchObject({ reason: { code: 'conflict' } });
    for (let round = 0; round < 2; round += 1) {
      expect(await append(answered)).toEqual({ index: 1, at: now });
      await expect(append(other)).rejects.toMatchObject({ code: 'conflict' });
      await expect(log.appendRefusal(() => refused, asked.mid, { materials: [] })).rejects.toMatchObject({
        code: 'conflict',
      });
      await reopened();
    }
    expect(log.counts().lane).toBe(2);
  });

  test('to a request that is not recorded is a programmer mistake', async () => {
    const re = request('1').mid;
    const { entry, mid } = answer(re, '2');
    await expect(log.appendAnswer(entry, mid, re, plain())).rejects.toThrow(TypeError);
    await expect(log.appendOutcome(re, 'out', 'unknown')).rejects.toThrow(TypeError);
    const half = { head: Buffer.of(), body: null, salts: { head: Buffer.alloc(32), body: Buffer.alloc(32) } };
    expect(() => log.appendRequest(request('3').entry, mid, { content: half, materials: [] })).toThrow(
      TypeError,
    );
  });

  test('of an entry that is too large fails alone', async () => {
    const { entry, mid } = request('1');
    const tooLarge = log.appendRequest({ ...entry, message: 'x'.repeat(70_000) }, request('2').mid, plain());
    const fine = log.appendRequest(entry, mid, plain());
    await expect(tooLarge).rejects.toMatchObject({ code: 'entry_invalid' });
    expect(await fine).toMatchObject({ index: 0 });
  });

  test('enters its material first and once', async () => {
    let reads = 0;
    const counted = { ...material('leaf'), octets: () => Buffer.from(((reads += 1), 'leaf')) };
    const text = material('{"v":1}', 'record');
    for (const jti of ['1', '2']) {
      const { entry, mid } = request(jti);
      await log.appendRequest(entry, mid, { content: content('h', null), materials: [counted, text] });
    }
    await reopened();
    await log.appendMaterials([counted, text, material('new', 'ocsp')]);
    expect(reads).toBe(1);
    expect(await parsed(0)).toMatchObject({
      type: 'material',
      octets: Buffer.from('leaf').toString('base64'),
    });
    expect(await parsed(1)).toMatchObject({ kind: 'record', octets: '{"v":1}' });
    expect((await parsed(2)).type).toBe('message');
    expect((await parsed(4)).type).toBe('material');
    expect(await log.material(text.digest)).toEqual(await log.entry(log.lane, 1));
    expect(await log.material(material('unknown').digest)).toBeUndefined();
    expect(log.counts().lane).toBe(5);
  });

  test('refuses material that is not what its digest stands for, and goes on', async () => {
    const { entry, mid } = request('1');
    const wrong = { ...material('leaf'), octets: () => Buffer.from('other') };
    const configuration = {
      kind: 'configuration' as const,
      digest: material('{}').digest,
      octets: () => Buffer.from(JSON.stringify({ head: ['e30.e30.'], delegations: [] })),
    };
    for (const materials of [[wrong], [{ ...configuration, digest: material('x').digest }]])
      await expect(
        log.appendRequest(entry, mid, { content: content('h', null), materials }),
      ).rejects.toBeInstanceOf(TypeError);
    await log.appendRequest(entry, mid, { content: content('h', null), materials: [configuration] });
    expect(log.counts().lane).toBe(2);
  });

  test("waits for the end of the loop's turn, until there are enough for one batch", async () => {
    let planned = 0;
    const append = async (name: string): Promise<unknown> => {
      const asked = request(name);
      const compose = (): ReturnType<typeof refusal> => {
        planned += 1;
        return refusal(asked, name);
      };
      return log.appendRefusal(compose, asked.mid, { materials: [] });
    };
    const few = Array.from({ length: LOG_BATCH_APPENDS_ENOUGH - 1 }, (_, n) => append(`few ${n}`));
    expect(planned).toBe(0);
    const last = append('last');
    expect(planned).toBe(LOG_BATCH_APPENDS_ENOUGH);
    await Promise.all([...few, last]);
    expect(log.counts().lane).toBe(LOG_BATCH_APPENDS_ENOUGH);
  });

  test('repeats the last time when the clock goes back, also after a restart', async () => {
    const [a, b, c] = ['1', '2', '3'].map((jti) => request(jti)) as [
      ReturnType<typeof request>,
      ReturnType<typeof request>,
      ReturnType<typeof request>,
    ];
    const { at } = await log.appendRequest(a.entry, a.mid, plain());
    now -= 60_000;
    expect(await log.appendRequest(b.entry, b.mid, plain())).toEqual({ index: 1, at });
    await reopened();
    expect(await log.appendRequest(c.entry, c.mid, plain())).toEqual({ index: 2, at });
    now = at + 1;
  });
});

test('the replay window holds incoming requests, refused ones too, from the time asked for', async () => {
  const take = async (since: number) => {
    const found = [];
    for await (const { iss, jti, expMs } of log.requestsSince(since)) found.push([iss, jti, expMs]);
    return found;
  };
  const old = request('old');
  await log.appendRequest(old.entry, old.mid, plain());
  now += 1000;
  const since = now;
  const [fresh, out, bad] = [request('fresh'), request('out', 'out'), request('bad')];
  await log.appendRequest(fresh.entry, fresh.mid, plain());
  await log.appendRequest(out.entry, out.mid, plain());
  const answered = answer(out.mid, 'answer', 'in');
  await log.appendAnswer(answered.entry, answered.mid, out.mid, plain());
  const refused = refusal(bad, 'refusal');
  await log.appendRefusal(() => refused, bad.mid, { materials: [] });
  const row = (jti: string) => ['VN/GOV/B/app', jti, EXP_S * 1000];
  expect(await take(since)).toEqual([row('fresh'), row('bad')]);
  expect(await take(0)).toEqual([row('old'), row('fresh'), row('bad')]);
  expect(await take(now + 1)).toEqual([]);
});

test("the server's log begins with the lane's opening and takes everything that is no message", async () => {
  const { index } = await log.appendToServerLog({ type: 'note', note: 'hello', count: 2 });
  expect(index).toBe(1);
  const opening = JSON.parse((await log.entry(log.server, 0)).toString()) as LogEntry;
  expect(opening).toMatchObject({ type: 'lane', event: 'opened', origin: log.lane });
  expect(JSON.parse((await log.entry(log.server, 1)).toString())).toEqual({
    v: 1,
    type: 'note',
    at: now,
    note: 'hello',
    count: 2,
  });
});

test('what is not there is not found', async () => {
  await expect(log.entry(log.lane, 0)).rejects.toMatchObject({ code: 'not_found' });
  await expect(log.entry('elsewhere/log' as LogOrigin, 0)).rejects.toMatchObject({ code: 'not_found' });
  await expect(log.inclusionProof(log.server, 1, 1)).rejects.toMatchObject({ code: 'not_found' });
  await expect(log.inclusionProof(log.server, 0, 2)).rejects.toMatchObject({ code: 'not_found' });
  await expect(log.consistencyProof(log.server, 1, 0)).rejects.toMatchObject({ code: 'not_found' });
  await expect(log.consistencyProof(log.server, -1, 1)).rejects.toMatchObject({ code: 'not_found' });
});

test('an origin names the server in the characters of a log', () => {
  expect(logOrigin('x.example', "VN/GOV/A'(%C4%91)/s+1~" as never)).toBe(
    'x.example/log/VN/GOV/A%27%28%C4%91%29/s%2B1%7E',
  );
  expect(log.lane).toBe(`${log.server}/lane-0`);
});

test('before the first checkpoint nothing is promised', () => {
  expect(log.promise()).toEqual({
    origin: log.lane,
    size: 0,
    root: '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
  });
  expect(log.latestCheckpoints()).toEqual({ lane: undefined, server: undefined });
});

test('however much is appended, what is not yet copied back into the files stays small', async () => {
  const sizeOf = (name: string): number => statSync(join(place.log, name)).size;
  for (let round = 0; round < 60; round += 1) {
    const all = Array.from({ length: 100 }, (_, n) => request(`${round} ${n}`));
    await Promise.all(all.map(({ entry, mid }) => log.appendRequest(entry, mid, plain('h'.repeat(1500)))));
  }
  expect(sizeOf('lane-0.db')).toBeGreaterThan(4 * 1024 * 1024);
  expect(sizeOf('lane-0.db-wal')).toBeLessThan(40 * 1024 * 1024);
  await reopened();
  expect(log.counts().lane).toBe(6000);
  await log.verify();
});

test('a closed log takes nothing, and has sealed what it took', async () => {
  const { entry, mid } = request('1');
  await log.appendRequest(entry, mid, plain());
  await log.close();
  await expect(log.appendMaterials([])).rejects.toMatchObject({ code: 'log_unavailable' });
  await expect(log.appendToServerLog({ type: 'note', note: '' })).rejects.toMatchObject({
    code: 'log_unavailable',
  });
  log = await openMessageLog(place.log, options);
  expect(log.promise()).toMatchObject({ size: 1 });
  expect(log.counts()).toEqual({ lane: 1, server: 2, uncovered: 0 });
});

test('a log is never made over another one, and never run where none was made', async () => {
  await expect(createMessageLog(place.log, options)).rejects.toMatchObject({ code: 'conflict' });
  await expect(openMessageLog(`${place.log}-missing`, options)).rejects.toMatchObject({ code: 'log_broken' });
});
