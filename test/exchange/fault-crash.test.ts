import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { MessageId } from '@onceway/sdk/protocol';
import { askOutcome, call, held, heldByBoth, openRoad, type Road } from './fault-road.js';
import { Federation, PIN, type TestServer } from './federation.js';

let road: Road;

beforeAll(async () => {
  road = await openRoad(await Federation.start(), {
    consumer: { limits: { outcomeAskIntervalMs: 20, outcomeAskTotalMs: 15_000 } },
  });
  road.service.handler = (_request, response) => response.end('done');
});
afterAll(() => road.federation.stop());

/** The server goes on in a process that dies at this step. Resolves when it listens. */
async function runUntil(server: TestServer, step: string) {
  await server.stop();
  const program = fileURLToPath(new URL('./fault-server.js', import.meta.url));
  const child = spawn(process.execPath, [program, server.folder, PIN, step], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const died = once(child, 'close');
  const mids: MessageId[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error('it never listened')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { ready, mid } = JSON.parse(line) as { ready?: true; mid?: MessageId };
      if (ready === true) resolve();
      if (mid !== undefined) mids.push(mid);
    });
  });
  return { died, mids };
}

test.each([
  ['before the request is recorded', 409, 'not_recorded', 0, undefined],
  ['after the request is recorded', 504, 'outcome_unknown', 0, { answer: 'none', outcome: 'unknown' }],
  ['after the service was called', 504, 'outcome_unknown', 1, { answer: 'none', outcome: 'unknown' }],
  ['before the answer is recorded', 504, 'outcome_unknown', 1, { answer: 'none', outcome: 'unknown' }],
  ['after the answer is recorded', 200, undefined, 1, { answer: 'message' }],
] as const)(
  'a provider killed %s and started again says what became of it: %s %s',
  async (step, status, code, calls, provider) => {
    const { died } = await runUntil(road.provider, step);
    road.service.calls.length = 0;
    const calling = call(road, { body: 'ping' });
    await died;
    await road.provider.start();
    const called = await calling;
    expect({ ...called, calls: road.service.calls.length }).toMatchObject({
      status,
      code,
      calls,
      ...(code === undefined ? { body: 'done' } : { hop: 'provider-server' }),
    });
    expect(await heldByBoth(road, called.id)).toEqual({
      consumer: code === undefined ? { answer: 'message' } : { answer: 'refusal', code },
      provider,
    });
    // The log holds together, and the exchange goes on.
    await road.provider.running.exchange.log.verify();
    expect(await call(road)).toMatchObject({ status: 200, body: 'done' });
  },
);

test.each([
  ['before the request is recorded', 404, 'not_found', 0],
  ['after the request is recorded', 409, 'not_recorded', 0],
  ['before the answer is recorded', 200, undefined, 1],
] as const)(
  'a consumer killed %s knows after its start what it left open, and its client can ask: %s %s',
  async (step, status, code, calls) => {
    const { died, mids } = await runUntil(road.consumer, step);
    road.service.calls.length = 0;
    // Its client only sees the connection break.
    await expect(call(road, { body: 'ping' })).rejects.toThrow();
    await died;
    await road.consumer.start();
    const mid = mids[0] as MessageId;
    expect(await held(road.consumer, mid, 'out')).toEqual(
      status === 404 ? undefined : { answer: 'none', outcome: 'unknown' },
    );
    expect(await askOutcome(road, mid)).toMatchObject({
      status,
      code,
      ...(status === 200 ? { body: 'done' } : {}),
    });
    expect(road.service.calls).toHaveLength(calls);
    await road.consumer.running.exchange.log.verify();
    expect(await call(road)).toMatchObject({ status: 200 });
  },
);
