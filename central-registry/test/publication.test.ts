import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigurationBundle, VerifierKey } from '@onceway/schemas';
import { ConfigurationClient, ConfigurationStore, httpConfigurationSource } from '@onceway/sdk/configuration';
import { parseConfigurationBundle, PROBLEMS, type ErrorCode } from '@onceway/sdk/protocol';
import {
  parseTlogProof,
  recordsRoot,
  verifyConsistency,
  verifyDelegations,
  verifyHead,
  verifyHeadProof,
} from '@onceway/sdk/verify';
import { runWitness, type RunningWitness } from '../src/witness-process.js';
import { createWitnessListener } from '../src/witness/add-checkpoint.js';
import { initWitness, Witness } from '../src/witness/witness.js';
import { admit, createPilotRegistry, SigningServer, type PilotRegistry } from './pilot-registry.js';
import { serve, type Served } from './witness/log.js';

let pilot: PilotRegistry;
beforeAll(async () => {
  pilot = await createPilotRegistry();
});
afterAll(() => pilot.end());

const fetchBundle = async (from = pilot): Promise<ConfigurationBundle> =>
  parseConfigurationBundle((await from.ask('GET', '/configuration')).body);
const check = (bundle: ConfigurationBundle, { anchor } = pilot) => {
  const genuine = verifyHead(bundle.head, verifyDelegations(bundle.delegations, anchor), anchor.instance);
  return { ...genuine, ...verifyHeadProof(bundle, genuine.reference, anchor) };
};
const client = (folder: string, from = pilot) =>
  new ConfigurationClient({
    anchor: from.anchor,
    store: new ConfigurationStore(folder),
    source: httpConfigurationSource([from.running.addresses.distribution ?? '']),
    clock: () => from.clockMs,
  });

describe('what is published', () => {
  test('is proven from the anchor: delegation, head, records, place in the witnessed log', async () => {
    const bundle = await fetchBundle();
    const { head, witnessed } = check(bundle);
    expect(witnessed).toBe(true);
    expect(head.root).toBe(recordsRoot(bundle.records));
    expect(head.expires - head.issued).toBe(24 * 3600);
  });

  test('is taken by the client of security servers, which finds members and services in it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onceway-client-'));
    try {
      const server = await SigningServer.create(pilot, 'VN/GOV/MOH/ss1');
      await server.carry(server.registration());
      await server.carry(server.payload('register-client', { client: 'VN/GOV/MOH/birth' }));
      await pilot.manage('registration-officer', 'PUT', '/groups/hospitals', {
        description: { en: 'Hospitals', vi: 'Bệnh viện' },
        members: ['VN/GOV/MOH/birth'],
      });
      const follower = client(folder);
      expect(await follower.refresh()).toBe(true);
      const view = follower.current();
      expect(view.serversOf('VN/GOV/MOH/birth' as never).map(({ id }) => id)).toEqual([server.id]);
      expect([...view.groupsOf('VN/GOV/MOH/birth' as never)]).toEqual(['hospitals']);
      expect(view.authorities[0]?.ocsp).toEqual([{ url: pilot.running.addresses.ocsp }]);
      expect(view.timeStampingAuthorities[0]?.url).toBe(pilot.running.addresses.timeStamping);
      expect(await follower.refresh()).toBe(false);

      await pilot.manage('security-officer', 'POST', '/members/VN%2FGOV%2FMOH/suspension', {
        reason: 'test',
      });
      expect(await follower.refresh()).toBe(true);
      expect(follower.current().isActive('VN/GOV/MOH/birth' as never)).toBe(false);
      await pilot.manage('security-officer', 'DELETE', '/members/VN%2FGOV%2FMOH/suspension');
      const path = `/security-servers/${encodeURIComponent(server.id)}/suspension`;
      await pilot.manage('security-officer', 'POST', path, { reason: 'test' });
      await follower.refresh();
      expect(follower.current().server(server.id)).toBeUndefined();
      await pilot.manage('security-officer', 'DELETE', path);
      await follower.refresh();
      expect(follower.current().server(server.id)).toBeDefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('follows the one before: seq, prev, and a log that only grows', async () => {
    const before = await fetchBundle();
    await admit(pilot, 'VN/GOV/GSO');
    const after = await fetchBundle();
    const [old, fresh] = [check(before), check(after)];
    expect(fresh.head).toMatchObject({ seq: old.head.seq + 1, prev: old.reference.digest });
    const { body } = await pilot.ask('GET', `/consistency/${old.size}/${fresh.size}`);
    const proof = (body.proof as string[]).map((hash) => Buffer.from(hash, 'base64'));
    verifyConsistency({ from: old.size, to: fresh.size, fromRoot: old.root, toRoot: fresh.root, proof });
    expect(parseTlogProof(after.proof).index).toBe(fresh.size - 1);
  });

  test('stays as it is where nothing changed', async () => {
    const before = await fetchBundle();
    await pilot.manage('security-officer', 'POST', '/configuration');
    expect(await fetchBundle()).toEqual(before);
  });

  test('holds all changes of one turn in one head', async () => {
    const { publication, members } = pilot.running.registry;
    const seq = publication.current()?.seq ?? 0;
    members.add(members.idOf('GOV', 'A'), { en: 'A', vi: 'A' });
    const first = publication.changed();
    members.add(members.idOf('GOV', 'B'), { en: 'B', vi: 'B' });
    await Promise.all([first, publication.changed()]);
    expect(publication.current()?.seq).toBe(seq + 1);
  });

  test('is issued anew before half of its life is over, and never dated back', async () => {
    const { publication } = pilot.running.registry;
    const { seq, issued } = publication.current() ?? { seq: 0, issued: 0 };
    pilot.clockMs += 11.9 * 3600 * 1000;
    await publication.changed();
    expect(publication.current()?.seq).toBe(seq);
    pilot.clockMs += 0.2 * 3600 * 1000;
    await publication.changed();
    expect(publication.current()).toMatchObject({ seq: seq + 1, issued: pilot.clockMs / 1000 });
    const late = pilot.clockMs;
    pilot.clockMs = issued * 1000 - 1_000_000;
    await admit(pilot, 'VN/GOV/MOF');
    expect(publication.current()).toMatchObject({ seq: seq + 2, issued: late / 1000 });
    pilot.clockMs = late;
  });

  test('survives a restart, octet for octet', async () => {
    await pilot.restart();
    const before = await fetchBundle();
    const { addresses } = pilot.running;
    await pilot.running.stop();
    const { runRegistry } = await import('../src/main.js');
    const listeners = Object.fromEntries(
      Object.entries(addresses).map(([name, url]) => [
        name,
        { host: '127.0.0.1', port: Number(new URL(url).port) },
      ]),
    );
    pilot.running = await runRegistry({
      folder: pilot.folder,
      trustServices: true,
      listeners,
      surroundings: { clock: () => pilot.clockMs, broke: (error) => void pilot.broken.push(error) },
    });
    expect(await fetchBundle()).toEqual(before);
  });

  test('records are immutable and asked for by digest', async () => {
    const { records } = await fetchBundle();
    const answer = await pilot.ask('GET', `/records/${records[0]}`);
    expect(answer.headers['cache-control']).toMatch('immutable');
    expect(await pilot.ask('GET', `/records/${'A'.repeat(43)}`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect(await pilot.ask('GET', '/records/short')).toMatchObject({
      status: 400,
      body: { code: 'request_invalid' },
    });
    expect(await pilot.ask('GET', '/consistency/0/99999')).toMatchObject({ status: 404 });
    expect((await pilot.ask('GET', '/anchor')).body).toEqual(pilot.anchor);
  });
});

describe('push', () => {
  const etagOf = async (): Promise<string> =>
    String((await pilot.ask('GET', '/configuration')).headers['etag']);

  test('answers 304 at once without Prefer, and after the time with it', async () => {
    const etag = await etagOf();
    expect((await pilot.ask('GET', '/configuration', undefined, { 'if-none-match': etag })).status).toBe(304);
    const headers = { 'if-none-match': etag, prefer: 'wait=1' };
    const answer = await pilot.ask('GET', '/configuration', undefined, headers);
    expect(answer).toMatchObject({ status: 304, headers: { 'preference-applied': 'wait=1' } });
  });

  test('reaches all who wait as soon as something is published', async () => {
    const etag = await etagOf();
    const headers = { 'if-none-match': etag, prefer: 'wait=30' };
    const waiting = Array.from({ length: 20 }, () => pilot.ask('GET', '/configuration', undefined, headers));
    const { publication } = pilot.running.registry;
    while (publication.waiting < 20) await new Promise((resolve) => setImmediate(resolve));
    const admitted = await pilot.manage('registration-officer', 'POST', '/members', {
      class: 'GOV',
      code: 'PUSH',
      name: { en: 'Push', vi: 'Đẩy' },
    });
    const answers = await Promise.all(waiting);
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ headers: { etag: fresh } }) => fresh)).size).toBe(1);
    expect(publication.waiting).toBe(0);
    expect(admitted.headers['configuration-seq']).toBe(String(check(answers[0]?.body).head.seq));
  });

  test('answers those who wait before the registry stops', async () => {
    const headers = { 'if-none-match': await etagOf(), prefer: 'wait=30' };
    const { publication } = pilot.running.registry;
    const waiting = pilot.ask('GET', '/configuration', undefined, headers);
    while (publication.waiting < 1) await new Promise((resolve) => setImmediate(resolve));
    await pilot.restart();
    expect((await waiting).status).toBe(304);
  });

  test('lets go of clients that went away', async () => {
    const { publication } = pilot.running.registry;
    const ended = new AbortController();
    const url = `${pilot.running.addresses.distribution}/configuration`;
    const gone = fetch(url, {
      headers: { 'if-none-match': await etagOf(), prefer: 'wait=30' },
      signal: ended.signal,
    }).catch(() => 'gone');
    while (publication.waiting < 1) await new Promise((resolve) => setImmediate(resolve));
    ended.abort();
    expect(await gone).toBe('gone');
    while (publication.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('witnesses', () => {
  let folder: string;
  let second: PilotRegistry;
  let key: VerifierKey;
  let front: Server;
  let audit: RunningWitness | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onceway-audit-'));
    key = initWitness({ folder: join(folder, 'witness'), name: 'audit.example/witness' });
    // The address of the second witness is known before it runs.
    front = createServer((request, response) => {
      if (audit === undefined) return void response.writeHead(503).end();
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
        const answer = await fetch(`${audit?.address}${request.url}`, {
          method: 'POST',
          body: Buffer.concat(chunks),
        });
        response.writeHead(answer.status).end(await answer.text());
      })();
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    second = await createPilotRegistry({ witnesses: [{ key, url }], threshold: 2 });
  });
  afterAll(async () => {
    await audit?.stop();
    await second.end();
    await new Promise((resolve) => front.close(resolve));
    rmSync(folder, { recursive: true });
  });

  test('that are away do not stop publication, and are shown in health', async () => {
    expect(check(await fetchBundle(second), second).witnessed).toBe(false);
    expect((await second.manage(undefined, 'GET', '/health')).body).toMatchObject({
      status: 'warning',
      alarms: ['witness_overdue'],
      configuration: { witnesses: { threshold: 2, satisfied: false, missing: [key] } },
    });
  });

  test('complete the proof as soon as they are back, without another head', async () => {
    const before = await fetchBundle(second);
    audit = await runWitness({
      folder: join(folder, 'witness'),
      anchor: { ...second.anchor, distribution: [second.running.addresses.distribution ?? ''] },
      listener: { host: '127.0.0.1', port: 0 },
      clock: () => second.clockMs,
    });
    await second.manage('system-administrator', 'POST', '/configuration');
    const after = await fetchBundle(second);
    expect(after.head).toEqual(before.head);
    expect(check(after, second).witnessed).toBe(true);
    expect((await second.manage(undefined, 'GET', '/health')).body).toMatchObject({
      status: 'ok',
      alarms: [],
    });
  });

  test('of somebody else learn from the configuration which logs they may sign', async () => {
    const server = await SigningServer.create(second, 'VN/GOV/SAV/ss1');
    const submit = async (): Promise<number> =>
      (await fetch(`${audit?.address}/add-checkpoint`, { method: 'POST', body: `old 0\n\n${note}` })).status;
    const payload = server.registration();
    const { signCheckpoint, EMPTY_ROOT, vkeyOf } = await import('@onceway/sdk/verify');
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey } = generateKeyPairSync('ed25519');
    const origin = `onceway.example/log/${server.id}`;
    payload['logs'] = [{ origin, key: vkeyOf(origin, privateKey) }];
    const note = signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, privateKey);
    expect(await submit()).toBe(404);
    await server.carry(payload);
    await audit?.refresh();
    expect(await submit()).toBe(200);
  });
});

describe('a registry restored from an old copy', () => {
  let folder: string;
  let witness: Witness;
  let served: Served;
  let mood: 'honest' | 'away' | 'lying';
  let restored: PilotRegistry;
  const database = () => join(restored.folder, 'registry.db');
  const copy = () => join(folder, 'copy.db');
  const health = async () => (await restored.ask('GET', '/health')).body;
  const refused = async (code: string): Promise<void> => {
    expect(await health()).toEqual({ status: 'failing', alarms: [code] });
    const answers = [
      await restored.ask('GET', '/configuration'),
      await restored.manage('auditor', 'GET', '/configuration'),
      await restored.manage('security-officer', 'POST', '/configuration'),
    ];
    for (const { status, body } of answers)
      expect({ status, body }).toMatchObject({
        status: PROBLEMS[code as ErrorCode].status,
        body: { code, rule: expect.stringContaining('newest copy') },
      });
  };
  /** Publishes twice more than the copy knows, and puts the copy back. */
  async function restore(): Promise<void> {
    await restored.running.stop();
    copyFileSync(database(), copy());
    await restored.restart();
    await admit(restored, 'VN/GOV/ONE');
    await admit(restored, 'VN/GOV/TWO');
    await restored.running.stop();
    copyFileSync(database(), join(folder, 'newest.db'));
    copyFileSync(copy(), database());
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onceway-restored-'));
    const key = initWitness({ folder: join(folder, 'witness'), name: 'audit.example/witness' });
    witness = new Witness({
      folder: join(folder, 'witness'),
      clock: Date.now,
      logOf: () => restored.anchor.log.key,
    });
    mood = 'away';
    const listener = createWitnessListener(witness, () => undefined);
    served = await serve((request, response) => {
      if (mood === 'honest') listener(request, response);
      else response.writeHead(mood === 'away' ? 503 : 409).end('999999\n');
    });
    restored = await createPilotRegistry({
      witnesses: [{ key, url: served.url }],
      ownWitness: undefined as never,
    });
    mood = 'honest';
    await restored.manage('security-officer', 'POST', '/configuration');
  });
  afterEach(async () => {
    await restored.end();
    await served.close();
    witness.close();
    rmSync(folder, { recursive: true });
  });

  test('publishes nothing while a witness remembers more, and goes on by itself with the newest copy', async () => {
    await restore();
    await restored.restart();
    await refused('configuration_older');
    const { log } = restored.running.registry;
    const { size } = log;
    await admit(restored, 'VN/GOV/THREE');
    expect(log.size).toBe(size);
    await refused('configuration_older');
    expect(restored.broken).toEqual([expect.objectContaining({ code: 'configuration_older' })]);

    await restored.running.stop();
    copyFileSync(join(folder, 'newest.db'), database());
    await restored.restart();
    expect(await health()).toEqual({ status: 'ok', alarms: [] });
    await admit(restored, 'VN/GOV/THREE');
    expect(check(await fetchBundle(restored), restored).witnessed).toBe(true);
  });

  test('withdraws what it published while the witness was away', async () => {
    await restore();
    mood = 'away';
    await restored.restart();
    for (const member of ['A', 'B', 'C']) await admit(restored, `VN/GOV/${member}`);
    expect(await health()).toEqual({ status: 'warning', alarms: ['witness_overdue'] });
    const headers = { 'if-none-match': `"${restored.running.registry.publication.current()?.digest}"` };
    const waiting = restored.ask('GET', '/configuration', undefined, { ...headers, prefer: 'wait=30' });
    mood = 'honest';
    await restored.running.registry.publication.completeProof();
    expect(await waiting).toMatchObject({ status: 503, body: { code: 'log_broken' } });
    await refused('log_broken');
    // Nor does the next start show it.
    await restored.restart();
    await refused('log_broken');
  });

  test('resumes when the witness, which was mistaken, agrees again', async () => {
    mood = 'lying';
    await restored.restart();
    await refused('configuration_older');
    mood = 'honest';
    await restored.manage('security-officer', 'POST', '/configuration');
    expect(await health()).toEqual({ status: 'ok', alarms: [] });
  });
});

test('a configuration that expired is shown as failing, and what follows it as well again', async () => {
  pilot.clockMs += 25 * 3600 * 1000;
  const health = { status: 'failing', alarms: ['configuration_expired'] };
  expect((await pilot.ask('GET', '/health')).body).toEqual(health);
  await pilot.running.registry.publication.changed();
  expect((await pilot.ask('GET', '/health')).body).toEqual({ status: 'ok', alarms: [] });
});

test('numbers are there for Prometheus', async () => {
  const { body } = await pilot.manage(undefined, 'GET', '/metrics');
  const { seq } = pilot.running.registry.publication.current() ?? {};
  expect(body).toContain(`onceway_registry_configuration_seq ${seq}\n`);
});

test('nothing broke on the way', () => expect(pilot.broken).toEqual([]));
