// The demo must not call anything proven that was not: whichever of its processes dies, it exits non-zero and ends the
// others.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { AGENCIES, SERVERS } from '../../src/country/members.js';

const DEMO = fileURLToPath(new URL('../../src/country/demo.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onceway-demo-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
  /** Processes that the demo said it had started. */
  readonly pids: readonly number[];
}

/** Runs the demo and kills one of its processes as soon as it runs. */
function demoWithout(victim: string | undefined): Promise<Ended> {
  const child = spawn(process.execPath, [DEMO, '--folder', join(folder, victim ?? 'whole')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const pids: number[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, name, pid] = / (\S+) runs \(pid (\d+)\)/.exec(line) ?? [];
      if (pid === undefined) continue;
      pids.push(Number(pid));
      if (name === victim) process.kill(Number(pid), 'SIGKILL');
    }
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output, pids })));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const victims = [
  'registry',
  'audit-witness',
  ...SERVERS.map(({ id }) => id.slice(id.lastIndexOf('/') + 1)),
  ...AGENCIES.map(({ name }) => name),
];

interface Result {
  readonly ok: boolean;
  readonly records: number;
  readonly memoryMib: number;
  readonly steps: readonly {
    readonly title: string;
    readonly ok: boolean;
    readonly messages: readonly string[];
  }[];
}

describe('the demo', () => {
  test('proves every step, within its bound of memory', async () => {
    const { code, output, pids } = await demoWithout(undefined);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('All steps were proven') });
    expect(pids.filter(isAlive)).toEqual([]);
    const result = JSON.parse(readFileSync(join(folder, 'whole', 'result.json'), 'utf8')) as Result;
    expect(result).toMatchObject({ ok: true, records: 14_332 });
    expect(result.memoryMib).toBeLessThan(1.2 * 1024);
    expect(result.steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(result.steps.flatMap(({ messages }) => messages)).size).toBeGreaterThanOrEqual(40 + 10);
    expect(existsSync(join(folder, 'whole', 'country.json'))).toBe(false);
  }, 300_000);

  test.each(victims)(
    'fails when %s is killed, and leaves nothing running',
    async (victim) => {
      const { code, output, pids } = await demoWithout(victim);
      expect({ code, failed: /FAILED/.test(output), killed: output.includes(` ${victim} runs`) }).toEqual({
        code: 1,
        failed: true,
        killed: true,
      });
      expect(pids.filter(isAlive)).toEqual([]);
      // The witness that comes up next asks it for nothing: it is missed because it ended.
      if (victim === 'registry') expect(output).toContain('FAILED: registry ended by itself (SIGKILL)');
    },
    90_000,
  );
});
