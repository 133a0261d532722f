// What the main thread tells the writing thread: orders packed into one list of numbers and one block of octets, so that
// a batch costs one message however many entries it holds. Both ends stand here; neither knows SQL.
import type { Direction } from '../message-log.js';

export const ORDER = {
  entry: 1,
  message: 2,
  exchange: 3,
  answer: 4,
  outcome: 5,
  content: 6,
  material: 7,
  void: 8,
  checkpoint: 9,
  cosignatures: 10,
  timeStamp: 11,
  key: 12,
  body: 13,
} as const;

/** Lists of orders hold numbers only. */
export const NO_SLOT = -1;

export interface Packed {
  readonly log: 'lane' | 'server';
  /** Orders about keys: committed before all else, in a file of their own. */
  readonly keys: Float64Array;
  readonly orders: Float64Array;
  readonly octets: Uint8Array;
}

/** Collects orders. Octets are kept by reference until they are packed: they must not change meanwhile. */
export class Orders {
  readonly #keys: number[] = [];
  readonly #orders: number[] = [];
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  key(slot: number, wrapped: Uint8Array): void {
    this.#keys.push(ORDER.key, slot);
    this.#octets(this.#keys, [wrapped]);
  }

  entry(index: number, nodes: readonly Uint8Array[], octets: Uint8Array): void {
    this.#orders.push(ORDER.entry, index);
    this.#octets(this.#orders, nodes);
    this.#octets(this.#orders, [octets]);
  }

  /** `exchange` is the index of the exchange's first entry. */
  message(mid: Uint8Array, dir: Direction, exchange: number, index: number): void {
    this.#orders.push(ORDER.message, dir === 'out' ? 1 : 0, exchange, index);
    this.#octets(this.#orders, [mid]);
  }

  /** `slot`: where the key of its contents lies; null for one without contents. */
  exchange(request: number, slot: number | null): void {
    this.#orders.push(ORDER.exchange, request, slot ?? NO_SLOT);
  }

  answer(request: number, index: number): void {
    this.#orders.push(ORDER.answer, index, request);
  }

  outcome(request: number, index: number): void {
    this.#orders.push(ORDER.outcome, index, request);
  }

  content(index: number, key: Uint8Array, parts: readonly Uint8Array[]): void {
    this.#orders.push(ORDER.content, index);
    this.#octets(this.#orders, [key]);
    this.#octets(this.#orders, parts);
  }

  /** The spooled body becomes that of this entry. */
  body(index: number, spool: string): void {
    this.#orders.push(ORDER.body, index);
    this.#octets(this.#orders, [Buffer.from(spool)]);
  }

  material(digest: Uint8Array, index: number): void {
    this.#orders.push(ORDER.material, index);
    this.#octets(this.#orders, [digest]);
  }

  void(mid: Uint8Array, untilMs: number, nowMs: number): void {
    this.#orders.push(ORDER.void, untilMs, nowMs);
    this.#octets(this.#orders, [mid]);
  }

  /** `entry`: where the server's log holds it; -1 for a checkpoint of that log itself. */
  checkpoint(origin: string, size: number, at: number, entry: number, note: string): void {
    this.#orders.push(ORDER.checkpoint, size, at, entry);
    this.#octets(this.#orders, [Buffer.from(origin)]);
    this.#octets(this.#orders, [Buffer.from(note)]);
  }

  cosignatures(origin: string, size: number, lines: string): void {
    this.#orders.push(ORDER.cosignatures);
    this.#octets(this.#orders, [Buffer.from(lines)]);
    this.#octets(this.#orders, [Buffer.from(origin)]);
    this.#orders.push(size);
  }

  timeStamp(origin: string, size: number, token: Uint8Array): void {
    this.#orders.push(ORDER.timeStamp);
    this.#octets(this.#orders, [token]);
    this.#octets(this.#orders, [Buffer.from(origin)]);
    this.#orders.push(size);
  }

  get bytes(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.#orders.length === 0 && this.#keys.length === 0;
  }

  /** The octets are copied once: into memory that both threads see, where they fit, else into a buffer that is handed over.
   *  @param room nobody else's until the batch is committed */
  packed(log: 'lane' | 'server', room: SharedArrayBuffer): Packed {
    const fits = this.#length <= room.byteLength;
    const octets = fits ? new Uint8Array(room, 0, this.#length) : new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      octets.set(part, at);
      at += part.length;
    }
    // Copied as one block each; lists would be taken apart and built again number by number.
    return { log, keys: new Float64Array(this.#keys), orders: new Float64Array(this.#orders), octets };
  }

  #octets(list: number[], parts: readonly Uint8Array[]): void {
    const begin = this.#length;
    for (const part of parts) {
      this.#parts.push(part);
      this.#length += part.length;
    }
    list.push(begin, this.#length);
  }
}

/** Reads one list of a packed batch from front to back. */
export class OrderReader {
  readonly #numbers: Float64Array;
  readonly #octets: Buffer;
  #at = 0;

  constructor(numbers: Float64Array, octets: Uint8Array) {
    this.#numbers = numbers;
    this.#octets = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#numbers.length;
  }

  number(): number {
    const number = this.#numbers[this.#at++];
    if (number === undefined) throw new TypeError('orders end in the middle of one');
    return number;
  }

  octets(): Buffer {
    const begin = this.number();
    return this.#octets.subarray(begin, this.number());
  }
}
