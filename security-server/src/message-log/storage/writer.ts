// The main thread's end of the writing thread: hands over batches, one message each, and learns what became of them.
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Packed } from './orders.js';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: OncewayError) => void;
}

const unavailable = (why: string): OncewayError =>
  new OncewayError('log_unavailable', `the log is not written: ${why}`);

export class Writer {
  readonly #folder: string;
  #worker: Worker | undefined;
  #port: MessagePort | undefined;
  #isClosed = false;
  /** The thread answers in the order in which it was asked. */
  #waiting: Waiting[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Resolves when the batch is on stable storage. Its octets must not change until then, and may be
   *  gone from here.
   *  @throws {OncewayError} `log_unavailable`: none of it is, or nobody knows; read the file before going on */
  async commit(packed: Packed): Promise<void> {
    if (this.#isClosed) throw unavailable('it is closed');
    const worker = (this.#worker ??= this.#start());
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const { buffer } = packed.octets;
      worker.postMessage(packed, buffer instanceof ArrayBuffer ? [buffer] : []);
    });
  }

  /** Takes the thread's next answer if it is there, without waiting for the loop's turn to end. */
  poll(): void {
    if (this.#port === undefined || this.#waiting.length === 0) return;
    const got = receiveMessageOnPort(this.#port) as { message: string | undefined } | undefined;
    if (got !== undefined) this.#settle(got.message);
  }

  #settle(failure: string | undefined): void {
    const waiting = this.#waiting.shift();
    if (failure === undefined) waiting?.resolve();
    else waiting?.reject(unavailable(failure));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage('close');
    await exited;
  }

  #start(): Worker {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('./writer-thread.js', import.meta.url), {
      workerData: { folder: this.#folder, port: port2 },
      transferList: [port2],
    });
    this.#port = port1;
    port1.on('message', (failure: string | undefined) => {
      this.#settle(failure);
    });
    // A thread that died takes its batches with it; the next batch starts another one.
    const died = (why: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      port1.close();
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { reject } of waiting) reject(unavailable(why));
    };
    worker.on('error', (error: Error) => {
      died(error.message);
    });
    worker.on('exit', (code) => {
      died(`the writing thread ended with ${code}`);
    });
    return worker;
  }
}
