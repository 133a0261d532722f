// Rights travel to the servers of their consumers, whatever is down meanwhile, and are entered there once; whoever is not
// the provider's server, or shows another right than was signed, is refused.
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { RefusalRate } from '@onceway/security-server/exchange/refusal-rate';
import { signStatement } from '@onceway/security-server/keys/statement';
import { rightClaims, readRight } from '@onceway/security-server/services/access-right';
import {
  digestOf,
  memberOf,
  subsystemOf,
  uuidV7,
  type Digest,
  type LogEntry,
  type RightClaims,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { randomBytes } from 'node:crypto';
import { call, openRoad, until, type Road } from './fault-road.js';
import { Federation, TestClock, type TestServer } from './federation.js';
import { HostilePeer, identityOf, stranger, type Reply } from './hostile-peer.js';

let federation: Federation;
let road: Road;
let third: TestServer;
let bystander: SubsystemId;
const clock = new TestClock();

beforeAll(async () => {
  federation = await Federation.start({}, 3_600, clock);
  road = await openRoad(federation);
  third = await federation.server(federation.member('THIRD'), 'SS3');
  bystander = await federation.client(third, 'CLIENT');
  await everybodyRefreshes();
}, 30_000);
afterAll(() => federation.stop());

async function everybodyRefreshes(): Promise<void> {
  await federation.registry.registry.publication.changed();
  for (const { running } of [road.consumer, road.provider, third])
    await running.exchange.configuration.refresh();
}

/** Digests of the rights in a server's log, each as often as it stands there. */
async function rightsOf({ running }: TestServer): Promise<Digest[]> {
  const { log } = running.exchange;
  const digests: Digest[] = [];
  for (let index = 0; index < log.counts().server; index++) {
    const entry = JSON.parse((await log.entry(log.server, index)).toString()) as LogEntry;
    if (entry.type === 'right') digests.push(digestOf(Buffer.from(entry.right)));
  }
  return digests;
}

const revisionsOf = (id: string): Digest[] =>
  road.provider.running.services.history(id).map(({ digest }) => digest);
const grant = (
  subject: Parameters<typeof road.provider.running.services.grant>[0]['subject'],
  until?: number,
) =>
  road.provider.running.services.grant(
    { service: road.service.id, subject, reason: 'Decree 1', ...(until === undefined ? {} : { until }) },
    'test',
  );
const revoke = (id: string): Promise<void> => road.provider.running.services.revoke(id, 'over', 'test');
const has = async (server: TestServer, digests: readonly Digest[]): Promise<boolean> => {
  const held = await rightsOf(server);
  return digests.every((digest) => held.includes(digest));
};

describe('a right', () => {
  test('that is granted, changed and revoked is entered on both sides, in that order, each revision once', async () => {
    const subject = { client: bystander };
    const { id } = await grant(subject);
    await until('it is there', () => has(third, revisionsOf(id)));
    await grant(subject, Math.floor(clock.now() / 1000) + 1_000);
    await revoke(id);
    const revisions = revisionsOf(id);
    expect(revisions).toHaveLength(3);
    await until('all are there', () => has(third, revisions));
    expect((await rightsOf(third)).filter((digest) => revisions.includes(digest))).toEqual(revisions);
    expect((await rightsOf(road.provider)).filter((digest) => revisions.includes(digest))).toEqual(revisions);
    // Nobody else is told.
    expect((await rightsOf(road.consumer)).filter((digest) => revisions.includes(digest))).toEqual([]);
    const { running } = road.provider;
    await until('it is known', () => running.services.deliveries.of(revisions[2] as Digest).length > 0);
    for (const digest of revisions)
      expect(running.services.deliveries.of(digest)).toMatchObject([{ server: third.id, outcome: 'taken' }]);
    const held = await third.running.exchange.rights.list(third.running.exchange.log);
    expect(held.find(({ claims }) => claims.id === id)?.claims).toMatchObject({ rev: 3, state: 'revoked' });
  });

  test('reaches a server that was down, also when the provider was restarted meanwhile', async () => {
    await third.stop();
    const { id } = await grant({ client: bystander });
    await until('it was tried', () =>
      road.provider.events.some(({ event, what }) => event === 'failed_beside' && what === 'push-rights'),
    );
    await road.provider.restart();
    await third.start();
    await until('it is there', () => has(third, revisionsOf(id)), 20_000);
    expect((await rightsOf(third)).filter((digest) => revisionsOf(id).includes(digest))).toHaveLength(1);
    await third.restart();
    await road.provider.restart();
    await road.provider.running.exchange.configuration.refresh();
    await revoke(id);
    await until('the end is there', () => has(third, revisionsOf(id)), 20_000);
    expect((await rightsOf(third)).filter((digest) => revisionsOf(id).includes(digest))).toHaveLength(2);
  }, 60_000);

  test('of a global group goes to each who is in it, and to who joins it later, as it is then', async () => {
    const { groups } = federation.registry.registry;
    groups.put('friends', { en: 'Friends', vi: 'Bạn' }, [road.client]);
    await everybodyRefreshes();
    const { id } = await grant({ group: 'friends' });
    await until('it is there', () => has(road.consumer, revisionsOf(id)));
    expect(await has(third, revisionsOf(id))).toBe(false);
    await grant({ group: 'friends' }, Math.floor(clock.now() / 1000) + 1_000);
    groups.put('friends', { en: 'Friends', vi: 'Bạn' }, [road.client, bystander]);
    await everybodyRefreshes();
    const [first, second] = revisionsOf(id) as [Digest, Digest];
    await until('who joined has it', () => has(third, [second]), 20_000);
    expect(await has(third, [first])).toBe(false);
    await until('who was in has both', () => has(road.consumer, [first, second]));
    await revoke(id);
  }, 60_000);

  test('of a local group goes to each who is in it, lets them call, and shows itself to them only', async () => {
    const { services, exchange } = road.provider.running;
    const provider = subsystemOf(road.service.id);
    services.localGroups.put(provider, 'mine', { en: 'Mine', vi: 'Của tôi' });
    const theirs = { ...road, consumer: third, client: bystander };
    const { id, digest } = await grant({ localGroup: 'mine' });
    expect(await call(theirs)).toMatchObject({ code: 'access_denied' });
    const peer = new HostilePeer(third, road.provider, bystander, road.service.id);
    expect(await peer.get(`/credentials/${digest}`)).toMatchObject({ status: 404 });
    services.localGroups.addMember(provider, 'mine', bystander);
    await exchange.configuration.refresh();
    await road.provider.restart(); // begins a round of its own
    await until('it is there', () => has(third, revisionsOf(id)), 20_000);
    expect(await call(theirs)).toMatchObject({ status: 200 });
    expect(await peer.get(`/credentials/${digest}`)).toMatchObject({ status: 200 });
    road.provider.running.services.localGroups.removeMember(provider, 'mine', bystander);
    expect(await call(theirs)).toMatchObject({ code: 'access_denied' });
  }, 60_000);

  test('that an answer names and that was not pushed is fetched and entered, once', async () => {
    Object.assign(third.running.exchange, { pushes: { allow: () => false } });
    const { id } = await grant({ client: bystander });
    const theirs = { ...road, consumer: third, client: bystander };
    expect(await call(theirs)).toMatchObject({ status: 200 });
    await until('it is there', () => has(third, revisionsOf(id)));
    expect(await call(theirs)).toMatchObject({ status: 200 });
    await third.restart();
    expect(await call(theirs)).toMatchObject({ status: 200 });
    await until(
      'it is pushed',
      () =>
        road.provider.running.services.deliveries
          .of(revisionsOf(id)[0] as Digest)
          .some(({ outcome }) => outcome === 'taken'),
      20_000,
    );
    expect((await rightsOf(third)).filter((digest) => revisionsOf(id).includes(digest))).toHaveLength(1);
  }, 60_000);

  test('that an answer names and nobody shows is told to the operator', async () => {
    const { exchange } = road.consumer.running;
    const right = exchange.sources.right.bind(exchange.sources);
    const once = exchange.rights.once.bind(exchange.rights);
    exchange.rights.once = (_digest, _log, fetch) => fetch();
    exchange.sources.right = (server, trust) => right(server, trust, 'A'.repeat(43) as Digest);
    expect(await call(road)).toMatchObject({ status: 200 });
    await until('it is told', () =>
      road.consumer.events.some(
        ({ event, what, peer }) => event === 'failed_beside' && what === 'right' && peer === road.provider.id,
      ),
    );
    Object.assign(exchange.rights, { once });
    Object.assign(exchange.sources, { right });
  });
});

describe('a right that can not be taken', () => {
  let one: SubsystemId;
  let another: SubsystemId;
  beforeAll(async () => {
    one = await federation.client(third, 'ONE');
    another = await federation.client(third, 'ANOTHER');
    await everybodyRefreshes();
  }, 30_000);

  test('keeps no other from the same server, and is told of once', async () => {
    const { exchange, services } = road.provider.running;
    const told: unknown[] = [];
    const { failed } = exchange;
    Object.assign(exchange, {
      failed: (...[what, error, about]: Parameters<typeof failed>) => {
        told.push(about?.['right']);
        failed(what, error, about);
      },
    });
    const { pushes } = third.running.exchange;
    Object.assign(third.running.exchange, { pushes: { allow: () => false } });
    const { id, digest } = await grant({ client: one });
    await until('it was tried', () => told.length > 0);
    // A later revision of it is held there, as after a provider's server was restored from an old copy.
    Object.assign(third.running.exchange, { pushes });
    const [{ claims }] = services.history(id) as [ReturnType<typeof readRight>];
    const key = road.provider.running.exchange.token.signingKey(memberOf(road.provider.id));
    const later = await signStatement(
      'right+jws',
      { ...claims, rev: 9, prev: digest, state: 'changed' },
      key,
      clock.now(),
    );
    const peer = new HostilePeer(road.provider, third, bystander, road.service.id);
    expect(
      await peer.ask({ method: 'POST', path: '/rights' }, Buffer.from(later), identityOf(road.provider)),
    ).toMatchObject({ status: 204 });
    told.length = 0;
    const next = await grant({ client: one }, Math.floor(clock.now() / 1000) + 500);
    const other = await grant({ client: another });
    await until('another is there', () => has(third, [other.digest]), 20_000);
    const again = await grant({ client: another }, Math.floor(clock.now() / 1000) + 500);
    await until('its next is there', () => has(third, [again.digest]), 20_000);
    expect(await has(third, [next.digest])).toBe(false);
    expect(told.filter((right) => right === next.digest)).toHaveLength(1);
    // Whether the server or the right is waited for: nobody asks in a circle.
    const rounds = jest.spyOn(services.deliveries, 'undelivered');
    await third.stop();
    const last = await grant({ client: another }, Math.floor(clock.now() / 1000) + 600);
    told.length = 0;
    await until('it was tried again', () => told.length > 2, 20_000);
    expect(rounds.mock.calls.length).toBeLessThan(20);
    rounds.mockRestore();
    await third.start();
    await until('it is there, too', () => has(third, [last.digest]), 20_000);
    Object.assign(exchange, { failed });
  }, 60_000);

  test('since nobody lists its certificate any more is shown to nobody, and settled', async () => {
    const { configuration } = road.provider.running.exchange;
    const trust = configuration.current();
    Object.assign(trust, { signingListing: () => undefined });
    const { digest } = await grant({ client: another }, Math.floor(clock.now() / 1000) + 700);
    const { deliveries } = road.provider.running.services;
    await until('it is settled', () => deliveries.of(digest).length > 0, 20_000);
    Reflect.deleteProperty(trust, 'signingListing');
    expect(deliveries.of(digest)).toMatchObject([{ server: third.id, outcome: 'signer_not_listed' }]);
    expect(await has(third, [digest])).toBe(false);
  }, 30_000);
});

describe('a pushed right is refused', () => {
  let peer: HostilePeer;
  /** A right of the provider's for the consumer's client, as it would be taken. */
  let claims: RightClaims;

  beforeAll(() => {
    const { consumer, provider, client, service } = road;
    peer = new HostilePeer(provider, consumer, client, service.id);
    let second = 0;
    Object.assign(consumer.running.exchange, { pushes: new RefusalRate(() => 1_000 * second++, 10) });
  });

  function fresh(change: Partial<RightClaims> = {}): RightClaims {
    const { service, client } = road;
    const nowS = Math.floor(clock.now() / 1000);
    const id = uuidV7(clock.now(), randomBytes(10));
    const grant = { service: service.id, subject: { client }, reason: 'Decree 2' };
    claims = { ...rightClaims(id, 'granted', grant, undefined, { nowS, decidedBy: '2026-Q1.x' }), ...change };
    return claims;
  }
  const sign = (
    of: object,
    by: TestServer = road.provider,
    typ: 'right+jws' | 'description+jws' = 'right+jws',
  ) => signStatement(typ, of, by.running.exchange.token.signingKey(memberOf(by.id)), clock.now());
  const post = (signed: string, as = identityOf(road.provider)): Promise<Reply> =>
    peer.ask({ method: 'POST', path: '/rights' }, Buffer.from(signed), as);
  async function expectRefused(reply: Reply, status: number, code: string): Promise<void> {
    expect({ status: reply.status, ...(JSON.parse(reply.body.toString()) as object) }).toMatchObject({
      status,
      code,
    });
    const held = await road.consumer.running.exchange.rights.list(road.consumer.running.exchange.log);
    expect(held.map((each) => each.claims.id)).not.toContain(claims.id);
  }

  test('not when it is as it should be, and again it is entered once', async () => {
    const signed = await sign(fresh());
    expect(await post(signed)).toMatchObject({ status: 204 });
    expect(await post(signed)).toMatchObject({ status: 204 });
    const digest = digestOf(Buffer.from(signed));
    expect((await rightsOf(road.consumer)).filter((each) => each === digest)).toHaveLength(1);
    // Both at once, too.
    const other = await sign(fresh());
    expect((await Promise.all([post(other), post(other)])).map(({ status }) => status)).toEqual([204, 204]);
    const held = digestOf(Buffer.from(other));
    expect((await rightsOf(road.consumer)).filter((each) => each === held)).toHaveLength(1);
  });

  test('from a stranger', async () => {
    await expectRefused(await post(await sign(fresh()), stranger()), 403, 'peer_not_authenticated');
  });

  test('from a server that does not host the provider, though the provider signed it', async () => {
    await expectRefused(await post(await sign(fresh()), identityOf(third)), 403, 'signer_not_listed');
  });

  test('signed by another member than the provider’s', async () => {
    await expectRefused(await post(await sign(fresh(), third)), 403, 'signer_not_listed');
  });

  test.each<[string, () => Partial<RightClaims>]>([
    ['a client on another server', () => ({ consumer: { client: bystander } })],
    ['nobody', () => ({ consumer: { client: `${road.client}-X` as SubsystemId } })],
    ['a group without a client here', () => ({ consumer: { group: 'strangers' } })],
  ])('for %s', async (_who, change) => {
    await expectRefused(await post(await sign(fresh(change()))), 404, 'client_unknown');
  });

  test('when it is altered', async () => {
    const signed = await sign(fresh());
    const [header, , signature] = signed.split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, endpoints: [], reason: 'Decree 3' }));
    await expectRefused(
      await post(`${header}.${payload.toString('base64url')}.${signature}`),
      400,
      'signature_invalid',
    );
  });

  test.each<[string, () => Promise<string> | string, number, string]>([
    ['is no JWS', () => 'x', 400, 'envelope_invalid'],
    ['is empty', () => '', 400, 'envelope_invalid'],
    [
      'was signed as something else',
      () => sign(fresh(), road.provider, 'description+jws'),
      400,
      'envelope_invalid',
    ],
    ['lacks a claim', () => sign({ ...fresh(), state: undefined }), 400, 'request_invalid'],
    ['has a claim more', () => sign({ ...fresh(), more: 1 }), 400, 'request_invalid'],
    [
      'is too large',
      () => sign(fresh({ reason: 'x'.repeat(2_000), ext: { x: 'x'.repeat(24 * 1024) } })),
      413,
      'body_too_large',
    ],
  ])('when it %s', async (_what, signed, status, code) => {
    fresh();
    await expectRefused(await post(await signed()), status, code);
  });

  test('when it is older than the one held, or does not go on from it', async () => {
    const first = fresh();
    const signed = await sign(first);
    const prev = digestOf(Buffer.from(signed));
    const next = { ...first, rev: 2, prev, state: 'changed' } as const;
    const other = { ...next, prev: digestOf(Buffer.from('another')) };
    expect(await post(signed)).toMatchObject({ status: 204 });
    const conflict = async (of: object): Promise<void> => {
      const reply = await post(await sign(of));
      expect(JSON.parse(reply.body.toString())).toMatchObject({ status: 409, code: 'conflict' });
    };
    await conflict(other);
    await conflict({ ...first, reason: 'another first one' });
    const second = await sign(next);
    expect(await post(second)).toMatchObject({ status: 204 });
    await conflict({ ...next, reason: 'another second one' });
    // The older one is held: shown again it is no news.
    expect(await post(signed)).toMatchObject({ status: 204 });
    const held = await road.consumer.running.exchange.rights.list(road.consumer.running.exchange.log);
    expect(held.find((each) => each.claims.id === first.id)).toMatchObject({
      digest: readRight(second).digest,
    });
  });

  test('when there are too many of one peer', async () => {
    Object.assign(road.consumer.running.exchange, { pushes: new RefusalRate(() => 0, 10) });
    for (let n = 0; n < 10; n++) expect(await post(await sign(fresh()))).toMatchObject({ status: 204 });
    const reply = await post(await sign(fresh()));
    await expectRefused(reply, 503, 'busy');
    expect(reply.headers['retry-after']).toBe('1');
  });
});
