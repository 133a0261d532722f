import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { call, heldByBoth, openRoad, refused, until, type Road } from './fault-road.js';
import { Federation, TestClock } from './federation.js';

const MINUTE_MS = 60_000;
/** How long before a limit a call must still be answered: more than one takes on a machine that is busy. */
const BEFORE_MS = 30_000;
const LIFETIME_S = 600;

let road: Road;
let federation: Federation;
const clock = new TestClock();

beforeAll(async () => {
  federation = await Federation.start({}, LIFETIME_S, clock);
  road = await openRoad(federation);
}, 30_000);
afterAll(() => federation.stop());
beforeEach(() => {
  road.provider.events.length = 0;
  road.service.calls.length = 0;
});

type Policy = ReturnType<Federation['registry']['registry']['services']['policy']>;

/** All take another policy. */
async function setPolicy(change: Partial<Policy>): Promise<void> {
  const { services, publication } = federation.registry.registry;
  services.setPolicy({ ...services.policy(), ...change });
  await publication.changed();
  for (const { running } of [road.consumer, road.provider]) await running.exchange.configuration.refresh();
}

/** The checkpoints of both are sealed, witnessed and stamped as far as may be. */
async function seal(): Promise<void> {
  for (const { running } of [road.consumer, road.provider]) await running.sealing.run();
}

test('with the registry killed exchange goes on until the configuration expires, refuses naming it, and resumes by itself', async () => {
  const { head } = road.consumer.running.exchange.configuration.current();
  await federation.registry.stop();
  clock.offsetMs += head.expires * 1000 - clock.now() - BEFORE_MS;
  expect(await call(road)).toMatchObject({ status: 200 });
  clock.offsetMs += BEFORE_MS + 1;
  const lane = road.consumer.running.exchange.log.counts().lane;
  const called = await call(road);
  expect(called).toMatchObject({ status: 503, code: 'configuration_expired', hop: 'consumer-server' });
  expect(called.headers['exchange-id']).toBeUndefined();
  expect(road.consumer.running.exchange.log.counts().lane).toBe(lane);
  expect(road.service.calls).toHaveLength(1);
  await federation.startRegistry();
  await until('exchange goes on', async () => (await call(road)).status === 200, 20_000);
});

test('a provider whose configuration is expired refuses by that name, and calls nobody', async () => {
  const { configuration } = road.provider.running.exchange;
  const current = configuration.current.bind(configuration);
  configuration.current = () => {
    const now = clock.offsetMs;
    clock.offsetMs += 2 * LIFETIME_S * 1000;
    try {
      return current();
    } finally {
      clock.offsetMs = now;
    }
  };
  expect(await call(road)).toMatchObject({ status: 502, code: 'peer_refused' });
  Object.assign(configuration, { current });
  expect(refused(road.provider)).toEqual(['configuration_expired']);
  expect(road.service.calls).toHaveLength(0);
});

test('a server that starts without its registry goes on with the last good configuration', async () => {
  await federation.registry.stop();
  await road.consumer.restart();
  await road.provider.restart();
  const called = await call(road);
  expect(called).toMatchObject({ status: 200 });
  expect(await heldByBoth(road, called.id)).toEqual({
    consumer: { answer: 'message' },
    provider: { answer: 'message' },
  });
  await federation.startRegistry();
});

test.each([
  ['time-stamps', 'stampingBacklogMs', 'time_stamping_overdue'],
  ['witnesses', 'witnessBacklogMs', 'witness_overdue'],
] as const)(
  'without %s exchange goes on until the limit, refuses by its name, and resumes when they are back',
  async (_, limit, code) => {
    await setPolicy({
      stampingBacklogMs: 60 * MINUTE_MS,
      witnessBacklogMs: 60 * MINUTE_MS,
      [limit]: MINUTE_MS,
    });
    await seal();
    expect(await call(road)).toMatchObject({ status: 200 });
    await federation.registry.stop();
    await seal();
    clock.offsetMs += MINUTE_MS - BEFORE_MS;
    expect(await call(road)).toMatchObject({ status: 200 });
    clock.offsetMs += BEFORE_MS + 1;
    expect(await call(road)).toMatchObject({ status: 503, code, hop: 'consumer-server' });
    expect(road.service.calls).toHaveLength(2);
    await federation.startRegistry();
    await seal();
    expect(await call(road)).toMatchObject({ status: 200 });
    await setPolicy({ stampingBacklogMs: 60 * MINUTE_MS, witnessBacklogMs: 60 * MINUTE_MS });
  },
);

test('a receiver that is behind catches up with the configuration that a message names', async () => {
  const { publication } = federation.registry.registry;
  const { configuration } = road.provider.running.exchange;
  const refresh = configuration.refresh.bind(configuration);
  const seq = (): number => configuration.current().reference.seq;
  // From its next poll on the provider's server is not told by itself. What is under way as yet, a poll or the pause
  // after a failed one, is over once that poll is held; a new configuration ends it soonest.
  let release = (): void => undefined;
  const held = new Promise<void>((isHeld) => {
    configuration.refresh = (waitS) => {
      if (waitS === undefined) return refresh();
      isHeld();
      return new Promise((resolve) => (release = () => resolve(false)));
    };
  });
  federation.member('ANOTHER');
  await publication.changed();
  await held;
  await refresh();
  expect(seq()).toBe(publication.current()?.seq);
  federation.member('ONE-MORE');
  await publication.changed();
  await road.consumer.running.exchange.configuration.refresh();
  expect(seq()).toBe((publication.current()?.seq ?? 0) - 1);
  // A message of an earlier test may have made it look, and it looks once a second.
  clock.offsetMs += 1_000;
  expect(await call(road)).toMatchObject({ status: 200 });
  expect(seq()).toBe(publication.current()?.seq);
  Object.assign(configuration, { refresh });
  release();
});
