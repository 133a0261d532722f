// What is asked of a lane about its messages: exchanges, open ones, the replay window. Reads only.
import { setImmediate } from 'node:timers/promises';
import type { MessageId, SubsystemId } from '@onceway/schemas';
import {
  OncewayError,
  messageIdOf,
  type LogEntry,
  type MessageEntry,
  type OutcomeEntry,
  type RefusalEntry,
} from '@onceway/sdk/protocol';
import type { EntryReader } from './storage/entry-reader.js';
import type { LaneReader } from './lane-reader.js';
import type { Content, Direction, ExchangeState } from './message-log.js';

interface RequestClaims {
  readonly iss: SubsystemId;
  readonly jti: string;
  /** Seconds. */
  readonly exp: number;
  /** Only answers and refusals have it. */
  readonly re?: MessageId;
}

const midOf = (compact: string): MessageId =>
  messageIdOf({ signingInput: compact.slice(0, compact.lastIndexOf('.')) });

/** Claims of an envelope that was verified before it was entered. */
function claimsOf(compact: string): RequestClaims {
  return JSON.parse(Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString()) as RequestClaims;
}

/** The closing's where there is one; of a refusal its own, not that of the request in its entry. */
export function entryMidOf(entry: MessageEntry | RefusalEntry): MessageId {
  return midOf(entry.type === 'refusal' ? entry.refusal : (entry.closing ?? entry.message));
}

/** Of a request, also of one that was refused as it came. */
function requestMidOf(entry: MessageEntry | RefusalEntry): MessageId {
  return entry.type === 'refusal' ? midOf(entry.message) : entryMidOf(entry);
}

export class MessageQueries {
  readonly #entries: EntryReader;
  readonly #reader: LaneReader;

  constructor(entries: EntryReader, reader: LaneReader) {
    this.#entries = entries;
    this.#reader = reader;
  }

  exchange(mid: MessageId, dir: Direction): ExchangeState | undefined {
    const place = this.#reader.place(mid, dir);
    if (place === undefined || place.idx !== place.exchange) return undefined;
    const request = this.#message(place.exchange);
    // The mid of a refusal that was entered together with its request leads here too.
    if (requestMidOf(request) !== mid && midOf(request.message) !== mid) return undefined;
    const outcome =
      place.outcome === null ? undefined : (this.#parsed(place.outcome) as OutcomeEntry).outcome;
    return {
      requestIndex: place.exchange,
      request,
      ...(place.answer === null ? {} : { answer: this.#answer(place.exchange, place.answer) }),
      ...(outcome === undefined ? {} : { outcome }),
    };
  }

  content(mid: MessageId, dir: Direction): Content | undefined {
    const place = this.#reader.place(mid, dir);
    return place === undefined ? undefined : this.#reader.content(place.exchange, place.idx);
  }

  async *requestsSince(atMs: number): AsyncGenerator<{ iss: SubsystemId; jti: string; expMs: number }> {
    const size = this.#entries.size();
    for (const chunk of this.#entries.range(this.#entries.firstSince(atMs), size)) {
      for (const { octets } of chunk) {
        const entry = JSON.parse(octets.toString()) as LogEntry;
        if ((entry.type !== 'message' && entry.type !== 'refusal') || entry.dir !== 'in') continue;
        const { iss, jti, exp, re } = claimsOf(entry.message);
        if (re === undefined) yield { iss, jti, expMs: exp * 1000 };
      }
      await setImmediate();
    }
  }

  unanswered(): { mid: MessageId; dir: Direction }[] {
    return this.#reader.unanswered().map((request) => {
      const entry = this.#message(request);
      return { mid: requestMidOf(entry), dir: entry.dir };
    });
  }

  #answer(exchange: number, index: number): NonNullable<ExchangeState['answer']> {
    const entry = this.#message(index);
    return { mid: entryMidOf(entry), index, entry, content: this.#reader.content(exchange, index) };
  }

  #parsed(index: number): LogEntry {
    const octets = this.#entries.entry(index);
    if (octets === undefined) throw new OncewayError('log_broken', `entry ${index} is missing`);
    return JSON.parse(octets.toString()) as LogEntry;
  }

  #message(index: number): MessageEntry | RefusalEntry {
    const entry = this.#parsed(index);
    if (entry.type !== 'message' && entry.type !== 'refusal')
      throw new OncewayError('log_broken', `entry ${index} is no message`);
    return entry;
  }
}
