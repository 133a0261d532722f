// Starts appender.ts as a process of its own and listens to it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { MessageId } from '@onceway/schemas';

/** What one line of the appender says. */
export interface Line {
  readonly ready?: true;
  readonly mid?: MessageId;
  readonly dir?: 'in' | 'out';
  readonly index?: number;
  readonly bytes?: number;
  readonly checkpoints?: readonly { readonly origin: string; readonly size: number; readonly root: string }[];
  readonly error?: string;
}

export class Appender {
  readonly lines: Line[] = [];
  readonly #process: ChildProcess;
  #wake: () => void = () => undefined;

  constructor(folder: string, seed: string, inFlight: number) {
    const program = fileURLToPath(new URL('./appender.js', import.meta.url));
    this.#process = spawn(process.execPath, [program, folder, seed, String(inFlight)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { stdout } = this.#process;
    if (stdout === null) throw new TypeError('no pipe');
    createInterface({ input: stdout }).on('line', (line) => {
      // The last line of a killed process may be torn.
      if (line.endsWith('}')) this.lines.push(JSON.parse(line) as Line);
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when the lines from `from` on fulfil the condition. */
  async until(condition: (lines: readonly Line[]) => boolean, from = 0): Promise<void> {
    while (!condition(this.lines.slice(from))) {
      if (this.#process.exitCode !== null)
        throw new Error(`the appender ended with ${this.#process.exitCode}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async kill(): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}
