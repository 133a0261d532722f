import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call, heldByBoth, openRoad, refused, until, type Road } from './fault-road.js';
import { Federation, TestClock } from './federation.js';

const MINUTE_MS = 60_000;
const [FRESHNESS_MS, GRACE_MS] = [2 * MINUTE_MS, 10 * MINUTE_MS];

let road: Road;
let federation: Federation;
const clock = new TestClock();

beforeAll(async () => {
  federation = await Federation.start(
    { ocspFreshnessMs: FRESHNESS_MS, ocspGraceMs: GRACE_MS },
    24 * 3600,
    clock,
  );
  road = await openRoad(federation);
}, 30_000);
afterAll(() => federation.stop());

/** Moves everybody's clock, and has both servers ask for the status of their own certificates as their jobs do. */
async function later(ms: number): Promise<void> {
  clock.offsetMs += ms;
}

test('while the responder is away: good within freshness and grace, then refused by name, and back by itself', async () => {
  expect(await call(road)).toMatchObject({ status: 200 });
  await federation.registry.stop();
  for (const ms of [FRESHNESS_MS / 2, FRESHNESS_MS, GRACE_MS - FRESHNESS_MS]) {
    await later(ms);
    expect(await call(road)).toMatchObject({ status: 200 });
  }
  expect(road.consumer.events).toContainEqual(
    expect.objectContaining({ event: 'alarm', code: 'certificate_status_unknown' }),
  );
  const calls = road.service.calls.length;

  await later(FRESHNESS_MS);
  const called = await call(road);
  expect(called).toMatchObject({ status: 503, code: 'certificate_status_unknown' });
  expect(called.headers['exchange-id']).toBeUndefined();
  expect(road.service.calls).toHaveLength(calls);

  await federation.startRegistry();
  await later(10_000);
  await until('exchange goes on', async () => (await call(road)).status === 200);
});

test('a server that starts while the responder is away works from the answer it kept', async () => {
  expect(await call(road)).toMatchObject({ status: 200 });
  await federation.registry.stop();
  await later(FRESHNESS_MS + 1);
  await road.consumer.restart();
  await road.provider.restart();
  const called = await call(road);
  expect(called).toMatchObject({ status: 200 });
  expect(await heldByBoth(road, called.id)).toEqual({
    consumer: { answer: 'message' },
    provider: { answer: 'message' },
  });
  await later(GRACE_MS);
  expect(await call(road)).toMatchObject({ status: 503, code: 'certificate_status_unknown' });
  await federation.startRegistry();
  await later(10_000);
  await until('exchange goes on', async () => (await call(road)).status === 200);
});

test('a peer that shows an old status is believed no longer than the grace', async () => {
  const { credentials } = road.consumer.running.exchange;
  const show = credentials.show.bind(credentials);
  const require = credentials.require.bind(credentials);
  expect(await call(road)).toMatchObject({ status: 200 });
  // It shows what it showed once, and judges itself by nothing.
  const kept = new Map<string, Awaited<ReturnType<typeof show>>>();
  credentials.show = async (digest, ...rest) => {
    const shown = kept.get(digest) ?? (await show(digest, ...rest));
    kept.set(digest, shown);
    return shown;
  };
  await later(FRESHNESS_MS + 1);
  expect(await call(road)).toMatchObject({ status: 200 });
  const calls = road.service.calls.length;
  await later(FRESHNESS_MS + GRACE_MS);
  expect(await call(road)).toMatchObject({ status: 502, code: 'peer_refused' });
  expect(refused(road.provider)).toContain('certificate_status_unknown');
  expect(road.service.calls).toHaveLength(calls);
  Object.assign(credentials, { show, require });
  await later(10_000);
  expect(await call(road)).toMatchObject({ status: 200 });
});
