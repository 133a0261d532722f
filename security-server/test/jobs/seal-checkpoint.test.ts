import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { cosign, verifyConsistency } from '@onceway/sdk/verify';
import { sealCheckpoint, SealingJob, type Failures, type Services } from '../../src/jobs/seal-checkpoint.js';
import type { MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { material, optionsOf, temporaryFolder } from '../message-log/fixture.js';

const witnessKey = generateKeyPairSync('ed25519').privateKey;
let place: ReturnType<typeof temporaryFolder>;
let log: MessageLog;
let now = 1_790_000_000_000;
let isDown = { witness: false, timeStamper: false };
/** What the services were asked. */
let asked: { note: string; oldSize: number; size: number }[] = [];
let stamped: string[] = [];

const services: Services = {
  witnesses: {
    cosign: async ({ note, oldSize, size, proof }) => {
      if (isDown.witness) throw new Error('no quorum');
      // A witness extends only what it has seen.
      const roots = (text: string): Buffer => Buffer.from(text.split('\n')[2] ?? '', 'base64');
      const last = asked.at(-1);
      if (last !== undefined && oldSize > 0)
        verifyConsistency({
          from: oldSize,
          to: size,
          fromRoot: roots(last.note),
          toRoot: roots(note),
          proof: await proof(oldSize, size),
        });
      asked.push({ note, oldSize, size });
      return cosign(note.slice(0, note.indexOf('\n\n') + 1), 'witness.example/w', witnessKey, now / 1000);
    },
  },
  timeStamper: {
    stamp: async (octets) => {
      if (isDown.timeStamper) throw new Error('no answer');
      stamped.push(octets.toString());
      return Buffer.of(48, 0);
    },
  },
};

beforeEach(async () => {
  place = temporaryFolder();
  const options = optionsOf('a', () => now);
  await createMessageLog(place.log, options);
  log = await openMessageLog(place.log, options);
  isDown = { witness: false, timeStamper: false };
  asked = [];
  stamped = [];
});
afterEach(async () => {
  await log.close();
  place.remove();
});

const append = (text: string): Promise<void> => log.appendMaterials([material(text)]);

test("the server log's note is cosigned and stamped as its log signed it", async () => {
  await append('1');
  expect(await sealCheckpoint(log, services)).toEqual([]);
  const { server } = log.latestCheckpoints();
  expect(asked).toEqual([{ note: server?.note, oldSize: 0, size: 2 }]);
  expect(stamped).toEqual([server?.note]);
  expect(server?.note).toMatch(/^[^\n]+\n2\n[^\n]+\n\n\u2014 [^\n]+\n$/);
  expect(server?.cosignatures).toMatch(/^\u2014 witness\.example\/w [^\n]+\n$/);
  expect(server?.timeStamp).toEqual(Buffer.of(48, 0));
  expect([log.witnessBacklogMs(), log.stampingBacklogMs(), log.unwitnessed(), log.unstamped()]).toEqual([
    0,
    0,
    undefined,
    undefined,
  ]);
});

test('nobody is asked again about what is complete', async () => {
  await append('1');
  await sealCheckpoint(log, services);
  await sealCheckpoint(log, services);
  expect([asked.length, stamped.length]).toEqual([1, 1]);
});

test.each([
  ['witness', 'witness'],
  ['timeStamper', 'time-stamp'],
] as const)(
  'while the %s is down its backlog alone grows, over a restart too, and the next run makes up for it',
  async (down, step) => {
    await append('1');
    await sealCheckpoint(log, services);
    isDown[down] = true;
    const backlogs = (): number[] => {
      const both = [log.witnessBacklogMs(), log.stampingBacklogMs()];
      return down === 'witness' ? both : both.reverse();
    };
    for (let minute = 0; minute < 3; minute += 1) {
      await append(`down ${minute}`);
      expect(await sealCheckpoint(log, services)).toMatchObject([{ step }]);
      now += 60_000;
      expect(backlogs()).toEqual([(minute + 1) * 60_000, 0]);
    }
    await log.close();
    log = await openMessageLog(
      place.log,
      optionsOf('a', () => now),
    );
    expect(backlogs()).toEqual([180_000, 0]);
    isDown[down] = false;
    expect(await sealCheckpoint(log, services)).toEqual([]);
    expect(backlogs()).toEqual([0, 0]);
    // Only the newest is asked for: it covers the others.
    expect(down === 'witness' ? asked.map(({ oldSize }) => oldSize) : stamped.length).toEqual(
      down === 'witness' ? [0, 2] : 2,
    );
  },
);

test('a backlog counts from the first entry that nothing covers, before any checkpoint too', async () => {
  expect(log.stampingBacklogMs()).toBe(0);
  await append('1');
  now += 5000;
  await append('2');
  expect([log.witnessBacklogMs(), log.stampingBacklogMs()]).toEqual([5000, 5000]);
});

test('an answer about an older checkpoint does not hide a newer one', async () => {
  await append('1');
  await log.sealCheckpoint();
  const waiting = log.unstamped();
  await append('2');
  await log.sealCheckpoint();
  await log.keepTimeStamp(waiting?.size ?? 0, Buffer.of(48, 0));
  now += 1000;
  expect(log.unstamped()?.size).toBe(3);
  expect([log.witnessBacklogMs(), log.stampingBacklogMs()]).toEqual([1000, 1000]);
});

test('the job runs at once and on demand, and a run that was asked for covers what was appended before', async () => {
  const reports: Failures[] = [];
  await append('1');
  const job = new SealingJob(log, services, (failures) => reports.push(failures));
  await append('2');
  await Promise.all([job.run(), job.run()]);
  expect(log.counts().uncovered).toBe(0);
  expect(reports).toEqual([[], []]);
  await job.stop();
});

test('a run that fails is reported and never rejects', async () => {
  await append('1');
  isDown = { witness: true, timeStamper: true };
  const reports: Failures[] = [];
  const job = new SealingJob(log, services, (failures) => reports.push(failures));
  await job.stop();
  expect(reports).toMatchObject([[{ step: 'witness' }, { step: 'time-stamp' }]]);
  await log.close();
  expect(await sealCheckpoint(log, services)).toMatchObject([
    { step: 'seal' },
    { step: 'witness' },
    { step: 'time-stamp' },
  ]);
  log = await openMessageLog(
    place.log,
    optionsOf('a', () => now),
  );
});
