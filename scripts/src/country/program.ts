// One process of the country: started, ready when it says so by one line of JSON, watched as long as it should live.
// Only what was started here is ever ended.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

const READY_MS_MAX = 60_000;
const END_MS_MAX = 10_000;
const TAIL_LINES = 12;

export interface ProgramOptions {
  readonly name: string;
  /** Arguments of node: the program's file first. */
  readonly args: readonly string[];
  /** Where its standard error goes. */
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process ended that should have gone on, or did not come up. Names its log, and quotes its end. */
class ProgramFailure extends Error {
  constructor(name: string, what: string, logFile: string) {
    const tail = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n  ');
    super(`${name} ${what}. Its log (${logFile}) ends:\n  ${tail}`);
    this.name = 'ProgramFailure';
  }
}

export class Program {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Rejects when the process ends although nobody asked it to. */
  readonly failed: Promise<never>;
  readonly #child: ChildProcess;
  #isEnding = false;

  private constructor(options: ProgramOptions, child: ChildProcess) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.failed = new Promise((_resolve, reject) => {
      child.once('exit', (code, signal) => {
        if (!this.#isEnding)
          reject(
            new ProgramFailure(
              this.name,
              `ended by itself (${signal ?? `exit ${String(code)}`})`,
              this.logFile,
            ),
          );
      });
    });
    // Whoever waits is told; nobody waiting is no reason to end with a stack trace.
    this.failed.catch(() => undefined);
  }

  /** Resolves with what it says when it is ready. @throws {ProgramFailure} */
  static async start(
    options: ProgramOptions,
  ): Promise<{ readonly program: Program; readonly ready: Readonly<Record<string, unknown>> }> {
    const log = openSync(options.logFile, 'a');
    const child = spawn(process.execPath, options.args, {
      stdio: ['ignore', 'pipe', log],
      env: { ...process.env, ...options.env },
    });
    closeSync(log);
    const program = new Program(options, child);
    const ready = await Promise.race([program.failed, firstLine(child, options)]);
    return { program, ready };
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Asks it to end, and after a while makes it. */
  async end(): Promise<void> {
    this.#isEnding = true;
    if (!this.isAlive) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS_MAX);
    await gone;
    clearTimeout(timer);
  }
}

function firstLine(
  child: ChildProcess,
  { name, logFile }: ProgramOptions,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new ProgramFailure(name, `was not ready within ${READY_MS_MAX / 1000} s`, logFile));
    }, READY_MS_MAX);
    // One that ended before is told of by `failed`; waiting on would only hold up whoever gives up for it.
    child.once('exit', () => clearTimeout(timer));
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.includes('\n')) return;
      text += chunk;
      if (!text.includes('\n')) return;
      clearTimeout(timer);
      resolve(JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown>);
    });
  });
}

/** Runs a program that ends by itself. @throws {ProgramFailure} where its exit code is not 0 */
export async function runToEnd(options: ProgramOptions): Promise<string> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(process.execPath, options.args, {
    stdio: ['ignore', 'pipe', log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new ProgramFailure(options.name, `failed (exit ${String(code)})`, options.logFile);
  return text;
}
