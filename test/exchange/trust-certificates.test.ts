import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { memberOf } from '@onceway/sdk/protocol';
import { TcpProxy } from './fault-proxy.js';
import { call, heldByBoth, openRoad, refused, until, type Road } from './fault-road.js';
import { Federation, freePort, TestClock, type TestServer } from './federation.js';
import { blind, replaceCertificate, revoke, type Wrong } from './trust-certificate.js';

const DAY_MS = 86_400_000;
const YEAR_MS = 365 * DAY_MS;
const FRESHNESS_MS = 60_000;

let road: Road;
let federation: Federation;
let proxy: TcpProxy;
/** Of both servers; the registry has its own, so that its authority can be made to issue out of time. */
const clock = new TestClock();

beforeAll(async () => {
  // An authority that is older than the certificates it shall have issued.
  const registry = new TestClock();
  registry.offsetMs = -2.5 * YEAR_MS;
  federation = await Federation.start({ ocspFreshnessMs: FRESHNESS_MS }, 7200, registry);
  registry.offsetMs = 0;
  await federation.registry.registry.publication.changed();
  const [publicPort, peerPort] = [await freePort(), await freePort()];
  proxy = await new TcpProxy(publicPort, peerPort).listen();
  road = await openRoad(federation, { consumer: { clock }, provider: { clock, publicPort, peerPort } });
}, 30_000);
afterAll(async () => {
  await federation.stop();
  proxy.close();
});
beforeEach(() => {
  road.service.calls.length = 0;
  road.provider.events.length = 0;
});

/** All have what the registry has published. */
async function pushed(): Promise<void> {
  const seq = (): number | undefined => federation.registry.registry.publication.current()?.seq;
  await until('both have the newest configuration', () =>
    [road.consumer, road.provider].every(
      ({ running }) => running.exchange.configuration.latest()?.reference.seq === seq(),
    ),
  );
}

/** Of one server, beside another. */
const WRONG: readonly (readonly [string, (other: TestServer) => Wrong, string])[] = [
  ['expired', () => ({ shiftMs: -2.4 * YEAR_MS }), 'certificate_invalid'],
  ['not yet valid', () => ({ shiftMs: DAY_MS }), 'certificate_invalid'],
  ['of the wrong purpose', () => ({ profile: 'authentication' }), 'certificate_invalid'],
  ['of another member', (other) => ({ listed: { member: memberOf(other.id) } }), 'signer_not_listed'],
  ['listed for another server', (other) => ({ listed: { server: other.id } }), 'signer_not_listed'],
  ['listed nowhere', () => ({ listed: null }), 'signer_not_listed'],
];

describe('a signing certificate', () => {
  test.each(WRONG)('that is %s does not sign a request', async (_, wrong, code) => {
    const replaced = await replaceCertificate(federation, road.consumer, 'signing', wrong(road.provider));
    const see = blind(road.consumer, replaced);
    await pushed();
    const called = await call(road);
    see();
    replaced.restore();
    expect(called).toMatchObject({ status: 502, code: 'peer_refused' });
    expect(refused(road.provider)).toEqual([code]);
    expect(road.service.calls).toHaveLength(0);
    // What was refused unsigned leaves no entry with the provider.
    expect(await heldByBoth(road, called.id)).toEqual({
      consumer: { answer: 'none', outcome: 'unknown' },
      provider: undefined,
    });
  });

  test.each(WRONG)('that is %s does not sign an answer', async (_, wrong) => {
    const replaced = await replaceCertificate(federation, road.provider, 'signing', wrong(road.consumer));
    const see = blind(road.provider, replaced);
    await pushed();
    const called = await call(road);
    see();
    replaced.restore();
    expect(called).toMatchObject({ status: 502, code: 'answer_invalid', hop: 'consumer-server' });
    expect(road.service.calls).toHaveLength(1);
    expect(await heldByBoth(road, called.id)).toEqual({
      consumer: { answer: 'none', outcome: 'unknown' },
      provider: { answer: 'message' },
    });
  });

  test('that is expired is not even used by its own server', async () => {
    const replaced = await replaceCertificate(federation, road.consumer, 'signing', {
      shiftMs: -2.4 * YEAR_MS,
    });
    await pushed();
    expect(await call(road)).toMatchObject({ code: 'certificate_invalid', hop: 'consumer-server' });
    replaced.restore();
    expect(refused(road.provider)).toEqual([]);
  });

  test('that was revoked before anybody saw it is refused by both', async () => {
    const replaced = await replaceCertificate(federation, road.consumer, 'signing');
    revoke(federation, replaced.digest);
    await pushed();
    expect(await call(road)).toMatchObject({
      status: 403,
      code: 'certificate_revoked',
      hop: 'consumer-server',
    });
    const see = blind(road.consumer, replaced);
    expect(await call(road)).toMatchObject({ status: 502, code: 'peer_refused' });
    expect(refused(road.provider)).toEqual(['certificate_revoked']);
    see();
    replaced.restore();
    expect(road.service.calls).toHaveLength(0);
  });

  test('that is revoked while it is used is refused once its status is no longer fresh', async () => {
    const replaced = await replaceCertificate(federation, road.consumer, 'signing');
    const see = blind(road.consumer, replaced);
    await pushed();
    expect(await call(road)).toMatchObject({ status: 200 });
    revoke(federation, replaced.digest);
    // Never back again: an OCSP answer of then would be one from the future.
    clock.offsetMs += FRESHNESS_MS + 1;
    federation.clock.offsetMs += FRESHNESS_MS + 1;
    expect(await call(road)).toMatchObject({ status: 502, code: 'peer_refused' });
    expect(refused(road.provider)).toEqual(['certificate_revoked']);
    see();
    replaced.restore();
    expect(road.service.calls).toHaveLength(1);
  });

  test('that the registry takes off its list is refused within seconds', async () => {
    const replaced = await replaceCertificate(federation, road.consumer, 'signing');
    await pushed();
    expect(await call(road)).toMatchObject({ status: 200 });
    federation.registry.registry.servers.removeCertificate(replaced.digest, 'for the test');
    void federation.registry.registry.publication.changed();
    await until(
      'the provider knows',
      () =>
        road.provider.running.exchange.configuration
          .latest()
          ?.server(road.consumer.id)
          ?.signing.every(({ certificate }) => certificate !== replaced.digest),
      3_000,
    );
    expect(await call(road)).toMatchObject({ code: 'peer_refused' });
    expect(refused(road.provider)).toEqual(['signer_not_listed']);
    replaced.restore();
    expect(await call(road)).toMatchObject({ status: 200 });
  });
});

describe('an authentication certificate', () => {
  test.each([
    ['expired', () => ({ shiftMs: -2.4 * YEAR_MS })],
    ['not yet valid', () => ({ shiftMs: DAY_MS })],
    ['of the wrong purpose', () => ({ profile: 'signing' as const })],
    ['listed for another server', () => ({ listed: { server: road.consumer.id } })],
    ['listed nowhere', () => ({ listed: null })],
  ])('of a provider that is %s carries no message', async (_, wrong) => {
    const replaced = await replaceCertificate(federation, road.provider, 'authentication', wrong());
    await road.provider.restart();
    await pushed();
    const called = await call(road);
    replaced.restore();
    await road.provider.restart();
    expect(called).toMatchObject({
      status: 403,
      code: 'peer_not_authenticated',
      hop: 'consumer-server',
    });
    expect(called.headers['exchange-id']).toBeUndefined();
    expect(road.service.calls).toHaveLength(0);
    expect(await call(road)).toMatchObject({ status: 200 });
  });

  test.each([
    ['expired', () => ({ shiftMs: -2.4 * YEAR_MS }), 'peer_refused', 'peer_not_authenticated'],
    // The provider believes it to be its own, and has none like it to show.
    [
      'listed for another server',
      () => ({ listed: { server: road.provider.id } }),
      'peer_refused',
      'certificate_status_unknown',
    ],
    // The provider tells it nothing of its own certificate either.
    ['listed nowhere', () => ({ listed: null }), 'certificate_status_unknown', 'peer_not_authenticated'],
  ] as const)('of a consumer that is %s carries no message', async (_, wrong, told, code) => {
    const replaced = await replaceCertificate(federation, road.consumer, 'authentication', wrong());
    await road.consumer.restart();
    await pushed();
    const called = await call(road);
    const codes = refused(road.provider);
    replaced.restore();
    await road.consumer.restart();
    expect(called.code).toBe(told);
    expect(codes).toContain(code);
    expect(road.service.calls).toHaveLength(0);
    expect(await call(road)).toMatchObject({ status: 200 });
  });
});

describe('a server that is suspended', () => {
  test('as provider gets no message, its idle connections are closed, and it is back when lifted', async () => {
    expect(await call(road)).toMatchObject({ status: 200 });
    const { servers, publication } = federation.registry.registry;
    servers.suspend(road.provider.id, 'for the test');
    await publication.changed();
    await pushed();
    await until('the idle connections are closed', () => proxy.connections === 0);
    expect(await call(road)).toMatchObject({ status: 404, code: 'provider_unknown' });
    servers.lift(road.provider.id);
    await publication.changed();
    await pushed();
    expect(await call(road)).toMatchObject({ status: 200 });
    expect(road.service.calls).toHaveLength(2);
  });

  test.each(['server', 'member'] as const)(
    'as consumer that will not know (%s) is refused on the connection it had and on a resumed one',
    async (which) => {
      expect(await call(road)).toMatchObject({ status: 200 });
      const { configuration } = road.consumer.running.exchange;
      const { servers, members, publication } = federation.registry.registry;
      const view = configuration.current();
      configuration.current = () => view;
      const member = memberOf(road.consumer.id);
      if (which === 'server') servers.suspend(road.consumer.id, 'for the test');
      else members.suspend(member, 'for the test');
      await publication.changed();
      await pushed();
      await until('the idle connections are closed', () => proxy.connections === 0);
      for (let message = 1; message <= 2; message++) {
        expect(await call(road)).toMatchObject({ status: 502, code: 'peer_refused' });
        expect(refused(road.provider)).toHaveLength(message);
      }
      expect(new Set(refused(road.provider))).toEqual(new Set(['peer_not_authenticated']));
      if (which === 'server') servers.lift(road.consumer.id);
      else members.lift(member);
      await publication.changed();
      await pushed();
      expect(await call(road)).toMatchObject({ status: 200 });
      expect(road.service.calls).toHaveLength(2);
      Reflect.deleteProperty(configuration, 'current');
    },
  );

  test('as member gets no message, and is back when lifted', async () => {
    const { members, publication } = federation.registry.registry;
    members.suspend(memberOf(road.provider.id), 'for the test');
    await publication.changed();
    await pushed();
    expect(await call(road)).toMatchObject({ status: 404, code: 'provider_unknown' });
    members.lift(memberOf(road.provider.id));
    await publication.changed();
    await pushed();
    expect(await call(road)).toMatchObject({ status: 200 });
  });

  test('as member asks nothing', async () => {
    const { members, publication } = federation.registry.registry;
    members.suspend(memberOf(road.consumer.id), 'for the test');
    await publication.changed();
    await pushed();
    expect(await call(road)).toMatchObject({ status: 403, code: 'client_suspended' });
    members.lift(memberOf(road.consumer.id));
    await publication.changed();
    await pushed();
    expect(refused(road.provider)).toEqual([]);
  });
});
