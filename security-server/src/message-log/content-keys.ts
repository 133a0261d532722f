// Content keys, made and wrapped a block at a time before they are needed: only the batch that brings a block writes the
// file of keys beside the lane's own.
import { CONTENT_KEYS_BLOCK } from '../limits.js';
import { randomPool } from '../keys/random-pool.js';
import type { Batch } from './journal.js';
import type { LogKeys } from './message-log.js';

export interface ContentKey {
  /** Where it lies, wrapped, in the file of keys; given once and for one exchange. */
  readonly slot: number;
  readonly key: Buffer;
}

/** Slots of one millisecond: far more than are used in it. */
const SLOTS_OF_MS = 1024;

export class ContentKeys {
  readonly #wrap: LogKeys['wrapContentKey'];
  readonly #random = randomPool();
  /** Durable and unused. What a crash leaves of them opens nothing and is never used. */
  #ready: ContentKey[] = [];
  readonly #made = new WeakMap<Batch, ContentKey[]>();
  /** Above every slot in the file. */
  #next: number;

  constructor(keys: Pick<LogKeys, 'wrapContentKey'>, next: number) {
    this.#wrap = (raw) => keys.wrapContentKey(raw);
    this.#next = next;
  }

  /** A key that is durable with this batch at the latest. One taken by a batch that fails is lost. */
  take(batch: Batch): ContentKey {
    return this.#ready.shift() ?? (this.#blockOf(batch).shift() as ContentKey);
  }

  #blockOf(batch: Batch): ContentKey[] {
    let block = this.#made.get(batch);
    if (block === undefined) {
      const made: ContentKey[] = (block = []);
      this.#made.set(batch, made);
      batch.durable.push(() => (this.#ready = made));
    }
    if (block.length > 0) return block;
    // By time, too: a copy of the file that was put back may lack slots that the lane knows.
    this.#next = Math.max(this.#next, batch.at * SLOTS_OF_MS);
    for (let place = 0; place < CONTENT_KEYS_BLOCK; place += 1) {
      const made = { slot: this.#next++, key: this.#random(32) };
      batch.orders.key(made.slot, this.#wrap(made.key));
      block.push(made);
    }
    return block;
  }
}
