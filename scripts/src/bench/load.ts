// One measurement: wrk posts to a chain for some seconds while /proc tells what the processes cost.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BODIES, type BodyName, type Chain } from './chain.js';
import { tracked } from './process.js';

export interface Load {
  readonly body: BodyName;
  readonly connections: number;
}

export interface Measurement extends Load {
  readonly chain: Chain['name'];
  readonly round: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** User and system time of the chain's processes and the backend, per exchange. */
  readonly cpuUs: number;
  /** Cores used by everything that is neither the chain, the backend nor wrk: above 0.15 the row says little. */
  readonly foreignCores: number;
}

/** Linux reports CPU time in ticks of 10 ms whatever the kernel's own rate is (USER_HZ). */
const TICK_US = 10_000;

/** user, system, and those of children that were waited for, in ticks; the name in field 2 may hold blanks. */
function statFields(pid: number | 'self'): { own: number; children: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
  return { own: user + system, children: childUser + childSystem };
}

/** Ticks that all cores were busy: user, nice, system, irq, softirq. */
function machineTicks(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).map(Number);
  return user + nice + system + irq + softirq;
}

/** MiB of one process: what it alone keeps in memory and its share of what it shares (Pss), and all of it (Rss). */
export function memoryMib(pid: number): { pss: number; rss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024;
  return { pss: mib('Pss'), rss: mib('Rss') };
}

const SCRIPT = (load: Load, headers: Readonly<Record<string, string>>): string => `
wrk.method = "POST"
wrk.body = string.rep("x", ${BODIES[load.body]})
wrk.headers["Content-Type"] = "application/octet-stream"
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  .join('\n')}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;

interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly failed: number;
}

async function wrk(chain: Chain, load: Load, seconds: number, folder: string): Promise<WrkResult> {
  const script = join(folder, 'post.lua');
  writeFileSync(script, SCRIPT(load, chain.headers));
  const args = ['-t1', `-c${load.connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script];
  const child = tracked(
    spawn('wrk', [...args, `${chain.url}/${load.body}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  await once(child, 'close');
  const line = /^RESULT (.*)$/m.exec(text)?.[1];
  if (line === undefined) throw new Error(`wrk said nothing of use:\n${text}`);
  const result = JSON.parse(line) as WrkResult;
  if (result.failed > 0 || result.requests === 0)
    throw new Error(
      `${chain.name}: ${result.failed} of ${result.requests} exchanges failed: nothing to compare`,
    );
  return result;
}

export async function measure(
  chain: Chain,
  load: Load,
  run: {
    readonly round: number;
    readonly seconds: number;
    readonly warmUpSeconds: number;
    readonly folder: string;
    readonly backendPid: number;
  },
): Promise<Measurement> {
  await wrk(chain, load, run.warmUpSeconds, run.folder);
  const pids = [...chain.pids, run.backendPid];
  const chainTicks = (): number => pids.reduce((sum, pid) => sum + statFields(pid).own, 0);
  // wrk is our only child that ends, and this process itself does next to nothing.
  const ourTicks = (): number => statFields('self').own + statFields('self').children;
  const before = { chain: chainTicks(), ours: ourTicks(), machine: machineTicks(), ms: performance.now() };
  const result = await wrk(chain, load, run.seconds, run.folder);
  const chainUsed = chainTicks() - before.chain;
  const foreign = machineTicks() - before.machine - chainUsed - (ourTicks() - before.ours);
  const elapsedTicks = ((performance.now() - before.ms) * 1000) / TICK_US;
  return {
    chain: chain.name,
    round: run.round,
    ...load,
    perSecond: result.requests / (result.durationUs / 1e6),
    p50Ms: result.p50Us / 1000,
    p99Ms: result.p99Us / 1000,
    cpuUs: (chainUsed * TICK_US) / result.requests,
    foreignCores: Math.min(availableParallelism(), Math.max(0, foreign / elapsedTicks)),
  };
}
