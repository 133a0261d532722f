// `npm start` and `npm run demo` end when npm alone is told to, as a service manager or a script does: what they started
// would stay up otherwise. npm and the shell are the real ones, the program behind them is a small one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

const ENDING = new URL('../../src/country/ending.js', import.meta.url).href;

/** Says its id, and of what it was told, as the country's programs are. */
const PROGRAM = `
import('${ENDING}').then(({ whenAskedToEnd }) => {
  whenAskedToEnd((signal) => {
    process.stdout.write('told ' + signal + '\\n', () => process.exit(0));
  });
  setInterval(() => undefined, 1000);
  console.log('up ' + process.pid);
});
`;

let folder: string;
let pid: number | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
  pid = undefined;
});
afterEach(() => {
  if (pid !== undefined && isThere(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function isThere(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

test.each([
  ['start', 'SIGINT'],
  ['start', 'SIGTERM'],
  ['start', 'SIGHUP'],
  ['demo', 'SIGINT'],
  ['demo', 'SIGTERM'],
  ['demo', 'SIGHUP'],
] as const)(
  'npm run %s, told %s alone, tells its program',
  async (name, signal) => {
    const script = scripts[name] ?? '';
    const file = join(folder, /\S+\.js$/.exec(script)?.[0] ?? '');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, PROGRAM);
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'signals', scripts: { [name]: script } }),
    );
    // A group of its own, as outside a terminal: the signal reaches npm and nobody else.
    const npm = spawn('npm', ['run', '--silent', name], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    // npm dies of SIGHUP before its program: closed is what both have written to when both are gone.
    const ended = once(npm, signal === 'SIGHUP' ? 'close' : 'exit');
    await new Promise<void>((resolve) => {
      npm.stdout.on('data', (chunk: Buffer) => {
        said += String(chunk);
        if (/^up \d+\n/m.test(said)) resolve();
      });
    });
    pid = Number(/^up (\d+)/m.exec(said)?.[1]);
    npm.kill(signal);
    await ended;
    expect(said).toContain(`told ${signal}`);
    // Orphaned, it may stay a zombie where nobody reaps: that its output is closed says that it is gone.
    expect(signal !== 'SIGHUP' && isThere(pid)).toBe(false);
  },
  20_000,
);
