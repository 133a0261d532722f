// The growing end of one log: gives entries their place and time, and commits them in groups without a timer. While
// one batch is being written the next one gathers; under load batches grow, and alone an append waits for one commit.
import { encodeEntry, type LogEntry, type Written } from '@onceway/sdk/protocol';
import { leafHash, RootBuilder, type RightEdge } from '@onceway/sdk/verify';
import {
  LOG_BATCH_APPENDS_ENOUGH,
  LOG_BATCH_APPENDS_MAX,
  LOG_BATCH_BYTES_MAX,
  LOG_BATCH_ROOM_BYTES,
} from '../limits.js';
import type { EntryReader } from './storage/entry-reader.js';
import type { Draft, Recorded } from './message-log.js';
import { Orders } from './storage/orders.js';
import type { Writer } from './storage/writer.js';

/** One batch while it is put together; none of it has happened until `durable` runs. */
export class Batch {
  readonly orders = new Orders();
  readonly durable: (() => void)[] = [];
  /** Time of all its entries, ms. */
  readonly at: number;
  readonly #builder: RootBuilder;

  constructor(edge: RightEdge, at: number) {
    this.#builder = new RootBuilder(edge);
    this.at = at;
  }

  /** Gives the draft its place. Nothing changes when it throws.
   *  @throws {OncewayError} when the entry is not one (too large, for one) */
  enter(draft: Draft): Recorded {
    const octets = encodeEntry(entryOf(draft, this.at));
    const index = this.#builder.size;
    this.orders.entry(index, this.#builder.append(leafHash(octets)), octets);
    return { index, at: this.at };
  }

  /** The place that the next entry gets. */
  get size(): number {
    return this.#builder.size;
  }

  get edge(): RightEdge {
    return { size: this.#builder.size, hashes: this.#builder.hashes };
  }

  root(): Buffer {
    return this.#builder.root();
  }
}

function entryOf(draft: Draft, at: number): Written<LogEntry> {
  if (draft.type === 'message') {
    // Member by member, as it stands for every exchange twice: copying those of an unknown object costs far more.
    const { type, dir, message, batch, closing, peer, cfg, chain, ocsp, rule, about } = draft;
    return { v: 1, type, at, dir, message, batch, closing, peer, cfg, chain, ocsp, rule, about };
  }
  const { type, ...rest } = draft;
  return { v: 1, type, at, ...rest } as LogEntry;
}

interface Waiting {
  /** Runs when the batch is put together. */
  readonly plan: (batch: Batch) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Journal {
  readonly #log: 'lane' | 'server';
  readonly #entries: EntryReader;
  readonly #writer: Writer;
  readonly #clock: () => number;
  /** Octets of the batch at hand: there is one at a time. */
  readonly #room = new SharedArrayBuffer(LOG_BATCH_ROOM_BYTES);
  #waiting: Waiting[] = [];
  #isBusy = false;
  /** Until the first batch is begun. */
  #beginning: NodeJS.Immediate | undefined;
  #idle: (() => void)[] = [];
  /** What is durable; undefined after a failure, until it was read from the disk again. */
  #edge: RightEdge | undefined;
  #size: number;
  #lastAt: number;

  constructor(log: 'lane' | 'server', entries: EntryReader, writer: Writer, clock: () => number) {
    this.#log = log;
    this.#entries = entries;
    this.#writer = writer;
    this.#clock = clock;
    this.#size = entries.size();
    this.#edge = entries.edge(this.#size);
    this.#lastAt = entries.at(this.#edge.size - 1) ?? 0;
  }

  /** The durable end of the log. @throws {OncewayError} `log_unavailable`, `log_broken` */
  get edge(): RightEdge {
    if (this.#edge === undefined) {
      this.#size = this.#entries.size();
      this.#edge = this.#entries.edge(this.#size);
      this.#lastAt = Math.max(this.#lastAt, this.#entries.at(this.#edge.size - 1) ?? 0);
    }
    return this.#edge;
  }

  /** Durable entries, as last known. */
  get size(): number {
    return this.#size;
  }

  /** Runs `plan` in its turn, against what all plans before it have made of the log, and resolves with its value once
   *  the batch is durable. What the plan throws rejects this call alone: it must throw before it gives orders.
   *  @throws {OncewayError} `log_unavailable` for every plan of a batch that could not be written */
  add<T>(plan: (batch: Batch) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let value: T;
      this.#waiting.push({
        plan: (batch) => {
          value = plan(batch);
        },
        resolve: () => {
          resolve(value);
        },
        reject,
      });
      if (!this.#isBusy) {
        this.#isBusy = true;
        // All that arrives in this turn of the loop shares the first batch, up to what is enough for one.
        this.#beginning = setImmediate(() => this.#begin());
      } else if (this.#waiting.length >= LOG_BATCH_APPENDS_ENOUGH) {
        if (this.#beginning === undefined) this.#writer.poll();
        else this.#begin();
      }
    });
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#isBusy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #begin(): void {
    clearImmediate(this.#beginning);
    this.#beginning = undefined;
    void this.#run();
  }

  async #run(): Promise<void> {
    let tell = (): void => undefined;
    while (this.#waiting.length > 0) {
      const committed = this.#commitNext();
      // Whoever was in the batch before goes on while the disk is busy with this one.
      tell();
      tell = await committed;
    }
    tell();
    this.#isBusy = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Runs the plans that fit into the batch. */
  #plan(batch: Batch, taken: Waiting[]): void {
    let next = 0;
    for (; next < this.#waiting.length && next < LOG_BATCH_APPENDS_MAX; next += 1) {
      if (batch.orders.bytes > LOG_BATCH_BYTES_MAX) break;
      const waiting = this.#waiting[next] as Waiting;
      try {
        waiting.plan(batch);
        taken.push(waiting);
      } catch (error) {
        waiting.reject(error);
      }
    }
    this.#waiting = this.#waiting.slice(next);
  }

  /** Hands the next batch to the disk before it waits.
   *  @returns once it is durable or has failed: what tells those who wait */
  async #commitNext(): Promise<() => void> {
    const taken: Waiting[] = [];
    try {
      const batch = new Batch(this.edge, Math.max(this.#clock(), this.#lastAt));
      this.#entries.snapshot(() => this.#plan(batch, taken));
      if (!batch.orders.isEmpty) await this.#writer.commit(batch.orders.packed(this.#log, this.#room));
      this.#edge = batch.edge;
      this.#size = batch.edge.size;
      this.#lastAt = batch.at;
      for (const run of batch.durable) run();
      return () => {
        for (const { resolve } of taken) resolve();
      };
    } catch (error) {
      // Whether the batch reached the disk is read from the disk before the next one.
      this.#edge = undefined;
      if (taken.length === 0) taken.push(...this.#waiting.splice(0));
      return () => {
        for (const { reject } of taken) reject(error);
      };
    }
  }
}
