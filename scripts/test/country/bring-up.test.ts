// What goes wrong while a country comes up: who may go on, and that nobody waits for what has ended.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { approveWaiting } from '../../src/country/server-site.js';

test('a server goes on only when its request is public, also where it was approved with those of another', async () => {
  const waiting = [{ id: 'of one' }, { id: 'of another' }];
  const done: string[] = [];
  const registry = async (_role: string, method: string, path: string): Promise<never> => {
    if (method === 'GET') return waiting.splice(0) as never;
    // Approved, and not yet public.
    await new Promise((resolve) => setImmediate(resolve));
    done.push(path.split('/')[2] ?? '');
    return undefined as never;
  };
  const one = approveWaiting(registry).then(() => done.push('one goes on'));
  const another = approveWaiting(registry).then(() => done.push('another goes on'));
  await Promise.all([one, another]);
  expect(done).toEqual(['of one', 'of another', 'one goes on', 'another goes on']);
});

test('a refused approval fails whoever asked for it, and nobody after', async () => {
  const waiting = [{ id: 'of one' }];
  const registry = (_role: string, method: string): Promise<never> =>
    method === 'GET' ? Promise.resolve(waiting.splice(0) as never) : Promise.reject(new Error('refused'));
  const [one, another] = await Promise.allSettled([approveWaiting(registry), approveWaiting(registry)]);
  expect([one.status, another.status]).toEqual(['rejected', 'fulfilled']);
});

test('a program that ends before it is ready is told of at once, and holds nobody up', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-program-'));
  const { href } = new URL('../../src/country/program.js', import.meta.url);
  const options = { name: 'early', args: ['-e', 'process.exit(3)'], logFile: join(folder, 'early.log') };
  const script = `import(${JSON.stringify(href)})
    .then(({ Program }) => Program.start(${JSON.stringify(options)}))
    .catch(({ message }) => console.log(message));`;
  const { status, stdout } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    timeout: 25_000,
  });
  rmSync(folder, { recursive: true });
  expect(stdout).toContain('early ended by itself (exit 3)');
  expect(status).toBe(0);
});
