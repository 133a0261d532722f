import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '@onceway/schemas';
import { ConfigurationClient, ConfigurationStore } from '../../src/configuration/index.js';
import { digestOf, type ConfigurationBundle } from '../../src/protocol/index.js';
import { MerkleTree } from '../../src/verify/index.js';
import { NOW_MS, Publisher, type Publish } from './publisher.js';

let folder: string;
let publisher: Publisher;
let nowMs: number;
let alarms: string[];
let changes: number;

function open(): ConfigurationClient {
  return new ConfigurationClient({
    anchor: publisher.anchor,
    store: new ConfigurationStore(folder),
    source: publisher,
    clock: () => nowMs,
    alarm: ({ code }) => alarms.push(code),
    changed: () => changes++,
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onceway-'));
  publisher = new Publisher();
  nowMs = NOW_MS;
  alarms = [];
  changes = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const seqOf = (client: ConfigurationClient): number => client.current().reference.seq;

describe('a configuration', () => {
  test('is taken, told, and decided by', async () => {
    publisher.publish();
    const client = open();
    expect(() => client.current()).toThrow(expect.objectContaining({ code: 'configuration_missing' }));
    expect(await client.refresh()).toBe(true);
    expect(seqOf(client)).toBe(1);
    expect(await client.refresh()).toBe(false);
    publisher.publish();
    expect(await client.refresh()).toBe(true);
    expect(seqOf(client)).toBe(2);
    expect(changes).toBe(2);
    expect(alarms).toEqual([]);
  });

  test('that is expired is decided by no more, and a later one resumes', async () => {
    publisher.publish({ lifetimeS: 60 });
    const client = open();
    await client.refresh();
    nowMs += 60_000;
    expect(() => client.current()).toThrow(expect.objectContaining({ code: 'configuration_expired' }));
    expect(client.latest()?.reference.seq).toBe(1);
    publisher.publish({ issuedS: nowMs / 1000 });
    await client.refresh();
    expect(seqOf(client)).toBe(2);
  });

  const refused: readonly (readonly [string, string, () => ConfigurationBundle])[] = [
    ['expired already', 'configuration_expired', () => publisher.publish({ lifetimeS: -1 })],
    [
      'signed by a key without delegation',
      'configuration_invalid',
      () => publisher.publish({ signedBy: generateKeyPairSync('ed25519').privateKey }),
    ],
    [
      'whose signature is altered',
      'configuration_invalid',
      () => {
        const bundle = publisher.publish();
        const [header = '', payload = '', signature = ''] = (bundle.head[0] ?? '').split('.');
        const other = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
        return { ...bundle, head: [`${header}.${payload}.${other}`] };
      },
    ],
    ['of another instance', 'configuration_invalid', () => publisher.publish({ instance: 'OTHER' })],
    ['without delegation', 'configuration_invalid', () => ({ ...publisher.publish(), delegations: [] })],
    [
      'delegated by other roots',
      'configuration_invalid',
      () => ({ ...publisher.publish(), delegations: new Publisher().delegations }),
    ],
    [
      'with a record more',
      'configuration_invalid',
      () => {
        const bundle = publisher.publish();
        return { ...bundle, records: [...bundle.records, 'A'.repeat(43) as Digest] };
      },
    ],
    [
      'with other records',
      'configuration_invalid',
      () => {
        const { records } = publisher.publish();
        return { ...publisher.publish({ seq: 2 }), records };
      },
    ],
    [
      'with the log entry of another head',
      'configuration_invalid',
      () => {
        const { entry } = publisher.publish();
        return { ...publisher.publish(), entry };
      },
    ],
    ['without proof', 'configuration_invalid', () => ({ ...publisher.publish(), proof: '' })],
    [
      'proven by another log',
      'configuration_invalid',
      () => ({ ...publisher.publish(), proof: new Publisher().publish().proof }),
    ],
  ];
  test.each(refused)('%s is not taken: %s', async (_, code, make) => {
    const client = open();
    publisher.current = make();
    await expect(client.refresh()).rejects.toMatchObject({ code });
    expect(client.latest()).toBeUndefined();
    expect(readdirSync(folder)).not.toContain('configuration.json');
  });

  test('a record that is not of its digest is not taken', async () => {
    const [digest] = publisher.publish().records;
    publisher.records.set(digest as Digest, Buffer.from('{}'));
    await expect(open().refresh()).rejects.toMatchObject({ code: 'configuration_invalid' });
  });

  test('that is older than the one held is not taken', async () => {
    const first = publisher.publish();
    publisher.publish();
    const client = open();
    await client.refresh();
    publisher.current = first;
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_older' });
    await expect(open().refresh()).rejects.toMatchObject({ code: 'configuration_older' });
    expect(seqOf(client)).toBe(2);
  });
});

describe('a fork', () => {
  test('of two genuine heads with one sequence number is refused with alarm', async () => {
    publisher.publish();
    const client = open();
    await client.refresh();
    publisher.publish({ seq: 1, refreshMs: 7 });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_fork' });
    expect(alarms).toEqual(['configuration_fork']);
    expect(client.current().policy.refreshMs).toBe(1000);
  });

  test('against one that a peer showed is refused when it is published', async () => {
    publisher.publish();
    const client = open();
    await client.refresh();
    const tree = publisher.tree;
    publisher.tree = new MerkleTree();
    const shown = publisher.publish({ seq: 2, refreshMs: 7 });
    publisher.tree = tree;
    client.learn(shown);
    publisher.publish({ seq: 2 });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_fork' });
    expect(alarms).toEqual(['configuration_fork']);
    expect(seqOf(client)).toBe(1);
  });

  test.each([
    ['does not extend', 3],
    ['is shorter than', 1],
  ])('of the registry log, which %s the one last seen, is refused with alarm', async (_, size) => {
    publisher.publish();
    publisher.publish();
    const client = open();
    await client.refresh();
    publisher.tree = new MerkleTree();
    for (let entry = 1; entry < size; entry++) publisher.tree.append(Buffer.alloc(32, entry));
    publisher.publish();
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_fork' });
    expect(alarms).toEqual(['configuration_fork']);
    expect(seqOf(client)).toBe(2);
  });
});

describe('a head with too few witnesses', () => {
  test('is taken with one alarm, until the allowed time is over', async () => {
    publisher.publish({ witnessed: false });
    const client = open();
    await client.refresh();
    await client.refresh();
    expect(alarms).toEqual(['witness_overdue']);
    nowMs += 3_600_000;
    expect(seqOf(client)).toBe(1);
    // Not from a later head on, nor from a restart.
    publisher.publish({ witnessed: false });
    await client.refresh();
    nowMs += 1;
    for (const one of [client, open()])
      expect(() => one.current()).toThrow(expect.objectContaining({ code: 'witness_overdue' }));
  });

  test('is good again when its proof is completed', async () => {
    const bundle = publisher.publish({ witnessed: false });
    const client = open();
    await client.refresh();
    publisher.prove(bundle, 0);
    expect(await client.refresh()).toBe(false);
    expect(client.unwitnessedSinceMs).toBeUndefined();
    nowMs += 3_600_001;
    expect(seqOf(client)).toBe(1);
    expect(changes).toBe(1);
  });
});

describe('on disk', () => {
  test('the last good one outlives a restart without the registry', async () => {
    publisher.publish();
    await open().refresh();
    publisher.isAway = true;
    const client = open();
    expect(seqOf(client)).toBe(1);
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_missing' });
    expect(seqOf(client)).toBe(1);
  });

  test('a kill between the records and configuration.json leaves the one before', async () => {
    publisher.publish();
    await open().refresh();
    publisher.publish();
    const store = new ConfigurationStore(folder);
    store.save = () => {
      throw new Error('killed');
    };
    const client = new ConfigurationClient({
      anchor: publisher.anchor,
      store,
      source: publisher,
      clock: () => nowMs,
    });
    await expect(client.refresh()).rejects.toThrow('killed');
    expect(seqOf(client)).toBe(1);
    expect(readdirSync(join(folder, 'records'))).toHaveLength(2);
    const restarted = open();
    expect(seqOf(restarted)).toBe(1);
    expect(await restarted.refresh()).toBe(true);
    expect(seqOf(restarted)).toBe(2);
  });

  test.each([
    ['lost', (file: string) => rmSync(file)],
    ['altered', (file: string) => writeFileSync(file, '{}')],
    ['torn', (file: string) => truncateSync(file, 10)],
  ])('a record that is %s is fetched again, and nothing older taken for it', async (_, spoil) => {
    const first = publisher.publish();
    const [digest] = publisher.publish().records;
    await open().refresh();
    const newest = publisher.current;
    spoil(join(folder, 'records', digest as string));
    const client = open();
    expect(alarms).toEqual(['configuration_invalid']);
    expect(() => client.current()).toThrow(expect.objectContaining({ code: 'configuration_missing' }));
    publisher.current = first;
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_older' });
    publisher.current = newest;
    expect(await client.refresh()).toBe(true);
    expect(seqOf(client)).toBe(2);
    expect(seqOf(open())).toBe(2);
  });

  test.each([
    ['is no JSON', '{'],
    ['is of another version', '{"v":2}'],
  ])(
    'a configuration.json that %s is refused, not ignored: what was taken must not be forgotten',
    async (_, text) => {
      publisher.publish();
      await open().refresh();
      writeFileSync(join(folder, 'configuration.json'), text);
      expect(open).toThrow(expect.objectContaining({ code: 'configuration_invalid' }));
    },
  );
});

describe('the configuration that a peer names', () => {
  test('is the same, known, newer or unknown, expired by the own clock, or a fork', async () => {
    publisher.publish({ lifetimeS: 60 });
    const client = open();
    await client.refresh();
    const { reference: first } = client.current();
    publisher.publish();
    await client.refresh();
    const { reference: second } = client.current();
    expect(client.judge(second)).toBe('same');
    expect(client.judge(first)).toBe('known');
    expect(client.judge({ seq: 3, digest: first.digest })).toBe('newer');
    expect(client.judge({ seq: 0, digest: first.digest })).toBe('unknown');
    expect(() => client.judge({ seq: 1, digest: second.digest })).toThrow(
      expect.objectContaining({ code: 'configuration_fork' }),
    );
    nowMs += 60_000 + 30_000;
    expect(client.judge(first)).toBe('known');
    nowMs += 1;
    // Also after others were taken since, and after a restart.
    publisher.publish();
    await client.refresh();
    for (const one of [client, open()])
      expect(() => one.judge(first)).toThrow(expect.objectContaining({ code: 'configuration_expired' }));
  });

  test('is learnt from the peer, and remembered as what it is', async () => {
    publisher.publish();
    publisher.publish();
    const client = open();
    await client.refresh();
    const other = publisher.publish({ seq: 1, lifetimeS: -40 });
    const { digest } = JSON.parse(other.entry) as { digest: Digest };
    expect(client.judge({ seq: 1, digest })).toBe('unknown');
    client.learn(other);
    expect(() => client.judge({ seq: 1, digest })).toThrow(
      expect.objectContaining({ code: 'configuration_expired' }),
    );
    expect(() => client.learn({ ...other, delegations: [] })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    );
  });
});

describe('a configuration that a peer shows', () => {
  const records = (): string[] => readdirSync(join(folder, 'records')).sort();
  const group = (code: string, length = 0): Buffer =>
    Buffer.from(
      JSON.stringify({
        ...{ v: 1, type: 'global-group', code, members: [] },
        description: { en: `g${'x'.repeat(length)}`, vi: 'n' },
      }),
    );
  const show = (digest: Digest): Promise<Buffer> => publisher.record(digest);
  /** A client that holds the first one, and cut off from the registry, which goes on. */
  async function behind(order: Publish = {}) {
    publisher.publish();
    const client = open();
    await client.refresh();
    const shown = publisher.publish(order);
    publisher.isAway = true;
    return { client, shown };
  }

  test('is taken with the records that are lacking, and outlives a restart', async () => {
    const { client, shown } = await behind();
    expect(await client.takeShown(shown, show)).toBe(true);
    expect(seqOf(client)).toBe(2);
    expect(changes).toBe(2);
    expect(records()).toHaveLength(2);
    expect(seqOf(open())).toBe(2);
    expect(client.bundle(client.current().reference.digest)).toEqual(shown);
    // Again it is nothing new, and no record is asked for.
    expect(await client.takeShown(shown, () => Promise.reject(new Error('asked')))).toBe(false);
  });

  test('whose registry proves its log when it is back is settled; until then its proof is asked for', async () => {
    const { client, shown } = await behind();
    await client.takeShown(shown, show);
    publisher.publish({ seq: 3 });
    await client.takeShown(publisher.current as ConfigurationBundle, show);
    publisher.isAway = false;
    const asked: number[][] = [];
    const consistency = publisher.consistency.bind(publisher);
    publisher.consistency = (from, to) => (asked.push([from, to]), consistency(from, to));
    expect(await client.refresh()).toBe(false);
    expect(await client.refresh()).toBe(false);
    expect(asked).toEqual([
      [1, 2],
      [2, 3],
    ]);
    expect(alarms).toEqual([]);
  });

  test.each([
    ['another log', [1, 2, 3]],
    ['a shorter log', [1]],
  ])('and then the registry shows %s: an alarm, and nothing is taken', async (_, entries) => {
    const { client, shown } = await behind();
    await client.takeShown(shown, show);
    publisher.isAway = false;
    publisher.tree = new MerkleTree();
    if (entries.length > 1) for (const entry of entries) publisher.tree.append(Buffer.alloc(32, entry));
    publisher.publish({ seq: 3 });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_fork' });
    // After a restart, too: what a peer showed is not forgotten.
    await expect(open().refresh()).rejects.toMatchObject({ code: 'configuration_fork' });
    expect(alarms).toEqual(['configuration_fork', 'configuration_fork']);
    expect(seqOf(client)).toBe(2);
  });

  test('that is signed beside the one taken is an alarm; only named, it is none, and counted', async () => {
    const { client, shown } = await behind();
    await client.takeShown(shown, show);
    const tree = publisher.tree;
    publisher.tree = new MerkleTree();
    const other = publisher.publish({ seq: 2, refreshMs: 7 });
    publisher.tree = tree;
    const { digest } = JSON.parse(other.entry) as { digest: Digest };
    expect(() => client.judge({ seq: 2, digest })).toThrow(
      expect.objectContaining({ code: 'configuration_fork' }),
    );
    expect(alarms).toEqual([]);
    expect(client.othersNamed).toBe(1);
    await expect(client.takeShown(other, show)).rejects.toMatchObject({ code: 'configuration_fork' });
    expect(alarms).toEqual(['configuration_fork']);
    expect(seqOf(client)).toBe(2);
  });

  test('that is signed by keys that were replaced before it is no alarm, and keeps the true one from nobody', async () => {
    const first = publisher.delegations;
    const signedBy = generateKeyPairSync('ed25519').privateKey;
    publisher.delegate(2, signedBy);
    publisher.publish({ signedBy });
    const client = open();
    await client.refresh();
    const tree = publisher.tree;
    publisher.tree = new MerkleTree();
    const forged = { ...publisher.publish({ seq: 2, refreshMs: 7 }), delegations: first };
    publisher.tree = tree;
    await expect(client.takeShown(forged, show)).rejects.toMatchObject({ code: 'configuration_invalid' });
    const shown = publisher.publish({ seq: 2, signedBy });
    expect(await client.takeShown(shown, show)).toBe(true);
    publisher.publish({ seq: 3 });
    Object.assign(publisher.current as ConfigurationBundle, { delegations: first });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'configuration_invalid' });
    expect(seqOf(client)).toBe(2);
    expect(alarms).toEqual([]);
  });

  const lies: readonly [string, Publish, (shown: ConfigurationBundle) => ConfigurationBundle, string][] = [
    ['is expired', { lifetimeS: -1 }, (shown) => shown, 'configuration_expired'],
    ['too few witnesses cosigned', { witnessed: false }, (shown) => shown, 'witness_overdue'],
    ['is of another instance', { instance: 'OTHER' }, (shown) => shown, 'configuration_invalid'],
    ['lacks its delegations', {}, (shown) => ({ ...shown, delegations: [] }), 'configuration_invalid'],
    ['leaves out a record', {}, (shown) => ({ ...shown, records: [] }), 'configuration_invalid'],
    [
      'adds a record',
      {},
      (shown) => ({ ...shown, records: [...shown.records, digestOf(group('a'))] }),
      'configuration_invalid',
    ],
    ['has no proof', {}, (shown) => ({ ...shown, proof: '' }), 'configuration_invalid'],
    [
      'has more records than are taken',
      { more: Array.from({ length: 256 }, (_, n) => group(`g${n}`)) },
      (shown) => shown,
      'configuration_invalid',
    ],
    [
      'has more octets than are taken',
      { more: Array.from({ length: 5 }, (_, n) => group(`g${n}`, 1_000_000)) },
      (shown) => shown,
      'configuration_invalid',
    ],
  ];
  test.each(lies)('and that %s brings nothing', async (_, order, alter, code) => {
    const { client, shown } = await behind(order);
    const before = records();
    await expect(client.takeShown(alter(shown), show)).rejects.toMatchObject({ code });
    expect(seqOf(client)).toBe(1);
    expect(records()).toEqual(before);
    expect(seqOf(open())).toBe(1);
  });

  test('with one record that is another brings nothing, nor the records before it', async () => {
    const { client, shown } = await behind({ more: [group('a'), group('b')] });
    const before = records();
    const [, , last] = shown.records;
    await expect(
      client.takeShown(shown, (digest) => (digest === last ? Promise.resolve(group('c')) : show(digest))),
    ).rejects.toMatchObject({ code: 'configuration_invalid' });
    expect(seqOf(client)).toBe(1);
    expect(records()).toEqual(before);
  });

  /** A peer that shows its records only when it is let. */
  function slow() {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const asked: Digest[] = [];
    const record = (digest: Digest) => (asked.push(digest), held.then(() => show(digest)));
    return { record, asked, release: () => release() };
  }

  test('is given up when its time is over: no other record is asked for', async () => {
    const { client, shown } = await behind({ more: [group('a'), group('b')] });
    const before = records();
    const peer = slow();
    const end = new AbortController();
    const taking = client.takeShown(shown, peer.record, end.signal);
    end.abort();
    peer.release();
    await expect(taking).rejects.toThrow();
    expect(peer.asked).toHaveLength(1);
    expect(seqOf(client)).toBe(1);
    expect(records()).toEqual(before);
  });

  test('slowly keeps nobody from what the registry gives', async () => {
    const { client, shown } = await behind({ more: [group('a')] });
    const peer = slow();
    const taking = client.takeShown(shown, peer.record);
    publisher.isAway = false;
    publisher.publish();
    expect(await client.refresh()).toBe(true);
    peer.release();
    expect(await taking).toBe(false);
    expect(seqOf(client)).toBe(3);
  });
});

describe('following', () => {
  test('goes on after failures and ends with its signal', async () => {
    publisher.isAway = true;
    const client = open();
    const end = new AbortController();
    const following = client.follow(end.signal);
    for (let turn = 0; turn < 100 && alarms.length === 0; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    expect(alarms).toEqual(['configuration_missing']);
    publisher.isAway = false;
    publisher.publish();
    const until = Date.now() + 5_000;
    while (client.latest() === undefined && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(client.latest()?.reference.seq).toBe(1);
    end.abort();
    await following;
  });
});
