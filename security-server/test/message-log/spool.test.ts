// Streamed bodies in a log: kept beside their entry, readable only with its content, and never left over.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SPOOLS_MAX, SPOOLS_OF_ONE_MAX } from '../../src/limits.js';
import { SpooledBody, type Content, type MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { optionsOf, request, temporaryFolder } from './fixture.js';

let place: ReturnType<typeof temporaryFolder>;
let log: MessageLog;
const options = optionsOf('spool');

beforeEach(async () => {
  place = temporaryFolder();
  await createMessageLog(place.log, options);
  log = await openMessageLog(place.log, options);
});
afterEach(async () => {
  await log.close();
  place.remove();
});

const spools = (): string[] => {
  const folder = join(place.log, 'spool');
  return existsSync(folder) ? readdirSync(folder) : [];
};
const contents = (): string[] => {
  const folder = join(place.log, 'contents', '0');
  return existsSync(folder) ? readdirSync(folder) : [];
};

async function spooled(octets: Buffer): Promise<SpooledBody> {
  const writer = await log.spool();
  for (let at = 0; at < octets.length; at += 10_007) await writer.write(octets.subarray(at, at + 10_007));
  return writer.end();
}

const contentOf = (body: SpooledBody): Content => ({
  head: Buffer.from('head'),
  body,
  salts: { head: randomBytes(32), body: randomBytes(32) },
});

async function read(body: Content['body'] | undefined): Promise<Buffer> {
  if (!(body instanceof SpooledBody)) throw new Error('not a streamed body');
  const chunks: Buffer[] = [];
  for await (const chunk of body.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test.each([1, 65_535, 65_536, 65_537, 300_000])('a body of %i octets is read as it came', async (bytes) => {
  const octets = randomBytes(bytes);
  const { entry, mid } = request('one');
  const body = await spooled(octets);
  await log.appendRequest(entry, mid, { content: contentOf(body), materials: [] });
  expect(spools()).toEqual([]);
  // In this process, and in the next.
  expect(await read(body)).toEqual(octets);
  await log.close();
  log = await openMessageLog(place.log, options);
  const kept = await log.content(mid, 'in');
  expect(await read(kept?.body)).toEqual(octets);
  await log.verify();
  // Nothing of it lies there in clear.
  const name = contents().find((of) => of.endsWith('.body')) ?? '';
  const file = readFileSync(join(place.log, 'contents', '0', name));
  expect(bytes > 16 && file.includes(octets.subarray(0, 16))).toBe(false);
});

test.each<[what: string, change: (file: Buffer) => Buffer]>([
  ['an octet is changed', (file) => (file.writeUInt8(file.readUInt8(70_000) ^ 1, 70_000), file)],
  ['its end is missing', (file) => file.subarray(0, -1)],
  ['its last segment is missing', (file) => file.subarray(0, 2 * (65_536 + 28))],
  [
    'two segments changed places',
    (file) => {
      const one = 65_536 + 28;
      return Buffer.concat([file.subarray(one, 2 * one), file.subarray(0, one), file.subarray(2 * one)]);
    },
  ],
])('a body does not open where %s', async (_what, change) => {
  const { entry, mid } = request('one');
  const body = await spooled(randomBytes(150_000));
  await log.appendRequest(entry, mid, { content: contentOf(body), materials: [] });
  writeFileSync(body.file, change(readFileSync(body.file)));
  await expect(read(body)).rejects.toMatchObject({ code: 'log_broken' });
});

test('the opening leads to the message as its closing does, and neither is taken again or declared void', async () => {
  const { entry, mid } = request('one');
  const opening = request('opening').mid;
  const append = async (): Promise<unknown> =>
    log.appendRequest(entry, mid, {
      content: contentOf(await spooled(randomBytes(9))),
      materials: [],
      opening,
    });
  await append();
  expect(await log.declareNotRecorded(opening, Date.now() + 1_000)).toBe('recorded');
  expect((await log.content(opening, 'in'))?.body).toBeInstanceOf(SpooledBody);
  await expect(append()).rejects.toMatchObject({ code: 'message_replayed' });
  const other = request('other');
  await expect(
    log.appendRequest(other.entry, other.mid, {
      content: contentOf(await spooled(randomBytes(9))),
      materials: [],
      opening,
    }),
  ).rejects.toMatchObject({ code: 'message_replayed' });
});

test('a message whose opening was declared void is not taken', async () => {
  const opening = request('opening').mid;
  expect(await log.declareNotRecorded(opening, Date.now() + 60_000)).toBe('void');
  const { entry, mid } = request('one');
  const body = await spooled(randomBytes(9));
  await expect(
    log.appendRequest(entry, mid, { content: contentOf(body), materials: [], opening }),
  ).rejects.toMatchObject({ code: 'message_void' });
  await body.discard();
  expect(spools()).toEqual([]);
});

test('what a process that died left in the spool is gone at the next start', async () => {
  await (await log.spool()).write(randomBytes(100_000));
  expect(spools()).toHaveLength(1);
  await log.close();
  log = await openMessageLog(place.log, options);
  expect(spools()).toEqual([]);
});

test('a batch that fails takes its bodies back, and leaves those of others', async () => {
  const [kept, first, second] = [request('kept'), request('first'), request('second')];
  await log.appendRequest(kept.entry, kept.mid, {
    content: contentOf(await spooled(Buffer.from('kept'))),
    materials: [],
  });
  const before = contents();
  const [one, two] = [await spooled(randomBytes(9)), await spooled(randomBytes(9))];
  // The second can not be moved: the whole batch fails, after the first was.
  rmSync(two.file);
  const appended = await Promise.allSettled([
    log.appendRequest(first.entry, first.mid, { content: contentOf(one), materials: [] }),
    log.appendRequest(second.entry, second.mid, { content: contentOf(two), materials: [] }),
  ]);
  expect(appended.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(contents()).toEqual(before);
  expect(await read((await log.content(kept.mid, 'in'))?.body)).toEqual(Buffer.from('kept'));
  // The log goes on by itself.
  const body = await spooled(Buffer.from('again'));
  await log.appendRequest(first.entry, first.mid, { content: contentOf(body), materials: [] });
  expect(await read((await log.content(first.mid, 'in'))?.body)).toEqual(Buffer.from('again'));
});

test('a body that a crash moved beyond the end of the log is swept', async () => {
  const { entry, mid } = request('one');
  const body = await spooled(randomBytes(9));
  await log.appendRequest(entry, mid, { content: contentOf(body), materials: [] });
  const { lane } = log.counts();
  const beyond = join(place.log, 'contents', '0', `${lane}.body`);
  await log.close();
  writeFileSync(beyond, 'left over');
  log = await openMessageLog(place.log, options);
  expect(existsSync(beyond)).toBe(false);
  expect(await read((await log.content(mid, 'in'))?.body)).toHaveLength(9);
});

test('so many at once, and no more', async () => {
  const writers = await Promise.all(Array.from({ length: SPOOLS_MAX }, () => log.spool()));
  await expect(log.spool()).rejects.toMatchObject({ code: 'busy' });
  await Promise.all(writers.map((writer) => writer.discard()));
  expect(spools()).toEqual([]);
  await (await log.spool()).discard();
});

test('so many at once of one, and no more; each of two is counted', async () => {
  const writers = await Promise.all(
    Array.from({ length: SPOOLS_OF_ONE_MAX }, () => log.spool('peer', 'client')),
  );
  await expect(log.spool('peer')).rejects.toMatchObject({ code: 'busy' });
  await expect(log.spool('other', 'client')).rejects.toMatchObject({ code: 'busy' });
  await (await log.spool('other', 'another')).discard();
  await writers.pop()?.discard();
  writers.push(await log.spool('peer', 'client'));
  await Promise.all(writers.map((writer) => writer.discard()));
  expect(spools()).toEqual([]);
});
