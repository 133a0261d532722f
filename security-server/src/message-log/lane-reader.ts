// What a lane holds beside its entries: which exchange a message belongs to, contents, keys, void mids. All of it follows
// from entries, or lies beside the log and can be erased; nothing here is evidence.
import { readFileSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { MessageId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { parseContent } from './content.js';
import { fileOf } from './storage/files.js';
import type { Content, Direction, LogKeys } from './message-log.js';
import { reading } from './storage/reader.js';
import { openContent } from './storage/sealed-content.js';

/** Where one message and its exchange stand; numbers are indexes of entries. */
export interface Place {
  readonly idx: number;
  /** Index of the exchange's first entry. */
  readonly exchange: number;
  readonly answer: number | null;
  readonly outcome: number | null;
}

export const octetsOf = (digest: string): Buffer => Buffer.from(digest, 'base64url');

export class LaneReader {
  readonly #folder: string;
  readonly #keys: LogKeys;
  readonly #place;
  readonly #indexes;
  readonly #material;
  readonly #sealed;
  readonly #slot;
  readonly #wrapped;
  readonly #newestSlot;
  readonly #voids;
  readonly #unanswered;

  constructor(folder: string, lane: Database, keysFile: Database, keys: LogKeys) {
    this.#folder = folder;
    this.#keys = keys;
    this.#place = lane.prepare<[Buffer, number], Place>(
      `SELECT idx, exchange, answer, outcome FROM message JOIN exchange ON request = exchange
       WHERE mid = ? AND out = ?`,
    );
    this.#indexes = lane
      .prepare<[Buffer], number>('SELECT idx FROM message WHERE mid = ? ORDER BY idx')
      .pluck();
    this.#material = lane.prepare<[Buffer], number>('SELECT idx FROM material WHERE digest = ?').pluck();
    this.#sealed = lane.prepare<[number], Buffer | null>('SELECT sealed FROM content WHERE idx = ?').pluck();
    this.#slot = lane.prepare<[number], number | null>('SELECT slot FROM exchange WHERE request = ?').pluck();
    this.#wrapped = keysFile.prepare<[number], Buffer>('SELECT wrapped FROM key WHERE slot = ?').pluck();
    this.#newestSlot = keysFile.prepare<[], number | null>('SELECT max(slot) FROM key').pluck();
    this.#voids = lane.prepare<[number], { mid: Buffer; until: number }>(
      'SELECT * FROM void WHERE until >= ?',
    );
    this.#unanswered = lane
      .prepare<[], number>(
        'SELECT request FROM exchange WHERE answer IS NULL AND outcome IS NULL ORDER BY request',
      )
      .pluck();
  }

  place(mid: MessageId, dir: Direction): Place | undefined {
    return reading(() => this.#place.get(octetsOf(mid), dir === 'out' ? 1 : 0));
  }

  /** The entries of a message: two where this server sent it to itself. */
  indexes(mid: MessageId): number[] {
    return reading(() => this.#indexes.all(octetsOf(mid)));
  }

  /** Where the material's entry stands. */
  material(digest: string): number | undefined {
    return reading(() => this.#material.get(octetsOf(digest)));
  }

  /** The exchange's content key; undefined when erased. @throws {OncewayError} `key_invalid` of another token */
  contentKey(exchange: number): Buffer | undefined {
    const wrapped = reading(() => {
      const slot = this.#slot.get(exchange) ?? undefined;
      return slot === undefined ? undefined : this.#wrapped.get(slot);
    });
    return wrapped === undefined ? undefined : this.#keys.unwrapContentKey(wrapped);
  }

  /** The newest slot in the file of keys; undefined while there is none. */
  newestSlot(): number | undefined {
    return reading(() => this.#newestSlot.get()) ?? undefined;
  }

  /** @throws {OncewayError} `log_broken` when it is there and does not open */
  content(exchange: number, idx: number): Content | undefined {
    const sealed = reading(() => this.#sealed.get(idx));
    const key = sealed === undefined ? undefined : this.contentKey(exchange);
    if (sealed === undefined || key === undefined) return undefined;
    try {
      return parseContent(
        openContent(sealed ?? readFileSync(fileOf.content(this.#folder, idx).file), key, idx),
        this.bodyFile(idx),
      );
    } catch (error) {
      throw new OncewayError('log_broken', `content of entry ${idx} does not open`, { cause: error });
    }
  }

  /** Where the streamed body of an entry lies. */
  bodyFile(idx: number): string {
    return fileOf.body(this.#folder, idx);
  }

  voids(nowMs: number): [mid: MessageId, untilMs: number][] {
    const rows = reading(() => this.#voids.all(nowMs));
    return rows.map(({ mid, until }) => [mid.toString('base64url') as MessageId, until]);
  }

  /** Their requests. */
  unanswered(): number[] {
    return reading(() => this.#unanswered.all());
  }
}
