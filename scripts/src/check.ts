// `npm run check`: everything static, in parallel, each by name and time. The compiler has run before (npm run build).
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checkProblemsPage } from './generate-problems.js';
import { checkGeneratedTypes } from './generate-types.js';
import { tidy } from './tidy.js';

interface Check {
  readonly name: string;
  /** Resolves with what is wrong, or with nothing. */
  readonly run: () => Promise<string>;
}

const root = process.cwd();
const workspaces = ['schemas', 'sdk', 'security-server', 'central-registry', 'scripts', 'test'];
const sources = workspaces
  .flatMap((workspace) => [join(workspace, 'src'), join(workspace, 'test')])
  .filter((folder) => existsSync(join(root, folder)));

function program(name: string, bin: string, args: readonly string[]): Check {
  const run = (): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [join(root, 'node_modules/.bin', bin), ...args], {
        cwd: root,
        // Nothing here may speak to a network: what is checked is the tree, the same on every machine.
        env: {
          ...process.env,
          REDOCLY_TELEMETRY: 'off',
          REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
          CI: 'true',
          NO_COLOR: '1',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const take = (chunk: Buffer): void => {
        output += chunk.toString('utf8');
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.on('error', (error) => resolve(error.message));
      child.on('close', (status) => resolve(status === 0 ? '' : `${output}\nended with ${String(status)}`));
    });
  return { name, run };
}

const listed = (name: string, faults: () => readonly string[] | Promise<readonly string[]>): Check => ({
  name,
  run: async () => (await faults()).join('\n'),
});

function apiDescriptions(): Check {
  const folder = join(root, 'schemas/openapi');
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.json')) : [];
  if (files.length === 0) return listed('API descriptions', () => []);
  return program('API descriptions', 'redocly', [
    'lint',
    '--config=redocly.yaml',
    '--format=stylish',
    ...files.map((file) => `schemas/openapi/${file}`),
  ]);
}

// Longest first, so that two cores end together.
const checks: readonly Check[] = [
  program('lint', 'eslint', ['.', '--max-warnings=0']),
  program('format', 'prettier', ['--check', '--log-level=warn', '.']),
  program('import boundaries', 'depcruise', ['--config', '.dependency-cruiser.cjs', ...sources]),
  program('unused code', 'knip', ['--no-progress']),
  apiDescriptions(),
  listed('generated types', () => checkGeneratedTypes(root)),
  listed('generated problems page', () => checkProblemsPage(root)),
  listed('tidiness', () => tidy(root)),
];

async function runAll(): Promise<boolean> {
  const waiting = [...checks];
  let good = true;
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const startedMs = performance.now();
      const wrong = await check.run().catch((error: unknown) => String(error));
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      console.log(`${wrong === '' ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)`);
      if (wrong !== '') {
        good = false;
        console.log(wrong.trimEnd().replace(/^/gm, '       '));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, worker));
  return good;
}

const good = await runAll();
console.log(
  good ? 'Everything static is in order.' : 'Mend what FAILED above; then run npm run check again.',
);
process.exitCode = good ? 0 : 1;
