// What those who are not listed may take, see and leave behind at the peer listener.
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createPeerInterface } from '@onceway/security-server/http/peer-interface';
import { OncewayError, type ErrorCode } from '@onceway/sdk/protocol';
import { openRoad, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import { HostilePeer, identityOf, stranger, type Identity } from './hostile-peer.js';
import { connection, ended, listenOn, ownCredential } from './listener.js';

let road: Road;
let peer: HostilePeer;

beforeAll(async () => {
  road = await openRoad(await Federation.start(), { provider: { limits: { refusalReportsMs: 60_000 } } });
  peer = new HostilePeer(road.consumer, road.provider, road.client, road.service.id);
}, 30_000);
afterAll(() => road.federation.stop());

test.each<ErrorCode>(['configuration_expired', 'configuration_missing', 'witness_overdue', 'busy'])(
  'are told of %s only that they are not listed',
  async (code) => {
    const { configuration } = road.provider.running.exchange;
    const current = jest.spyOn(configuration, 'current').mockImplementation(() => {
      throw new OncewayError(code, 'for the test', { retrySeconds: 1 });
    });
    const shown = async (identity: Partial<Identity>): Promise<unknown> => {
      const reply = await peer.send(peer.message(), identity);
      const { shown } = peer.unsigned(reply);
      return [reply.status, shown, reply.headers['retry-after']];
    };
    const unlisted = [await shown({}), await shown(stranger())];
    const listed = await shown(identityOf(road.consumer));
    current.mockRestore();
    expect(unlisted).toEqual(Array(2).fill([403, 'peer_not_authenticated', undefined]));
    if (code === 'configuration_expired' || code === 'busy') expect(listed).toEqual([503, code, '1']);
  },
);

test('learn of no address', async () => {
  for (const identity of [{}, stranger()])
    for (const path of ['/', '/exchange', ownCredential(road.provider)])
      expect(peer.unsigned(await peer.get(path, identity))).toMatchObject({
        status: 403,
        shown: 'peer_not_authenticated',
      });
});

test('have connections of their own, and peers theirs', async () => {
  const listening = await listenOn(
    createPeerInterface({
      exchange: road.provider.running.exchange,
      identity: identityOf(road.provider),
      concurrentMax: 4,
      connectionsOfOneMax: 2,
      refused: () => undefined,
    }),
  );
  const { port } = listening;
  const other = stranger();
  const first = await connection(port, {});
  await connection(port, other);
  await ended(await connection(port, {}));
  await ended(await connection(port, other));
  const ask = (): Promise<unknown> =>
    peer.ask({ port, path: ownCredential(road.provider) }, null, identityOf(road.consumer));
  expect(await ask()).toMatchObject({ status: 200 });
  for (let i = 0; i < 2; i++) await connection(port, identityOf(road.consumer));
  await expect(ask()).rejects.toThrow();
  // What one gives back is free again.
  const left = ended(first);
  first.end();
  await left;
  const again = await connection(port, {});
  const answered = new Promise((resolve) => again.once('data', resolve));
  again.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(String(await answered)).toMatch(/^HTTP\/1\.1 403 /);
  await listening.stop();
});

test('and their refusals leave one line a minute in the operator’s log, as those of each peer', async () => {
  const { provider, consumer, federation } = road;
  federation.clock.offsetMs += 60_000;
  provider.events.length = 0;
  const lines = (): unknown[] =>
    provider.events
      .filter(({ event }) => event === 'refused')
      .map(({ code, peer: of, unreported }) => [code, of, unreported]);
  const other = stranger();
  for (const identity of [{}, other, {}, other, {}]) await peer.get('/', identity);
  for (let i = 0; i < 3; i++) await peer.get('/nothing');
  await peer.get('/exchange/x');
  const first = [
    ['peer_not_authenticated', undefined, expect.any(Number)],
    ['not_found', consumer.id, 0],
    [expect.any(String), consumer.id, 0],
  ];
  expect(lines()).toEqual(first);
  federation.clock.offsetMs += 60_000;
  for (let i = 0; i < 2; i++) await peer.get('/', {});
  expect(lines()).toEqual([...first, ['peer_not_authenticated', undefined, 4]]);
});
