// The lane's appends: which entries and orders each one gives. Everything here runs in the order of the batches, so that
// "was it recorded" and "it is void" exclude each other.
import type { Digest, MessageId } from '@onceway/schemas';
import {
  digestOf,
  OncewayError,
  type MessageEntry,
  type OutcomeEntry,
  type RefusalEntry,
} from '@onceway/sdk/protocol';
import { KNOWN_MATERIALS_MAX, OPEN_EXCHANGES_MAX } from '../limits.js';
import { ContentKeys } from './content-keys.js';
import { contentParts } from './content.js';
import type { EntryReader } from './storage/entry-reader.js';
import type { Batch, Journal } from './journal.js';
import { octetsOf, type LaneReader } from './lane-reader.js';
import type { Content, Direction, Draft, LogKeys, Material, Recorded } from './message-log.js';
import { SpooledBody } from './storage/spool.js';

/** A recorded exchange as the next plan must see it. */
interface Open {
  readonly request: number;
  /** Undefined for an exchange found on disk, until its content key is needed. */
  readonly key: Buffer | undefined;
  /** Index and mid of the answer or refusal that closed it. */
  readonly answer: { readonly recorded: Recorded; readonly mid: MessageId | undefined } | undefined;
}

/** Of the exchange whose request this is. */
const nameOf = (mid: MessageId, dir: Direction): string => `${mid} ${dir}`;

/** What the batch at hand adds to what is durable; thrown away with the batch when it fails. */
interface Fresh {
  readonly exchanges: Map<string, Open>;
  readonly voids: Map<MessageId, number>;
  readonly materials: Set<string>;
  readonly lists: Set<readonly Material[]>;
  /** Openings of streamed requests. */
  readonly openings: Set<string>;
}

export class Lane {
  readonly #journal: Journal;
  readonly #entries: EntryReader;
  readonly #reader: LaneReader;
  readonly #keys: ContentKeys;
  readonly #fresh = new WeakMap<Batch, Fresh>();
  /** Recorded and not answered: their answers need no read. */
  readonly #open = new Map<string, Open>();
  readonly #voids: Map<MessageId, number>;
  readonly #materials = new Map<string, true>();
  /** Lists whose every item is in the lane. */
  readonly #entered = new WeakSet<readonly Material[]>();

  constructor(journal: Journal, entries: EntryReader, reader: LaneReader, keys: LogKeys, nowMs: number) {
    this.#journal = journal;
    this.#entries = entries;
    this.#reader = reader;
    this.#keys = new ContentKeys(keys, (reader.newestSlot() ?? 0) + 1);
    this.#voids = new Map(reader.voids(nowMs));
  }

  appendRequest(
    entry: Draft<MessageEntry>,
    mid: MessageId,
    options: {
      readonly content: Content;
      readonly materials: readonly Material[];
      readonly opening?: MessageId | undefined;
    },
  ): Promise<Recorded> {
    const { content, opening } = options;
    const parts = contentParts(content);
    return this.#journal.add((batch) => {
      const { dir } = entry;
      this.#refuseVoid(batch, mid, dir);
      if (this.#find(batch, mid, dir) !== undefined)
        throw new OncewayError('message_replayed', `${mid} was recorded before`);
      if (opening !== undefined) {
        this.#refuseVoid(batch, opening, dir);
        if (this.#find(batch, opening, dir) !== undefined)
          throw new OncewayError('message_replayed', `${opening} was recorded before`);
      }
      const { slot, key } = this.#keys.take(batch);
      this.#enterMaterials(batch, options.materials);
      const recorded = batch.enter(entry);
      batch.orders.content(recorded.index, key, parts);
      batch.orders.exchange(recorded.index, slot);
      batch.orders.message(octetsOf(mid), dir, recorded.index, recorded.index);
      const opened = { request: recorded.index, key, answer: undefined };
      this.#freshOf(batch).exchanges.set(nameOf(mid, dir), opened);
      if (content.body instanceof SpooledBody) this.#enterBody(batch, recorded.index, content.body);
      if (opening !== undefined) {
        batch.orders.message(octetsOf(opening), dir, recorded.index, recorded.index);
        this.#freshOf(batch).openings.add(nameOf(opening, dir));
      }
      return recorded;
    });
  }

  appendAnswer(
    entry: Draft<MessageEntry>,
    mid: MessageId,
    re: MessageId,
    options: { readonly content: Content; readonly materials: readonly Material[] },
  ): Promise<Recorded> {
    const parts = contentParts(options.content);
    return this.#journal.add((batch) => {
      const { dir } = entry;
      const asked = dir === 'in' ? 'out' : 'in';
      const exchange = this.#recorded(batch, re, asked);
      const earlier = this.#earlierAnswer(exchange, mid, dir);
      if (earlier !== undefined) return earlier;
      const key = exchange.key ?? this.#reader.contentKey(exchange.request);
      this.#enterMaterials(batch, options.materials);
      const recorded = batch.enter(entry);
      // Contents of an exchange are kept together or not at all: the request's may have been erased meanwhile.
      if (key !== undefined) {
        batch.orders.content(recorded.index, key, parts);
        const { body } = options.content;
        if (body instanceof SpooledBody) this.#enterBody(batch, recorded.index, body);
      }
      batch.orders.message(octetsOf(mid), dir, exchange.request, recorded.index);
      this.#close(batch, nameOf(re, asked), exchange.request, { recorded, mid });
      return recorded;
    });
  }

  appendRefusal(
    compose: (index: number) => { readonly entry: Draft<RefusalEntry>; readonly mid: MessageId },
    requestMid: MessageId,
    options: { readonly materials: readonly Material[] },
  ): Promise<Recorded> {
    return this.#journal.add((batch) => {
      this.#enterMaterials(batch, options.materials);
      const { entry, mid } = compose(batch.size);
      const { dir } = entry;
      const exchange = this.#find(batch, requestMid, dir);
      if (exchange === undefined) this.#refuseVoid(batch, requestMid, dir);
      const earlier = exchange && this.#earlierAnswer(exchange, mid, dir);
      if (earlier !== undefined) return earlier;
      const recorded = batch.enter(entry);
      const { index } = recorded;
      if (exchange === undefined) {
        batch.orders.exchange(index, null);
        batch.orders.message(octetsOf(requestMid), dir, index, index);
      }
      const request = exchange?.request ?? index;
      batch.orders.message(octetsOf(mid), dir, request, index);
      this.#close(batch, nameOf(requestMid, dir), request, { recorded, mid });
      return recorded;
    });
  }

  appendOutcome(re: MessageId, dir: Direction, outcome: OutcomeEntry['outcome']): Promise<Recorded> {
    return this.#journal.add((batch) => {
      const { request } = this.#recorded(batch, re, dir);
      const recorded = batch.enter({ type: 'outcome', dir, re, outcome });
      batch.orders.outcome(request, recorded.index);
      return recorded;
    });
  }

  async appendMaterials(materials: readonly Material[]): Promise<void> {
    await this.#journal.add((batch) => {
      this.#enterMaterials(batch, materials);
    });
  }

  declareNotRecorded(mid: MessageId, untilMs: number): Promise<'void' | 'recorded'> {
    return this.#journal.add((batch) => {
      if (this.#find(batch, mid, 'in') !== undefined || this.#freshOf(batch).openings.has(nameOf(mid, 'in')))
        return 'recorded';
      batch.orders.void(octetsOf(mid), untilMs, batch.at);
      this.#freshOf(batch).voids.set(mid, untilMs);
      return 'void';
    });
  }

  /** The spooled body becomes that of the entry, in one commit with it. */
  #enterBody(batch: Batch, index: number, body: SpooledBody): void {
    batch.orders.body(index, body.file);
    batch.durable.push(() => body.movedTo(this.#reader.bodyFile(index)));
  }

  #refuseVoid(batch: Batch, mid: MessageId, dir: Direction): void {
    if (dir === 'in' && (this.#voids.has(mid) || this.#freshOf(batch).voids.has(mid)))
      throw new OncewayError('message_void', `${mid} was declared not recorded`);
  }

  #recorded(batch: Batch, mid: MessageId, dir: Direction): Open {
    const exchange = this.#find(batch, mid, dir);
    if (exchange === undefined) throw new TypeError(`the request ${mid} (${dir}) is not recorded`);
    return exchange;
  }

  #find(batch: Batch, mid: MessageId, dir: Direction): Open | undefined {
    const name = nameOf(mid, dir);
    const known = this.#freshOf(batch).exchanges.get(name) ?? this.#open.get(name);
    if (known !== undefined) return known;
    const place = this.#reader.place(mid, dir);
    if (place === undefined) return undefined;
    const { exchange: request, answer } = place;
    if (answer === null) return { request, key: undefined, answer: undefined };
    const recorded = { index: answer, at: this.#entries.at(answer) ?? 0 };
    return { request, key: undefined, answer: { recorded, mid: undefined } };
  }

  /** A fetched answer may arrive beside the one that was late: the same one is no contradiction, another one is. */
  #earlierAnswer({ answer }: Open, mid: MessageId, dir: Direction): Recorded | undefined {
    if (answer === undefined) return undefined;
    const isSame =
      answer.mid === undefined
        ? this.#reader.place(mid, dir)?.idx === answer.recorded.index
        : answer.mid === mid;
    if (!isSame) throw new OncewayError('conflict', 'the request was answered before, otherwise');
    return answer.recorded;
  }

  #close(batch: Batch, name: string, request: number, answer: NonNullable<Open['answer']>): void {
    batch.orders.answer(request, answer.recorded.index);
    this.#freshOf(batch).exchanges.set(name, { request, key: undefined, answer });
  }

  #enterMaterials(batch: Batch, materials: readonly Material[]): void {
    if (this.#entered.has(materials)) return;
    const { materials: fresh, lists } = this.#freshOf(batch);
    if (lists.has(materials)) return;
    for (const { kind, digest, octets } of materials) {
      if (this.#materials.has(digest) || fresh.has(digest)) continue;
      if (this.#reader.material(digest) === undefined) {
        const found = octets();
        if (materialDigest(kind, found) !== digest)
          throw new TypeError(`${kind} ${digest} is given other octets: the log would hold them for ever`);
        const encoding = kind === 'certificate' || kind === 'ocsp' ? 'base64' : 'utf8';
        const { index } = batch.enter({ type: 'material', kind, digest, octets: found.toString(encoding) });
        batch.orders.material(octetsOf(digest), index);
      }
      fresh.add(digest);
    }
    lists.add(materials);
  }

  #freshOf(batch: Batch): Fresh {
    const known = this.#fresh.get(batch);
    if (known !== undefined) return known;
    const fresh: Fresh = {
      exchanges: new Map(),
      voids: new Map(),
      materials: new Set(),
      lists: new Set(),
      openings: new Set(),
    };
    this.#fresh.set(batch, fresh);
    batch.durable.push(() => {
      for (const [name, exchange] of fresh.exchanges)
        if (exchange.answer === undefined) remember(this.#open, name, exchange, OPEN_EXCHANGES_MAX);
        else this.#open.delete(name);
      for (const digest of fresh.materials) remember(this.#materials, digest, true, KNOWN_MATERIALS_MAX);
      for (const list of fresh.lists) this.#entered.add(list);
      if (fresh.voids.size === 0) return;
      for (const [mid, untilMs] of this.#voids) if (untilMs < batch.at) this.#voids.delete(mid);
      for (const [mid, untilMs] of fresh.voids) this.#voids.set(mid, untilMs);
    });
    return fresh;
  }
}

/** A configuration is named by its head's payload; everything else by its octets. */
function materialDigest(kind: Material['kind'], octets: Buffer): Digest {
  if (kind !== 'configuration') return digestOf(octets);
  const { head } = JSON.parse(octets.toString('utf8')) as { head: readonly string[] };
  return digestOf(Buffer.from(head[0]?.split('.')[1] ?? '', 'base64url'));
}

/** Beyond the bound the oldest is forgotten, and read from the disk when it is asked for. */
function remember<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  if (map.size >= max) for (const oldest of map.keys()) if (map.delete(oldest)) break;
  map.set(key, value);
}
