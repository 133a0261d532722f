// One request over undici and its whole answer in memory, bounded in octets and in time as a whole (undici's own
// time-outs measure only the silence between two octets). Its dispatcher, not its streams: this runs for every message.
import { Readable } from 'node:stream';
import { getGlobalDispatcher, type Dispatcher } from 'undici';
import { ArrivingBody } from './arriving-body.js';

/** An answer took longer as a whole than it may. */
export class AnswerTimeoutError extends Error {}

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in their order, one character for each octet. */
  readonly rawHeaders: () => string[];
  /** Empty where there is none, or where it follows. */
  readonly body: Buffer;
  /** Of an answer that is streamed, as `streams` says. */
  readonly following?: ArrivingBody;
}

export interface AskBounds {
  readonly bytesMax: number;
  readonly timeoutMs: number;
  /** What `timeoutMs` is counted from: the question, or the answer's head. */
  readonly from: 'question' | 'head';
  /** Makes the error for more than `bytesMax` octets. */
  readonly tooLarge: () => Error;
  /** Which answers are not read here, but by whoever takes their body: those of status 200 that announce trailers, or those beyond
   *  `bytesMax`. */
  readonly streams?: 'with trailers' | 'larger';
}

/** Sent once, and never again. What is too large or too late is cut off with its connection.
 *  @throws {AnswerTimeoutError}, what `tooLarge` makes, whatever broke the connection */
export function ask(
  dispatcher: Dispatcher,
  question: Dispatcher.DispatchOptions,
  bounds: AskBounds,
): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    dispatcher.dispatch(question, new Collector(bounds, resolve, reject));
  });
}

/** POSTs to a trust service; the answer's head and its body may each take so long. */
export function askTrustService(
  url: string,
  contentType: string,
  body: Buffer,
  bounds: Omit<AskBounds, 'from'>,
): Promise<WholeAnswer> {
  const { origin, pathname, search } = new URL(url);
  const question = {
    origin,
    path: pathname + search,
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
    headersTimeout: bounds.timeoutMs,
  } as const;
  return ask(getGlobalDispatcher(), question, { ...bounds, from: 'head' });
}

class Collector implements Dispatcher.DispatchHandler {
  readonly #bounds: AskBounds;
  readonly #resolve: (answer: WholeAnswer) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #late: AnswerTimeoutError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #status = 0;
  #headers: WholeAnswer['headers'] = {};
  #raw: readonly (Buffer | string)[] = [];
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #stream: Readable | undefined;

  constructor(bounds: AskBounds, resolve: (answer: WholeAnswer) => void, reject: (error: Error) => void) {
    this.#bounds = bounds;
    this.#resolve = resolve;
    this.#reject = reject;
    if (bounds.from === 'question') this.#startTimer();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Too late before a connection was open: nothing is sent.
    if (this.#late !== undefined) controller.abort(this.#late);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: WholeAnswer['headers'],
  ): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    this.#raw = (controller.rawHeaders ?? []) as readonly (Buffer | string)[];
    if (this.#bounds.streams === 'with trailers' && status === 200 && headers['trailer'] !== undefined)
      this.#follow(controller);
    else if (this.#bounds.from === 'head') this.#startTimer();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stream !== undefined) {
      if (!this.#stream.push(chunk)) controller.pause();
      return;
    }
    this.#size += chunk.length;
    this.#chunks.push(chunk);
    if (this.#size <= this.#bounds.bytesMax) return;
    if (this.#bounds.streams === 'larger') this.#follow(controller);
    else controller.abort(this.#bounds.tooLarge());
  }

  onResponseEnd(): void {
    if (this.#stream !== undefined) return void this.#stream.push(null);
    clearTimeout(this.#timer);
    const [first] = this.#chunks;
    const raw = this.#raw;
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      rawHeaders: () => textOf(raw),
      body:
        this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#size),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    if (this.#stream === undefined) this.#reject(error);
    else this.#stream.destroy(error);
  }

  /** The rest is read by another, at his pace. */
  #follow(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#timer);
    const stream = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        if (!stream.readableEnded) controller.abort(error ?? new Error('the rest is not wanted'));
        done(error);
      },
    });
    this.#stream = stream;
    const raw = this.#raw;
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      rawHeaders: () => textOf(raw),
      body: Buffer.alloc(0),
      following: new ArrivingBody(stream, {
        first: this.#chunks,
        trailers: () => textOf((controller.rawTrailers ?? []) as readonly (Buffer | string)[]),
      }),
    });
  }

  #startTimer(): void {
    // Ended with the call: until it fires it holds the answer in memory.
    this.#timer = setTimeout(() => {
      const late = new AnswerTimeoutError(`no whole answer within ${this.#bounds.timeoutMs} ms`);
      this.#late = late;
      this.#reject(late);
      this.#controller?.abort(late);
    }, this.#bounds.timeoutMs);
  }
}

const textOf = (raw: readonly (Buffer | string)[]): string[] =>
  raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
