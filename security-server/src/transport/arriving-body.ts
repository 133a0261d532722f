// A body that still comes: taken a piece at a time, never held, judged by its pace and its size. Whoever takes it reads
// it to its end or closes it. What its octets are worth says the closing, which comes after the last of them.
import type { Readable } from 'node:stream';
import { OncewayError } from '@onceway/sdk/protocol';
import { TRAILERS_BYTES_MAX } from '../limits.js';

/** Name and value, alternating, as they came. */
type RawFields = readonly string[];

export interface Pace {
  /** Silence that ends it, ms. */
  readonly idleMs: number;
  /** On the whole, once `idleMs` have passed. */
  readonly bytesPerSMin: number;
}

export interface BodyBounds extends Pace {
  readonly bytesMax: number;
}

/** Judges the other side's pace: only the time in which it is waited for counts, and a pause of this process does not. */
export class PaceWatch {
  isWaiting = false;
  readonly #pace: Pace;
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #silentTicks = 0;
  #waitedTicks = 0;
  #bytes = 0;

  /** @param tooSlow is called once */
  constructor(pace: Pace, tooSlow: (error: OncewayError) => void) {
    this.#pace = pace;
    this.#tickMs = Math.max(1, pace.idleMs / 10);
    this.#timer = setInterval(() => {
      const why = this.isWaiting ? this.#tooSlow() : undefined;
      if (why === undefined) return;
      this.stop();
      tooSlow(new OncewayError('body_too_slow', why));
    }, this.#tickMs).unref();
  }

  count(bytes: number): void {
    this.#silentTicks = 0;
    this.#bytes += bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tooSlow(): string | undefined {
    const { idleMs, bytesPerSMin } = this.#pace;
    const silentMs = ++this.#silentTicks * this.#tickMs;
    if (silentMs > idleMs) return `nothing for ${idleMs} ms`;
    const waitedMs = ++this.#waitedTicks * this.#tickMs;
    if (waitedMs > idleMs && this.#bytes < (waitedMs / 1000) * bytesPerSMin)
      return `${this.#bytes} octets in ${Math.round(waitedMs)} ms`;
    return undefined;
  }
}

export class ArrivingBody {
  readonly #source: Readable;
  readonly #first: readonly Buffer[];
  readonly #trailers: () => RawFields;
  readonly #begin: () => void;
  #isTaken = false;

  /** @param options `first`: what was read already; `trailers`: once the source has ended; `begin`: tells the sender
   *  that the body is wanted */
  constructor(
    source: Readable,
    options: {
      readonly first?: readonly Buffer[];
      readonly trailers?: () => RawFields;
      readonly begin?: () => void;
    } = {},
  ) {
    this.#source = source;
    this.#first = options.first ?? [];
    this.#trailers = options.trailers ?? (() => []);
    this.#begin = options.begin ?? (() => undefined);
    // Between two readers nobody listens, and a broken connection must not end the process.
    source.on('error', () => undefined);
  }

  /** Whether octets were asked for: then it can not be had again. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** The octets, once. What is left after an error stays unread.
   *  @throws {OncewayError} `body_aborted` where it breaks off, `body_too_slow`, `body_too_large` */
  async *chunks(bounds: BodyBounds): AsyncGenerator<Buffer> {
    this.#isTaken = true;
    const source = this.#source;
    let failed: OncewayError | undefined;
    let ended = source.readableEnded;
    let wake: () => void = () => undefined;
    const readable = (): void => wake();
    const end = (): void => ((ended = true), wake());
    const broke = (cause?: Error): void => {
      failed ??= new OncewayError('body_aborted', 'the body broke off', { cause });
      wake();
    };
    if (source.destroyed && !ended) broke();
    const watch = new PaceWatch(bounds, (error) => ((failed ??= error), wake()));
    source.on('readable', readable).on('end', end).on('error', broke).on('close', broke);
    try {
      this.#begin();
      let bytes = 0;
      for (const chunk of this.#first) {
        bytes += chunk.length;
        watch.count(chunk.length);
        yield chunk;
      }
      for (;;) {
        const chunk = ended ? null : (source.read() as Buffer | null);
        if (chunk !== null) {
          bytes += chunk.length;
          if (bytes > bounds.bytesMax)
            throw new OncewayError('body_too_large', `more than ${bounds.bytesMax} octets`);
          watch.count(chunk.length);
          yield chunk;
        } else if (ended) return;
        else if (failed !== undefined) throw failed;
        else {
          watch.isWaiting = true;
          await new Promise<void>((resolve) => (wake = resolve));
          watch.isWaiting = false;
        }
      }
    } finally {
      watch.stop();
      source.off('readable', readable).off('end', end).off('error', broke).off('close', broke);
    }
  }

  /** The closing, after the last octet.
   *  @throws {OncewayError} `body_aborted` where there is none or more than one; `head_too_large` */
  closing(): string {
    const found: string[] = [];
    let otherBytes = 0;
    const fields = this.#trailers();
    for (let at = 0; at + 1 < fields.length; at += 2) {
      const [name = '', value = ''] = [fields[at], fields[at + 1]];
      if (name.toLowerCase() === 'exchange-closing') found.push(value);
      else otherBytes += name.length + value.length;
    }
    if (otherBytes > TRAILERS_BYTES_MAX)
      throw new OncewayError('head_too_large', `more than ${TRAILERS_BYTES_MAX} octets of other trailers`);
    const [closing, ...more] = found;
    if (closing === undefined || more.length > 0)
      throw new OncewayError('body_aborted', 'the body ended without a closing');
    return closing;
  }

  /** Ends the connection that it comes from. */
  close(): void {
    this.#source.destroy();
  }

  /** When its connection has nothing more to give. */
  onceClosed(run: () => void): void {
    if (this.#source.destroyed) run();
    else this.#source.once('close', run);
  }
}
