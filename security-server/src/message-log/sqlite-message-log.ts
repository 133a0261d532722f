// The message log of one process over SQLite files in one folder: puts the parts together. What an append does stands in
// lane.ts and journal.ts, checkpoints in checkpoints.ts, what a restart checks in recovery.ts.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { Digest, LogOrigin, MessageId, SecurityServerId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { CheckpointStore } from './storage/checkpoint-store.js';
import { Checkpoints } from './checkpoints.js';
import { EntryReader } from './storage/entry-reader.js';
import { createFile, LANE, type FileKind } from './storage/files.js';
import { Journal } from './journal.js';
import { LaneReader } from './lane-reader.js';
import { Lane } from './lane.js';
import type { Direction, LogKeys, MessageLog, ProvenEntry, Recorded } from './message-log.js';
import { MessageQueries } from './message-queries.js';
import { NOTHING, writePromised } from './storage/promised.js';
import { openReader, reading } from './storage/reader.js';
import { Spools } from './storage/spool.js';
import { recover, type StoredLog } from './recovery.js';
import { verifyLog } from './verification.js';
import { Writer } from './storage/writer.js';

export interface MessageLogOptions {
  /** Origin of the server's log; the lane's is below it. */
  readonly origin: LogOrigin;
  readonly keys: LogKeys;
  /** ms since 1970. */
  readonly clock: () => number;
}

/** `<instance domain>/log/<id of the server>`, percent-encoded outside `A-Za-z0-9-._/` (design §5). */
export function logOrigin(domain: string, server: SecurityServerId): LogOrigin {
  // The id is in its one form: what is still to be encoded is ASCII, and its own escapes stay.
  const id = server.replaceAll(
    /[^A-Za-z0-9\-._/%]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${domain}/log/${id}` as LogOrigin;
}

const laneOf = (server: LogOrigin): LogOrigin => `${server}/${LANE}` as LogOrigin;

/** Makes the log's folder, with the lane's opening as the first entry of the server's log. A crash leaves `<folder>.new`,
 *  which the next attempt replaces.
 *  @throws {OncewayError} `conflict` when there is one already, `log_unavailable` */
export async function createMessageLog(folder: string, options: MessageLogOptions): Promise<void> {
  if (existsSync(folder))
    throw new OncewayError('conflict', `${folder} exists: a log is never made over another one`);
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  for (const kind of ['lane', 'server', 'keys'] as const) createFile(fresh, kind);
  const db = openReader(fresh, 'server');
  const writer = new Writer(fresh);
  try {
    const origin = laneOf(options.origin);
    const note = vkeyOf(origin, options.keys.logKey(LANE));
    const journal = new Journal('server', new EntryReader(db), writer, options.clock);
    await journal.add((batch) => batch.enter({ type: 'lane', origin, event: 'opened', note }));
  } finally {
    db.close();
    await writer.close();
  }
  writePromised(fresh, { v: 1, lane: NOTHING, server: NOTHING });
  renameSync(fresh, folder);
}

/** Opens the log that createMessageLog made, once it was found whole up to its last checkpoint and promise. One process
 *  at a time: a second one's appends collide and fail.
 *  @throws {OncewayError} `log_broken` when a file is missing or contradicts what was signed, `log_unavailable` */
export async function openMessageLog(folder: string, options: MessageLogOptions): Promise<MessageLog> {
  const files: Partial<Record<FileKind, Database>> = {};
  try {
    const lane = (files.lane = openReader(folder, 'lane'));
    const server = (files.server = openReader(folder, 'server'));
    const keys = (files.keys = openReader(folder, 'keys'));
    const log = reading(() => new SqliteMessageLog(folder, { lane, server, keys }, options));
    await log.noteLoss();
    return log;
  } catch (error) {
    for (const db of Object.values(files)) db.close();
    throw error;
  }
}

class SqliteMessageLog implements MessageLog {
  readonly lane: LogOrigin;
  readonly server: LogOrigin;
  readonly restoredAtMs: number | undefined;
  readonly #files: Readonly<Record<FileKind, Database>>;
  readonly #logs: { readonly lane: StoredLog; readonly server: StoredLog };
  readonly #store: CheckpointStore;
  readonly #writer: Writer;
  readonly #journals: { readonly lane: Journal; readonly server: Journal };
  readonly #checkpoints: Checkpoints;
  readonly #reader: LaneReader;
  readonly #queries: MessageQueries;
  readonly #lane: Lane;
  readonly #isFreshLoss: boolean;
  readonly #spools: Spools;

  constructor(folder: string, files: Readonly<Record<FileKind, Database>>, options: MessageLogOptions) {
    const { keys, clock, origin } = options;
    const nowMs = clock();
    const stored = (of: LogOrigin, keyName: string, db: Database): StoredLog => ({
      origin: of,
      key: vkeyOf(of, keys.logKey(keyName)),
      entries: new EntryReader(db),
    });
    this.lane = laneOf(origin);
    this.server = origin;
    this.#files = files;
    this.#logs = {
      lane: stored(this.lane, LANE, files.lane),
      server: stored(origin, 'server', files.server),
    };
    this.#store = new CheckpointStore(files.server);
    const promised = recover(folder, this.#logs, this.#store, nowMs);
    this.restoredAtMs = promised.restoredAt;
    this.#isFreshLoss = promised.restoredAt === nowMs;
    const { lane, server } = this.#logs;
    this.#writer = new Writer(folder);
    this.#journals = {
      lane: new Journal('lane', lane.entries, this.#writer, clock),
      server: new Journal('server', server.entries, this.#writer, clock),
    };
    this.#spools = new Spools(folder);
    this.#reader = new LaneReader(folder, files.lane, files.keys, keys);
    this.#queries = new MessageQueries(lane.entries, this.#reader);
    this.#lane = new Lane(this.#journals.lane, lane.entries, this.#reader, keys, nowMs);
    this.#checkpoints = new Checkpoints({
      folder,
      origins: { lane: this.lane, server: this.server },
      lane: this.#journals.lane,
      laneEntries: lane.entries,
      server: this.#journals.server,
      store: this.#store,
      keys,
      clock,
      promised,
    });
  }

  /** What is missing is said in the log itself. */
  async noteLoss(): Promise<void> {
    if (!this.#isFreshLoss) return;
    const { lane, server } = this.counts();
    const note = `entries are missing that were promised before: the lane goes on from ${lane}, this log from ${server}`;
    await this.appendToServerLog({ type: 'note', note });
  }

  promise(): ReturnType<MessageLog['promise']> {
    return { origin: this.lane, ...this.#checkpoints.promised.lane };
  }

  spool(...whose: readonly string[]): ReturnType<MessageLog['spool']> {
    return this.#spools.open(whose);
  }

  appendRequest(...args: Parameters<MessageLog['appendRequest']>): Promise<Recorded> {
    return this.#lane.appendRequest(...args);
  }

  appendAnswer(...args: Parameters<MessageLog['appendAnswer']>): Promise<Recorded> {
    return this.#lane.appendAnswer(...args);
  }

  appendRefusal(...args: Parameters<MessageLog['appendRefusal']>): Promise<Recorded> {
    return this.#lane.appendRefusal(...args);
  }

  appendOutcome(...args: Parameters<MessageLog['appendOutcome']>): Promise<Recorded> {
    return this.#lane.appendOutcome(...args);
  }

  appendMaterials(materials: Parameters<MessageLog['appendMaterials']>[0]): Promise<void> {
    return this.#lane.appendMaterials(materials);
  }

  appendToServerLog(entry: Parameters<MessageLog['appendToServerLog']>[0]): Promise<Recorded> {
    return this.#journals.server.add((batch) => batch.enter(entry));
  }

  declareNotRecorded(mid: MessageId, untilMs: number): Promise<'void' | 'recorded'> {
    return this.#lane.declareNotRecorded(mid, untilMs);
  }

  // Reads are short and wait for nobody, but their errors belong into the promise.
  async exchange(mid: MessageId, dir: Direction): ReturnType<MessageLog['exchange']> {
    return this.#queries.exchange(mid, dir);
  }

  async content(mid: MessageId, dir: Direction): ReturnType<MessageLog['content']> {
    return this.#queries.content(mid, dir);
  }

  requestsSince(atMs: number): ReturnType<MessageLog['requestsSince']> {
    return this.#queries.requestsSince(atMs);
  }

  async unanswered(): ReturnType<MessageLog['unanswered']> {
    return this.#queries.unanswered();
  }

  async messages(mid: MessageId): Promise<readonly ProvenEntry[]> {
    return this.#reader.indexes(mid).map((index) => this.#proven(index));
  }

  async material(digest: Digest): Promise<Buffer | undefined> {
    const index = this.#reader.material(digest);
    return index === undefined ? undefined : this.#entryOf(this.lane, index);
  }

  async entry(log: LogOrigin, index: number): Promise<Buffer> {
    return this.#entryOf(log, index);
  }

  async inclusionProof(log: LogOrigin, index: number, size: number): Promise<readonly Buffer[]> {
    return this.#upTo(log, size, index + 1).inclusionProof(index, size);
  }

  async consistencyProof(log: LogOrigin, from: number, to: number): Promise<readonly Buffer[]> {
    return this.#upTo(log, to, from).consistencyProof(from, to);
  }

  latestCheckpoints(): ReturnType<MessageLog['latestCheckpoints']> {
    return this.#checkpoints.latest();
  }

  counts(): ReturnType<MessageLog['counts']> {
    const lane = this.#journals.lane.size;
    const covered = this.#checkpoints.promised.lane.size;
    return { lane, server: this.#journals.server.size, uncovered: lane - covered };
  }

  async verify(): Promise<void> {
    await verifyLog(this.#files.lane, this.#logs.lane, this.#store, this.#reader);
    await verifyLog(this.#files.server, this.#logs.server, this.#store);
  }

  sealCheckpoint(): Promise<void> {
    return this.#checkpoints.seal();
  }

  unwitnessed(): ReturnType<MessageLog['unwitnessed']> {
    return this.#checkpoints.unwitnessed();
  }

  unstamped(): ReturnType<MessageLog['unstamped']> {
    return this.#checkpoints.unstamped();
  }

  keepCosignatures(size: number, lines: string): Promise<void> {
    return this.#checkpoints.keepCosignatures(size, lines);
  }

  keepTimeStamp(size: number, token: Buffer): Promise<void> {
    return this.#checkpoints.keepTimeStamp(size, token);
  }

  witnessBacklogMs(): number {
    return this.#checkpoints.witnessBacklogMs();
  }

  stampingBacklogMs(): number {
    return this.#checkpoints.stampingBacklogMs();
  }

  async close(): Promise<void> {
    await this.#journals.lane.drained();
    // Without it nothing is lost: the next start checks what no checkpoint covers.
    await this.sealCheckpoint().catch(() => undefined);
    await this.#journals.server.drained();
    // The writer's are the last connections, so that they leave whole files without a WAL.
    for (const db of Object.values(this.#files)) db.close();
    await this.#writer.close();
  }

  #logOf(origin: LogOrigin): StoredLog {
    if (origin === this.lane) return this.#logs.lane;
    if (origin === this.server) return this.#logs.server;
    throw new OncewayError('not_found', `no log ${origin} here`);
  }

  #proven(index: number): ProvenEntry {
    const leaf = { log: this.lane, index, octets: this.#entryOf(this.lane, index) };
    const checkpoint = this.#store.covering(this.lane, index);
    if (checkpoint === undefined) return leaf;
    const proof = this.#logs.lane.entries.inclusionProof(index, checkpoint.size);
    const proven = { ...leaf, lane: { checkpoint, proof } };
    const { entry } = checkpoint;
    const server = this.#store.covering(this.server, entry);
    if (server === undefined) return proven;
    return {
      ...proven,
      server: {
        entry: { log: this.server, index: entry, octets: this.#entryOf(this.server, entry) },
        checkpoint: server,
        proof: this.#logs.server.entries.inclusionProof(entry, server.size),
      },
    };
  }

  #entryOf(origin: LogOrigin, index: number): Buffer {
    const octets = this.#logOf(origin).entries.entry(index);
    if (octets === undefined) throw new OncewayError('not_found', `${origin} has no entry ${index}`);
    return octets;
  }

  /** The entries of a log that has `size` of them, of which `within` are asked about. */
  #upTo(origin: LogOrigin, size: number, within: number): EntryReader {
    const { entries } = this.#logOf(origin);
    const isThere = Number.isSafeInteger(size) && Number.isSafeInteger(within) && within >= 0;
    if (!isThere || within > size || size > entries.size())
      throw new OncewayError('not_found', `${origin} has no such tree`);
    return entries;
  }
}
