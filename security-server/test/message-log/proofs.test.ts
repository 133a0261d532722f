import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { MessageId } from '@onceway/schemas';
import { leafHash, openCheckpoint, verifyConsistency, verifyInclusion, vkeyOf } from '@onceway/sdk/verify';
import type { Checkpoint, MessageLog } from '../../src/message-log/message-log.js';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { keysOf, material, optionsOf, plain, request, temporaryFolder } from './fixture.js';

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

const rootOf = ({ root }: Checkpoint): Buffer => Buffer.from(root, 'base64url');

/** Both levels, with nothing but keys and public functions: message in lane, lane in server's log. */
async function verifyMessage(mid: MessageId): Promise<boolean> {
  const [proven] = await log.messages(mid);
  if (proven?.lane === undefined || proven.server === undefined) return false;
  const { lane, server } = proven;
  const laneKey = vkeyOf(log.lane, keysOf('a').logKey('lane-0'));
  const serverKey = vkeyOf(log.server, keysOf('a').logKey('server'));
  const signedLane = openCheckpoint(lane.checkpoint.note, laneKey);
  verifyInclusion({
    index: proven.index,
    leafHash: leafHash(proven.octets),
    proof: lane.proof,
    ...signedLane,
  });
  const entry = JSON.parse(server.entry.octets.toString()) as { note: string };
  expect(entry.note).toBe(lane.checkpoint.note);
  const signedServer = openCheckpoint(server.checkpoint.note, serverKey);
  const { index, octets } = server.entry;
  verifyInclusion({ index, leafHash: leafHash(octets), proof: server.proof, ...signedServer });
  return true;
}

test('whatever is appended and sealed in whatever order, every message is proven and every checkpoint extends the others', async () => {
  let run = 0;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }).map((count) => ({ count })) },
    { weight: 2, arbitrary: fc.constant('seal' as const) },
    { weight: 1, arbitrary: fc.constant('note' as const) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  );
  const checkpoints: Checkpoint[] = [];
  const mids: MessageId[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      run += 1;
      for (const [n, what] of steps.entries()) {
        if (what === 'seal') {
          await log.sealCheckpoint();
          const { lane, server } = log.latestCheckpoints();
          if (lane !== undefined) checkpoints.push(lane);
          if (server !== undefined) checkpoints.push(server);
        } else if (what === 'note') await log.appendToServerLog({ type: 'note', note: `${run} ${n}` });
        else if (what === 'restart') {
          await log.close();
          log = await openMessageLog(place.log, optionsOf());
        } else {
          const asked = Array.from({ length: what.count }, (_, i) => request(`${run} ${n} ${i}`));
          await Promise.all(asked.map(({ entry, mid }) => log.appendRequest(entry, mid, plain())));
          mids.push(...asked.map(({ mid }) => mid));
        }
      }
    }),
    { numRuns: 15 },
  );
  await log.sealCheckpoint();
  for (const mid of mids) expect(await verifyMessage(mid)).toBe(true);
  const { lane, server } = log.latestCheckpoints();
  for (const older of checkpoints) {
    const newer = older.origin === log.lane ? lane : server;
    if (newer === undefined) throw new Error('no checkpoint');
    const proof = await log.consistencyProof(older.origin, older.size, newer.size);
    verifyConsistency({
      from: older.size,
      to: newer.size,
      fromRoot: rootOf(older),
      toRoot: rootOf(newer),
      proof,
    });
  }
  await expect(log.verify()).resolves.toBeUndefined();
  expect(log.counts()).toMatchObject({ lane: mids.length, uncovered: 0 });
});

test('a message has no proof until a checkpoint covers it, and the promise is what was signed', async () => {
  const { entry, mid } = request('1');
  await log.appendRequest(entry, mid, plain());
  expect(await verifyMessage(mid)).toBe(false);
  const octets = await log.entry(log.lane, 0);
  expect(await log.messages(mid)).toEqual([{ log: log.lane, index: 0, octets }]);
  await log.sealCheckpoint();
  expect(await verifyMessage(mid)).toBe(true);
  const { lane } = log.latestCheckpoints();
  expect(log.promise()).toEqual({ origin: lane?.origin, size: 1, root: lane?.root });
});

test('no checkpoint is promised or given to a witness before that is remembered', async () => {
  await log.appendMaterials([material('1')]);
  const inTheWay = join(place.log, 'promised.json.new');
  mkdirSync(inTheWay);
  await expect(log.sealCheckpoint()).rejects.toMatchObject({ code: 'log_unavailable' });
  expect([log.promise().size, log.unwitnessed(), log.unstamped()]).toEqual([0, undefined, undefined]);
  rmdirSync(inTheWay);
  await log.sealCheckpoint();
  expect([log.promise().size, log.unwitnessed()?.checkpoint.size, log.unstamped()?.size]).toEqual([1, 2, 2]);
  expect(log.counts().server).toBe(2);
});

test('where nothing was added nothing is signed', async () => {
  await log.appendMaterials([material('x')]);
  await Promise.all([log.sealCheckpoint(), log.sealCheckpoint()]);
  const before = log.latestCheckpoints();
  await log.sealCheckpoint();
  expect(log.latestCheckpoints()).toEqual(before);
  expect(log.counts()).toEqual({ lane: 1, server: 2, uncovered: 0 });
});

test('a message is proven up to the first checkpoint that is witnessed and stamped', async () => {
  const { entry, mid } = request('1');
  await log.appendRequest(entry, mid, plain());
  const sizes: number[] = [];
  for (const text of ['a', 'b', 'c']) {
    await log.appendMaterials([material(text)]);
    await log.sealCheckpoint();
    sizes.push(log.latestCheckpoints().server?.size ?? 0);
  }
  const [first = 0, second = 0, third = 0] = sizes;
  expect((await log.messages(mid))[0]?.server?.checkpoint.size).toBe(first);
  await log.keepTimeStamp(first, Buffer.of(1));
  await log.keepCosignatures(second, '— witness AAAA\n');
  await log.keepTimeStamp(second, Buffer.of(2));
  await log.keepCosignatures(third, '— witness BBBB\n');
  await log.keepTimeStamp(third, Buffer.of(3));
  expect((await log.messages(mid))[0]?.server?.checkpoint).toMatchObject({
    size: second,
    cosignatures: '— witness AAAA\n',
    timeStamp: Buffer.of(2),
  });
  expect(await verifyMessage(mid)).toBe(true);
});
