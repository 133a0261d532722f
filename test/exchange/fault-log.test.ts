import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { call, heldByBoth, openRoad, until, type Road } from './fault-road.js';
import { MIB, spools, stream } from './streamed-road.js';
import { Federation, PIN, type TestServer } from './federation.js';

let road: Road;
let child: ChildProcess | undefined;

beforeAll(async () => {
  road = await openRoad(await Federation.start());
}, 30_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await road.federation.stop();
});

/** The server goes on in a process of its own, whose files can be kept from growing. */
async function apart(server: TestServer): Promise<ChildProcess> {
  await server.stop();
  const program = fileURLToPath(new URL('./fault-server.js', import.meta.url));
  const started = spawn(process.execPath, [program, server.folder, PIN], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: started.stdout });
  await once(lines, 'line');
  return (child = started);
}

function limit({ pid }: ChildProcess, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
}

async function back(server: TestServer, process: ChildProcess): Promise<void> {
  const died = once(process, 'close');
  process.kill('SIGKILL');
  await died;
  await server.start();
}

test.each(['provider', 'consumer'] as const)(
  'while the log of the %s can not be written nobody is called, and it goes on by itself afterwards',
  async (who) => {
    const server = road[who];
    const process = await apart(server);
    expect(await call(road)).toMatchObject({ status: 200 });
    road.service.calls.length = 0;
    limit(process, 0);
    for (let attempt = 0; attempt < 2; attempt++) {
      const called = await call(road);
      expect(called).toMatchObject(
        who === 'provider'
          ? { status: 502, code: 'peer_refused' }
          : { status: 503, code: 'log_unavailable', hop: 'consumer-server' },
      );
    }
    // Nor is a body taken that could not be spooled.
    expect(await stream(road, road.service.id, MIB)).toMatchObject(
      who === 'provider' ? { status: 502, code: 'peer_refused' } : { status: 503, code: 'log_unavailable' },
    );
    expect(road.service.calls).toHaveLength(0);
    await until('no spool is left', () => [...spools(road.consumer), ...spools(road.provider)].length === 0);
    limit(process, 'unlimited');
    await until('the log is written again', async () => (await call(road)).status === 200);
    const called = await call(road);
    await back(server, process);
    expect(await heldByBoth(road, called.id)).toEqual({
      consumer: { answer: 'message' },
      provider: { answer: 'message' },
    });
    await server.running.exchange.log.verify();
  },
);
