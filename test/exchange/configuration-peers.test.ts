// While the registry is away a configuration travels from server to server with the messages; and a peer that lies about
// one brings nothing and costs bounded time.
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, parseDigest, type LogEntry, type SubsystemId } from '@onceway/sdk/protocol';
import { showCredential } from '@onceway/security-server/exchange/show-credential';
import { call, openRoad, refused, until, type Road } from './fault-road.js';
import { Federation, TestClock, type TestServer } from './federation.js';
import { HostilePeer, identityOf } from './hostile-peer.js';
import { HostileProvider } from './hostile-provider.js';

const HOUR_S = 3_600;

let federation: Federation;
let road: Road;
let clock: TestClock;

const seqOf = ({ running }: TestServer): number => running.exchange.configuration.current().reference.seq;
const recordsOf = ({ folder }: TestServer): string[] =>
  readdirSync(join(folder, 'configuration', 'records')).sort();

/** Publishes what `change` makes of the registry; `who` has it, `other` not, and the registry is away. */
async function publishTo(who: TestServer, other: TestServer, change: () => unknown): Promise<void> {
  await other.stop();
  change();
  await federation.registry.registry.publication.changed();
  await who.running.exchange.configuration.refresh();
  await federation.registry.stop();
  await other.start();
  expect(seqOf(who)).toBeGreaterThan(seqOf(other));
}

describe('with the registry away', () => {
  let bystander: SubsystemId;
  let suspended: Road;

  beforeAll(async () => {
    clock = new TestClock();
    federation = await Federation.start({}, HOUR_S, clock);
    road = await openRoad(federation);
    const member = federation.member('BYSTANDER');
    const third = await federation.server(member, 'SS3');
    bystander = await federation.client(third, 'CLIENT');
    await road.provider.running.services.grant(
      { service: road.service.id, subject: { client: bystander }, reason: 'for the test' },
      'test',
    );
    for (const { running } of [road.consumer, road.provider]) await running.exchange.configuration.refresh();
    expect(await call({ ...road, consumer: third, client: bystander })).toMatchObject({ status: 200 });
    expect(await call(road)).toMatchObject({ status: 200 });
    suspended = { ...road, consumer: third, client: bystander };
  }, 60_000);
  afterAll(() => federation.stop());
  afterEach(async () => {
    await federation.registry.stop();
    await federation.startRegistry();
    const { members, publication } = federation.registry.registry;
    members.lift('TEST/GOV/BYSTANDER' as never);
    await publication.changed();
    for (const { running } of [road.consumer, road.provider]) await running.exchange.configuration.refresh();
  }, 30_000);

  const suspend = (): void =>
    void federation.registry.registry.members.suspend('TEST/GOV/BYSTANDER' as never, 'stolen keys');

  test('a suspension that the consumer took reaches the provider by a message', async () => {
    await suspended.consumer.stop();
    await publishTo(road.consumer, road.provider, suspend);
    expect(await call(road)).toMatchObject({ status: 200 });
    expect(seqOf(road.provider)).toBe(seqOf(road.consumer));
    expect(road.provider.running.exchange.configuration.current().isActive(bystander)).toBe(false);
    // The suspended member's own server does not know it either.
    await suspended.consumer.start();
    expect(await call(suspended)).not.toMatchObject({ status: 200 });
    expect(refused(road.provider)).toContain('peer_not_authenticated');
    // Kept on disk: a server that starts anew does not go back.
    await road.provider.restart();
    expect(seqOf(road.provider)).toBe(seqOf(road.consumer));
  }, 30_000);

  test('a suspension that the provider took reaches the consumer by an answer', async () => {
    await publishTo(road.provider, road.consumer, suspend);
    expect(await call(road)).toMatchObject({ status: 200 });
    expect(seqOf(road.consumer)).toBe(seqOf(road.provider));
  }, 30_000);

  test('... and by a refusal', async () => {
    await publishTo(road.provider, road.consumer, suspend);
    expect(await call(road, { service: `${road.offering}/nothing` })).toMatchObject({
      code: 'service_unknown',
    });
    expect(seqOf(road.consumer)).toBe(seqOf(road.provider));
  }, 30_000);

  test('the registry that is back proves what the peer showed, and nobody alarms', async () => {
    await publishTo(road.consumer, road.provider, suspend);
    await call(road);
    const file = join(road.provider.folder, 'configuration', 'configuration.json');
    const stored = () => JSON.parse(readFileSync(file, 'utf8')) as { owed?: unknown[] };
    expect(stored().owed).toHaveLength(1);
    await federation.startRegistry();
    await until('the log is proven', () => stored().owed === undefined, 25_000);
    expect(alarmsOf(road.provider)).not.toContain('configuration_fork');
  }, 60_000);
});

describe('a peer that lies', () => {
  let hostile: HostileProvider;
  let named: { seq: number; digest: string };
  let honest: (path: string) => Promise<string>;

  beforeAll(async () => {
    clock = new TestClock();
    federation = await Federation.start({}, HOUR_S, clock);
    road = await openRoad(federation);
    expect(await call(road)).toMatchObject({ status: 200 });
    const { consumer, provider } = road;
    await publishTo(provider, consumer, () => federation.member('LATER'));
    const { exchange } = provider.running;
    named = exchange.configuration.current().reference;
    const certificate = consumer.running.exchange.token.authentication().certificateDigest;
    honest = (path) =>
      // Its database is closed; there are no rights to show.
      showCredential(parseDigest(path.slice('/credentials/'.length)), certificate, {
        ...exchange,
        directory: { ...exchange.directory, right: () => undefined },
      });
    await provider.stop();
    hostile = await HostileProvider.start(provider, identityOf(provider), clock.now);
  }, 60_000);
  afterAll(async () => {
    await hostile.stop();
    await federation.stop();
  });
  beforeEach(() => {
    // What failed is asked for again after a minute.
    clock.offsetMs += 61_000;
  });

  let lies: number;
  type Lie = (response: ServerResponse, path: string) => void;
  /** Shows what is asked for, but what `lie` shows for the configuration, or for its records. */
  function lieAbout(what: 'configuration' | 'record', lie: Lie): void {
    lies = 0;
    hostile.outcome = (response, path) => {
      void honest(path).then(
        (text) => {
          if ((JSON.parse(text) as { type: string }).type === what) {
            lies++;
            lie(response, path);
          } else response.end(text);
        },
        () => response.writeHead(404).end(),
      );
    };
  }
  const json =
    (value: unknown): Lie =>
    (response) =>
      void response.end(JSON.stringify(value));
  const endless: Lie = (response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('"'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  };
  const trickle: Lie = (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 50);
    response.on('close', () => clearInterval(timer));
  };
  const silent: Lie = () => undefined;
  const bundle =
    (alter: (shown: Record<string, unknown>) => object): Lie =>
    (response, path) =>
      void honest(path).then((text) =>
        response.end(JSON.stringify(alter(JSON.parse(text) as Record<string, unknown>))),
      );
  const otherRecord = JSON.stringify({
    v: 1,
    type: 'global-group',
    code: 'x',
    description: { en: 'x', vi: 'x' },
    members: [],
  });

  test.each<[string, 'configuration' | 'record', Lie]>([
    ['shows another record', 'record', json({ type: 'record', record: otherRecord })],
    ['shows a record that is none', 'record', json({ type: 'record', record: 'x' })],
    ['shows a certificate for a record', 'record', json({ type: 'certificate' })],
    ['shows an oversized record', 'record', json({ type: 'record', record: 'x'.repeat(3_000_000) })],
    ['never ends a record', 'record', endless],
    ['is silent about a record', 'record', silent],
    ['sends a record drop by drop', 'record', trickle],
    ['has no such configuration', 'configuration', (response) => void response.writeHead(404).end()],
    ['shows what is no JSON', 'configuration', (response) => void response.end('{')],
    [
      'shows an older one',
      'configuration',
      (response) => {
        const { configuration } = road.consumer.running.exchange;
        const held = configuration.bundle(configuration.current().reference.digest);
        response.end(JSON.stringify({ type: 'configuration', ...held }));
      },
    ],
    [
      'names records of another root',
      'configuration',
      bundle((shown) => ({ ...shown, records: [digestOf(Buffer.from(otherRecord))] })),
    ],
    [
      'leaves the witnesses out',
      'configuration',
      bundle((shown) => ({
        ...shown,
        proof: String(shown['proof']).split('\n').slice(0, -2).join('\n') + '\n',
      })),
    ],
    ['signs it itself', 'configuration', bundle((shown) => ({ ...shown, delegations: [] }))],
    ['never ends a configuration', 'configuration', endless],
    ['is silent about a configuration', 'configuration', silent],
    ['sends a configuration drop by drop', 'configuration', trickle],
  ])('and %s brings nothing, and costs no more than two seconds', async (_what, what, lie) => {
    const { consumer } = road;
    const before = { seq: seqOf(consumer), records: recordsOf(consumer) };
    lieAbout(what, lie);
    const began = Date.now();
    expect(await call(road)).toMatchObject({ status: 200, body: 'secret' });
    expect(Date.now() - began).toBeLessThan(4_000);
    expect(lies).toBe(1);
    expect({ seq: seqOf(consumer), records: recordsOf(consumer) }).toEqual(before);
    expect(alarmsOf(consumer)).not.toContain('configuration_fork');
    // It goes on no longer than it may, and is not asked again at once.
    lieAbout('configuration', (response) => void response.writeHead(404).end());
    expect(await call(road)).toMatchObject({ status: 200 });
    expect(lies).toBe(0);
  });

  test('about a number that we know is refused without alarm, and counted', async () => {
    const { consumer } = road;
    const { reference } = consumer.running.exchange.configuration.current();
    const counted = consumer.running.exchange.configuration.othersNamed;
    lieAbout('configuration', silent);
    hostile.respond = (asked, response) =>
      hostile.write(
        hostile.answer(asked, {
          unsigned: ({ claims }) => (claims['cfg'] = { ...reference, digest: 'A'.repeat(43) }),
        }),
        response,
      );
    expect(await call(road)).toMatchObject({ code: 'answer_invalid' });
    hostile.respond = (asked, response) => hostile.write(hostile.answer(asked), response);
    expect(consumer.running.exchange.configuration.othersNamed).toBe(counted + 1);
    expect(alarmsOf(consumer)).not.toContain('configuration_fork');
  });

  test('and then tells the truth is believed', async () => {
    hostile.outcome = (response, path) => {
      void honest(path).then(
        (text) => response.end(text),
        () => response.writeHead(404).end(),
      );
    };
    expect(await call(road)).toMatchObject({ status: 200 });
    expect(seqOf(road.consumer)).toBe(named.seq);
  });
});

test('two configurations that are both signed are an alarm, refused, and the other one stands in the log', async () => {
  clock = new TestClock();
  federation = await Federation.start({}, HOUR_S, clock);
  try {
    road = await openRoad(federation);
    expect(await call(road)).toMatchObject({ status: 200 });
    // A registry that is restored from a copy publishes its next number twice.
    const folder = join(federation.folder, 'registry');
    await federation.registry.stop();
    cpSync(folder, `${folder}.copy`, { recursive: true });
    const { consumer, provider } = road;
    await consumer.stop();
    await federation.startRegistry();
    federation.member('ONE');
    await federation.registry.registry.publication.changed();
    await provider.running.exchange.configuration.refresh();
    await federation.registry.stop();
    const { reference } = provider.running.exchange.configuration.current();
    const { service } = road;
    rmSync(folder, { recursive: true });
    cpSync(`${folder}.copy`, folder, { recursive: true });
    await provider.stop();
    await federation.startRegistry();
    federation.member('TWO');
    await federation.registry.registry.publication.changed();
    await consumer.start();
    await federation.registry.stop();
    await provider.start();
    const other = consumer.running.exchange.configuration.current().reference;
    expect(other.seq).toBe(reference.seq);
    expect(other.digest).not.toBe(reference.digest);
    const peer = new HostilePeer(consumer, provider, road.client, service.id, clock.now);
    expect(peer.refusal(await peer.send(peer.message()))).toMatchObject({ code: 'configuration_fork' });
    expect(alarmsOf(provider)).toContain('configuration_fork');
    expect(seqOf(provider)).toBe(reference.seq);
    expect(await kept(provider, other.digest)).toBe(true);
  } finally {
    await federation.stop();
  }
}, 60_000);

async function kept({ running }: TestServer, digest: string): Promise<boolean> {
  const { log } = running.exchange;
  for (let index = 0; index < log.counts().lane; index++) {
    const entry = JSON.parse((await log.entry(log.lane, index)).toString()) as LogEntry;
    if (entry.type === 'material' && entry.digest === digest) return true;
  }
  return false;
}

function alarmsOf(server: TestServer): unknown[] {
  return server.events.filter(({ event }) => event === 'alarm').map(({ code }) => code);
}
