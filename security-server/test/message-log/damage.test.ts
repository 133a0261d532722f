import { copyFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { codeOf } from '@onceway/sdk/protocol';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { answer, content, material, optionsOf, plain, request, temporaryFolder } from './fixture.js';

const ENTRIES = 24;
let place: ReturnType<typeof temporaryFolder>;
let now = 1_790_000_000_000;
const options = optionsOf('damage', () => now);
const open = (folder = place.log): Promise<MessageLog> => openMessageLog(folder, options);

/** Appends requests and answers, and material on the way. */
async function grow(log: MessageLog, name: string, entries = ENTRIES): Promise<void> {
  for (let n = 0; n < entries / 3; n += 1) {
    const asked = request(`${name} ${n}`);
    const answered = answer(asked.mid, `${name} ${n}`);
    await log.appendRequest(asked.entry, asked.mid, { ...plain(), materials: [material(`${name} ${n}`)] });
    await log.appendAnswer(answered.entry, answered.mid, asked.mid, plain());
  }
}

beforeEach(async () => {
  place = temporaryFolder();
  await createMessageLog(place.log, options);
  const log = await open();
  await grow(log, 'first');
  await log.close();
});
afterEach(() => {
  place.remove();
});

describe('a corrupted log', () => {
  test.each(['lane-0.db', 'server.db'])(
    'shows: whatever octet of %s is changed, nothing false is read',
    async (name) => {
      const file = join(place.log, name);
      const whole = readFileSync(file);
      const log = await open();
      const origin = name === 'server.db' ? log.server : log.lane;
      const { lane, server } = log.counts();
      const size = name === 'server.db' ? server : lane;
      const entries = await Promise.all(Array.from({ length: size }, (_, index) => log.entry(origin, index)));
      await log.close();
      const files = ['lane-0.db', 'server.db', 'keys.db', 'promised.json'];
      for (const each of files) copyFileSync(join(place.log, each), join(place.folder, each));
      let found = 0;
      await fc.assert(
        fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
          for (const each of files) copyFileSync(join(place.folder, each), join(place.log, each));
          const changed = Buffer.from(whole);
          changed[at] = (changed[at] ?? 0) ^ bits;
          writeFileSync(file, changed);
          let damaged: MessageLog | undefined;
          try {
            damaged = await open();
            await damaged.verify();
            for (const [index, octets] of entries.entries())
              expect(await damaged.entry(origin, index)).toEqual(octets);
          } catch (error) {
            // An end that is missing is not damage but loss, and a log that goes on from there was opened as such.
            expect(codeOf(error)).toBe('log_broken');
            found += 1;
          } finally {
            await damaged?.close();
          }
        }),
        { numRuns: 80 },
      );
      expect(found).toBeGreaterThan(0);
    },
  );

  const change = (sql: string, kind = 'lane-0'): void => {
    const db = new Database(join(place.log, `${kind}.db`));
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    db.close();
  };

  test.each([
    [
      'an entry',
      "UPDATE entry SET octets = CAST(replace(octets, 'VN/GOV/B', 'VN/GOV/X') AS BLOB) WHERE idx = 4",
    ],
    [
      'an entry and its hash',
      'UPDATE entry SET octets = (SELECT octets FROM entry WHERE idx = 1), nodes = (SELECT nodes FROM entry WHERE idx = 1) WHERE idx = 4',
    ],
    ['a hash', 'UPDATE entry SET nodes = zeroblob(length(nodes)) WHERE idx = 7'],
    ['a missing entry', 'DELETE FROM entry WHERE idx = 5'],
    ['an index that leads elsewhere', 'UPDATE message SET idx = 1 WHERE idx = 4'],
    ['a direction that is not the entry’s', 'UPDATE message SET out = 1 - out WHERE idx = 4'],
    ['material that is not found', 'DELETE FROM material WHERE idx = 3'],
    ['material that is found elsewhere', 'UPDATE material SET idx = 1 WHERE idx = 3'],
  ])('is found broken by %s when it is verified', async (_, sql) => {
    change(sql);
    // A start may find it already.
    const verified = open().then(async (log) => log.verify().finally(() => log.close()));
    await expect(verified).rejects.toMatchObject({ code: 'log_broken' });
  });

  test('says so when a changed entry is read', async () => {
    change("UPDATE entry SET octets = CAST(replace(octets, 'VN/GOV/B', 'VN/GOV/X') AS BLOB) WHERE idx = 1");
    const log = await open();
    await expect(log.entry(log.lane, 1)).rejects.toMatchObject({ code: 'log_broken' });
    await expect(log.exchange(request('first 0').mid, 'in')).rejects.toMatchObject({ code: 'log_broken' });
    await log.close();
  });

  test('does not start when what was added since the last checkpoint is not what was hashed', async () => {
    const log = await open();
    await grow(log, 'second');
    cpSync(place.log, `${place.log}-copy`, { recursive: true });
    await log.close();
    rmSync(place.log, { recursive: true });
    cpSync(`${place.log}-copy`, place.log, { recursive: true });
    change(
      `UPDATE entry SET octets = CAST(replace(octets, 'VN/GOV/B', 'VN/GOV/X') AS BLOB) WHERE idx = ${ENTRIES + 2}`,
    );
    await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
  });

  test('does not start on a checkpoint that its key did not sign, or that stands for another size', async () => {
    await expect(openMessageLog(place.log, optionsOf('another'))).rejects.toMatchObject({
      code: 'log_broken',
    });
    change('UPDATE checkpoint SET size = size - 1 WHERE entry >= 0', 'server');
    await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
  });

  test('does not give out content that was changed or put in the place of other content', async () => {
    change('UPDATE content SET sealed = (SELECT sealed FROM content WHERE idx = 1) WHERE idx = 2');
    const log = await open();
    await expect(log.content(answer(request('first 0').mid, 'first 0').mid, 'out')).rejects.toMatchObject({
      code: 'log_broken',
    });
    expect((await log.content(request('first 0').mid, 'in'))?.body).toEqual(Buffer.from('body'));
    await log.close();
  });

  test.each(['lane-0.db', 'server.db', 'keys.db'])(
    'does not start without %s, or with tables of another version',
    async (name) => {
      const db = new Database(join(place.log, name));
      db.pragma('user_version = 1');
      db.close();
      await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
      rmSync(join(place.log, name));
      await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
    },
  );

  test('does not start on a file that is cut off', async () => {
    truncateSync(join(place.log, 'lane-0.db'), 4096);
    await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
  });
});

describe('a log that was restored from an old copy', () => {
  const later = async (): Promise<void> => {
    cpSync(place.log, `${place.log}-old`, { recursive: true });
    const log = await open();
    await grow(log, 'second');
    await log.appendToServerLog({ type: 'note', note: 'second' });
    await log.close();
    now += 1000;
  };
  const restore = (...names: string[]): void => {
    for (const name of names) copyFileSync(join(`${place.log}-old`, name), join(place.log, name));
  };

  test.each([
    ['lane', ['lane-0.db']],
    ['server log', ['server.db']],
    ['both', ['lane-0.db', 'server.db', 'keys.db']],
  ])('is noticed (%s), still after another restart, and goes on', async (_, names) => {
    await later();
    restore(...names);
    const noticed = now;
    let log = await open();
    expect(log.restoredAtMs).toBe(noticed);
    const { server } = log.counts();
    const note = JSON.parse((await log.entry(log.server, server - 1)).toString()) as object;
    expect(note).toMatchObject({ type: 'note', note: expect.stringContaining('missing') });
    await grow(log, 'third', 3);
    now += 1000;
    await log.sealCheckpoint();
    await log.verify();
    await log.close();
    log = await open();
    expect(log.restoredAtMs).toBe(noticed);
    expect(log.promise().size).toBe(log.counts().lane);
    await grow(log, 'fourth', 60);
    await log.close();
    log = await open();
    await log.verify();
    expect(log.restoredAtMs).toBe(noticed);
    await log.close();
  });

  test('is noticed when only the promise is gone or can not be read', async () => {
    for (const mend of [
      () => {
        rmSync(join(place.log, 'promised.json'));
      },
      () => {
        writeFileSync(join(place.log, 'promised.json'), '{"v":1,"lane":{"size":1}}');
      },
      () => {
        writeFileSync(join(place.log, 'promised.json'), '{"v":1,"lane":{"size":-1},"server":{"size":0}}');
      },
    ]) {
      mend();
      now += 1;
      const log = await open();
      expect(log.restoredAtMs).toBe(now);
      await log.close();
    }
  });

  test('keeps the content keys of what is missing, as the newer copy may still be found', async () => {
    await later();
    cpSync(place.log, `${place.log}-new`, { recursive: true });
    restore('lane-0.db');
    await (await open()).close();
    for (const name of ['lane-0.db', 'server.db', 'promised.json'])
      copyFileSync(join(`${place.log}-new`, name), join(place.log, name));
    const log = await open();
    expect((await log.content(request('second 0').mid, 'in'))?.body).toEqual(Buffer.from('body'));
    await log.close();
  });

  test('gives no key twice: what is missing of the keys stays missing, and hides nothing that comes later', async () => {
    await later();
    restore('keys.db');
    const log = await open();
    await grow(log, 'third', 3);
    expect(await log.content(request('second 0').mid, 'in')).toBeUndefined();
    expect((await log.content(request('third 0').mid, 'in'))?.body).toEqual(Buffer.from('body'));
    await log.close();
    const lane = new Database(join(place.log, 'lane-0.db'));
    const slots = lane.prepare('SELECT slot FROM exchange').pluck().all();
    lane.close();
    expect(new Set(slots).size).toBe(slots.length);
  });

  test('does not start as a log that contradicts what was promised', async () => {
    await later();
    cpSync(place.log, `${place.log}-new`, { recursive: true });
    restore('lane-0.db', 'server.db', 'keys.db', 'promised.json');
    const log = await open();
    await grow(log, 'otherwise', 60);
    await log.close();
    copyFileSync(join(`${place.log}-new`, 'promised.json'), join(place.log, 'promised.json'));
    await expect(open()).rejects.toMatchObject({ code: 'log_broken' });
  });
});

test('what a crash left beyond the end is swept at the next start', async () => {
  let log = await open();
  const { lane } = log.counts();
  const large = request('large');
  await log.appendRequest(large.entry, large.mid, {
    content: content('h', Buffer.alloc(100_000)),
    materials: [],
  });
  await log.close();
  writeFileSync(join(place.log, 'contents', '0', String(lane + 1)), 'left over');
  log = await open();
  expect(() => readFileSync(join(place.log, 'contents', '0', String(lane + 1)))).toThrow('ENOENT');
  expect((await log.content(large.mid, 'in'))?.body).toHaveLength(100_000);
  await log.close();
});

test('an answer whose request was erased meanwhile is entered without its content', async () => {
  let log = await open();
  const asked = request('erased');
  await log.appendRequest(asked.entry, asked.mid, plain());
  await log.close();
  const keys = new Database(join(place.log, 'keys.db'));
  keys.prepare('DELETE FROM key').run();
  keys.close();
  log = await open();
  const answered = answer(asked.mid, 'erased');
  const { index } = await log.appendAnswer(answered.entry, answered.mid, asked.mid, plain());
  expect((await log.exchange(asked.mid, 'in'))?.answer).toMatchObject({
    entry: { message: answered.entry.message },
    content: undefined,
  });
  expect(await log.content(asked.mid, 'in')).toBeUndefined();
  await log.close();
  const lane = new Database(join(place.log, 'lane-0.db'));
  expect(lane.prepare('SELECT idx FROM content WHERE idx >= ?').pluck().all(index)).toEqual([]);
  lane.close();
});

test('content whose key was erased is not there', async () => {
  const keys = new Database(join(place.log, 'keys.db'));
  keys.prepare('DELETE FROM key').run();
  keys.close();
  const log = await open();
  const { mid } = request('first 0');
  expect(await log.content(mid, 'in')).toBeUndefined();
  expect((await log.exchange(mid, 'in'))?.answer).toMatchObject({ content: undefined });
  await log.close();
});
