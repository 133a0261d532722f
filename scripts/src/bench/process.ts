// Starts and ends the processes of a chain. Only what was started here is ever ended.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS_MAX = 15_000;
const STOP_MS_MAX = 5_000;

export interface Running {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Whether a command is on this machine. */
export function hasCommand(command: string, versionFlag = '-v'): boolean {
  return spawnSync(command, [versionFlag], { stdio: 'ignore' }).error === undefined;
}

const alive = new Set<ChildProcess>();

/** For the very end: whatever a crash or a signal left running of what was started here. */
export function killAll(): void {
  for (const child of alive) child.kill('SIGKILL');
}

/** Has `killAll` know a process for as long as it lives. */
export function tracked<T extends ChildProcess>(child: T): T {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

function running(child: ChildProcess): Running {
  if (child.pid === undefined) throw new Error(`could not start ${child.spawnfile}`);
  tracked(child);
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await gone;
    clearTimeout(kill);
  };
  return { pid: child.pid, stop };
}

/** Starts a program of ours, which says where it listens by one line of JSON: `{ "ready": true, "port": … }`. It gets the
 *  options that node itself was started with: `node --cpu-prof …/bench/main.js` profiles the security servers. */
export async function startNode(program: URL, settings: object): Promise<Running & { port: number }> {
  const child = spawn(process.execPath, [...process.execArgv, program.pathname, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const started = running(child);
  let text = '';
  const port = await new Promise<number>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`${program.pathname} was not ready in time`)),
      START_MS_MAX,
    );
    child.once('exit', () => reject(new Error(`${program.pathname} ended before it was ready`)));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (!text.includes('\n')) return;
      clearTimeout(late);
      resolve((JSON.parse(text) as { port: number }).port);
    });
  });
  return { ...started, port };
}

/** Starts a program that listens on a port it was told, and waits until it accepts connections. */
export async function startListening(
  command: string,
  args: readonly string[],
  port: number,
): Promise<Running> {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const started = running(child);
  const lastMs = performance.now() + START_MS_MAX;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > lastMs) {
      await started.stop();
      throw new Error(`${command} does not listen on 127.0.0.1:${port}`);
    }
    await sleep(20);
  }
  return started;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
