// `npm run bench [-- --json FILE --rounds N --seconds S]`: signed and logged exchanges against the same chain in Node
// without signing and logging, and against nginx, interleaved in one run. Loopback only; ends what it started.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCertificates } from './certificates.js';
import { type Chain, stopAll } from './chain.js';
import { startExchangeChain } from './exchange-chain.js';
import { type Measurement, measure, memoryMib } from './load.js';
import { type Backend, startNginxBackend, startNginxChain } from './nginx.js';
import { hasCommand, killAll, type Running, startNode } from './process.js';
import { LOADS, type Ratios, ratiosOf } from './ratios.js';
import { startUnsignedChain } from './unsigned-chain.js';

const ROUNDS_MAX = 20;
const SECONDS_MAX = 30;
/** Of one chain's first rows; afterwards its code is hot. The exchange has the most of it. */
const FIRST_WARM_UP_SECONDS = 5;
const FOREIGN_CORES_MAX = 0.15;

const USAGE = `Usage: npm run bench -- [--rounds N] [--seconds S] [--json FILE]

  --rounds N    how often each chain is measured with each load, 1 to ${ROUNDS_MAX} (5)
  --seconds S   how long one measurement takes, 1 to ${SECONDS_MAX} (3)
  --json FILE   also write everything that was measured, and on which machine

Example:
  $ npm run bench -- --rounds 3 --seconds 2 --json bench.json

Exit code 2: what is not installed (nginx, wrk) was not measured.`;

function readFlags(): { readonly rounds: number; readonly seconds: number; readonly json?: string } {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    process.exit(0);
  }
  const { json, rounds, seconds } = values;
  return {
    rounds: bounded('rounds', rounds, ROUNDS_MAX),
    seconds: bounded('seconds', seconds, SECONDS_MAX),
    ...(json === undefined ? {} : { json }),
  };
}

function flagsOrUsage(): ReturnType<typeof readFlags> {
  try {
    return readFlags();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(1);
  }
}

function bounded(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new TypeError(`--${name} is a whole number from 1 to ${max}`);
  return value;
}

const { rounds, seconds, json } = flagsOrUsage();

function machine(): Record<string, string | number> {
  const version = (command: string, flag: string): string => {
    const { stdout, stderr } = spawnSync(command, [flag], { encoding: 'utf8' });
    return `${stdout}${stderr}`.split('\n')[0] ?? '';
  };
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    openssl: process.versions.openssl,
    ...(hasCommand('nginx') ? { nginx: version('nginx', '-v') } : {}),
    ...(hasCommand('wrk') ? { wrk: version('wrk', '-v') } : {}),
  };
}

interface Outcome {
  readonly rows: readonly Measurement[];
  readonly product: { startMs: number; rssIdleMib: number; rssLoadMib: number } | undefined;
}

async function run(folder: string, withNginx: boolean): Promise<Outcome> {
  const stops: (() => Promise<void>)[] = [];
  const kept = <T extends Pick<Running, 'stop'>>(started: T): T => {
    stops.push(() => started.stop());
    return started;
  };
  try {
    const files = makeCertificates(folder);
    const backend = kept(withNginx ? await startNginxBackend(folder) : await startNodeBackend());
    const exchange = kept(await startExchangeChain(backend.url, folder));
    const chains: Chain[] = [
      exchange,
      kept(await startUnsignedChain(backend.url, files)),
      ...(withNginx ? [kept(await startNginxChain(backend.url, files, folder))] : []),
    ];
    const rss = (): number => Math.max(...exchange.pids.map((pid) => memoryMib(pid).rss));
    const rssIdleMib = rss();
    const rows: Measurement[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const load of Object.values(LOADS)) {
        // Each chain is first, second and third in turn, so that none always follows the heaviest.
        for (const [place] of chains.entries()) {
          const chain = chains[(place + round) % chains.length];
          if (chain === undefined) continue;
          const warmUpSeconds = round === 1 ? FIRST_WARM_UP_SECONDS : 1;
          const row = await measure(chain, load, {
            ...{ round, seconds, warmUpSeconds, folder, backendPid: backend.pid },
          });
          rows.push(row);
          console.log(lineOf(row));
        }
      }
    }
    const product = { startMs: exchange.startMs ?? NaN, rssIdleMib, rssLoadMib: rss() };
    return { rows, product };
  } finally {
    await stopAll(stops.reverse());
  }
}

async function startNodeBackend(): Promise<Backend> {
  const started = await startNode(new URL('node-backend.js', import.meta.url), {});
  return { ...started, url: `http://127.0.0.1:${started.port}` };
}

function lineOf(row: Measurement): string {
  const cells = [
    `round ${row.round}`,
    row.chain.padEnd(8),
    `${row.body} c=${row.connections}`.padEnd(9),
    `${row.perSecond.toFixed(0)}/s`.padStart(8),
    `p50 ${row.p50Ms.toFixed(2)} ms`.padStart(13),
    `p99 ${row.p99Ms.toFixed(2)} ms`.padStart(13),
    `CPU ${row.cpuUs.toFixed(0)} us`.padStart(11),
  ];
  const disturbed =
    row.foreignCores > FOREIGN_CORES_MAX ? `  (others used ${row.foreignCores.toFixed(2)} cores)` : '';
  return cells.join('  ') + disturbed;
}

function print(ratios: Ratios): void {
  console.log('\nratio                            min   median      max');
  for (const [name, ratio] of Object.entries(ratios))
    console.log(
      name.padEnd(28),
      ratio === null
        ? 'null'.padStart(7)
        : [ratio.min, ratio.median, ratio.max].map((value) => String(value).padStart(8)).join(' '),
    );
}

const missing = ['nginx', 'wrk'].filter((command) => !hasCommand(command));
const folder = mkdtempSync(join(tmpdir(), 'onceway-bench-'));
process.once('exit', () => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { rows, product } = missing.includes('wrk')
  ? { rows: [], product: undefined }
  : await run(folder, !missing.includes('nginx'));
const ratios = ratiosOf(rows, product);
print(ratios);
if (json !== undefined)
  writeFileSync(
    json,
    `${JSON.stringify({ machine: machine(), rounds, ratios, raw: { seconds, rows, missing } }, null, 2)}\n`,
  );
if (missing.length > 0) {
  console.log(`\nNot measured without ${missing.join(' and ')}: apt-get install -y ${missing.join(' ')}`);
  process.exitCode = 2;
}
