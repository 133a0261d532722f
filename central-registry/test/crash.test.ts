import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openRegistry } from '../src/registry.js';
import { createPilotRegistry, SigningServer, type PilotRegistry } from './pilot-registry.js';

const PROGRAM = fileURLToPath(new URL('approve-and-die.js', import.meta.url));
let pilot: PilotRegistry;
let id: string;
let server: SigningServer;
beforeAll(async () => {
  pilot = await createPilotRegistry({ ownWitness: undefined as never });
  server = await SigningServer.create(pilot, 'VN/GOV/MOH/ss1');
  const { body } = await server.submit(server.registration());
  id = pilot.running.registry.registration.requested(body.id as string).jti;
  await pilot.running.stop();
});
afterAll(() => pilot.end());

test('kill -9 before any write of an approval leaves all of it or nothing, and the next start publishes it', async () => {
  let killed = 0;
  for (let nth = 1; ; nth += 1) {
    const { signal, status, stderr } = spawnSync(process.execPath, [PROGRAM, pilot.folder, id, String(nth)], {
      encoding: 'utf8',
    });
    const registry = openRegistry(pilot.folder, { clock: () => pilot.clockMs });
    const { state } = registry.registration.details(id);
    const approved = state === 'approved';
    expect(['waiting', 'approved']).toContain(state);
    expect(registry.servers.find(server.id) !== undefined).toBe(approved);
    const certificates = registry.db
      .prepare<[], { n: number }>('SELECT count(*) AS n FROM server_certificate')
      .get();
    expect(certificates?.n).toBe(approved ? 2 : 0);
    const last = registry.audit.log.entry(registry.audit.log.size - 1) ?? '';
    expect(last.includes('"approveRequest"')).toBe(approved);
    registry.audit.checkpoint(); // throws where a hash is missing
    if (approved) {
      await registry.publication.changed();
      const { body = '{}' } = registry.publication.current() ?? {};
      const records = (JSON.parse(body) as { records: string[] }).records.map(
        (digest) => JSON.parse(String(registry.heads.record(digest))) as { type: string; id?: string },
      );
      expect(records.some(({ type, id: of }) => type === 'security-server' && of === server.id)).toBe(true);
    }
    await registry.close();
    if (signal !== 'SIGKILL') throw new Error(`not killed: ${status} ${stderr}`);
    killed += 1;
    if (approved) break;
  }
  // Server, log, two certificates, the request, the entry and its hashes, and after the commit.
  expect(killed).toBeGreaterThanOrEqual(8);
  await pilot.restart();
  const path = `/security-servers/${encodeURIComponent(server.id)}`;
  expect((await pilot.manage('auditor', 'GET', path)).body).toMatchObject({ id: server.id });
}, 120_000);

test('a registry without its database refuses to run, and makes no new one', async () => {
  const { renameSync, existsSync } = await import('node:fs');
  await pilot.running.stop();
  const file = join(pilot.folder, 'registry.db');
  renameSync(file, `${file}.away`);
  expect(() => openRegistry(pilot.folder)).toThrow(expect.objectContaining({ code: 'not_found' }));
  expect(existsSync(file)).toBe(false);
  renameSync(`${file}.away`, file);
  await pilot.restart();
});
