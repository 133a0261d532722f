// Programs that look for ports at the same time, as tests side by side do, never get the same one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { freePort } from '../src/free-port.js';

test('a port is given once, and not where somebody listens', async () => {
  const port = await freePort();
  expect(await freePort(port)).not.toBe(port);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const listens = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await freePort(listens)).not.toBe(listens);
  taken.close();
});

(process.platform === 'linux' ? test : test.skip)(
  'a port that was given to another program is not given here, even before anybody listens there',
  async () => {
    const { href } = new URL('../src/free-port.js', import.meta.url);
    const program = `import(${JSON.stringify(href)}).then(async ({ freePort }) => {
      console.log(await freePort());
      process.stdin.resume();
    });`;
    const other = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [said] = (await once(other.stdout, 'data')) as [Buffer];
    const port = Number(said.toString());
    expect(port).toBeGreaterThan(0);
    expect(await freePort(port)).not.toBe(port);
    const ended = once(other, 'close');
    other.stdin.end();
    await ended;
    expect(await freePort(port)).toBe(port);
  },
);
