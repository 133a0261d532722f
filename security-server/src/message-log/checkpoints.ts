// Seals checkpoints and knows how far they, the witnesses and the time-stamps reach. Calls nobody over the network.
import type { LogOrigin } from '@onceway/schemas';
import { RootBuilder, signCheckpoint } from '@onceway/sdk/verify';
import type { CheckpointStore } from './storage/checkpoint-store.js';
import type { EntryReader } from './storage/entry-reader.js';
import { LANE } from './storage/files.js';
import type { Journal } from './journal.js';
import type { Checkpoint, LogKeys, Unwitnessed, WitnessedCheckpoint } from './message-log.js';
import { extentOf, writePromised, type Promised } from './storage/promised.js';

/** Entries that others have seen, and the time of the first one that they have not. */
interface Coverage {
  readonly size: number;
  sinceMs: number | undefined;
}

export interface CheckpointParts {
  readonly folder: string;
  readonly origins: { readonly lane: LogOrigin; readonly server: LogOrigin };
  readonly lane: Journal;
  readonly laneEntries: EntryReader;
  readonly server: Journal;
  readonly store: CheckpointStore;
  readonly keys: LogKeys;
  readonly clock: () => number;
  readonly promised: Promised;
}

export class Checkpoints {
  readonly #parts: CheckpointParts;
  #promised: Promised;
  #sealing: Promise<void> = Promise.resolve();
  #witnessed: Coverage;
  #stamped: Coverage;

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
    this.#promised = parts.promised;
    this.#witnessed = this.#coverage('cosignatures');
    this.#stamped = this.#coverage('token');
  }

  get promised(): Promised {
    return this.#promised;
  }

  latest(): { lane: Checkpoint | undefined; server: WitnessedCheckpoint | undefined } {
    const { store, origins } = this.#parts;
    return { lane: store.newest(origins.lane), server: store.newest(origins.server) };
  }

  /** One at a time; each covers what was durable when its turn came. */
  seal(): Promise<void> {
    const sealed = this.#sealing.then(() => this.#seal());
    this.#sealing = sealed.catch(() => undefined);
    return sealed;
  }

  async #seal(): Promise<void> {
    const { folder, origins, lane, server, keys } = this.#parts;
    const last = this.latest();
    const laneEdge = lane.edge;
    const laneGrew = laneEdge.size > (last.lane?.size ?? 0);
    // One commit holds the lane's checkpoint, its entry in the server's log, and that log's checkpoint over it.
    if (laneGrew || server.edge.size > (last.server?.size ?? 0))
      await server.add((batch) => {
        if (laneGrew) {
          const { size } = laneEdge;
          const root = new RootBuilder(laneEdge).root();
          const note = signCheckpoint({ origin: origins.lane, size, root }, keys.logKey(LANE));
          const { index } = batch.enter({ type: 'lane', origin: origins.lane, event: 'checkpoint', note });
          batch.orders.checkpoint(origins.lane, size, batch.at, index, note);
        }
        const { size } = batch.edge;
        const note = signCheckpoint(
          { origin: origins.server, size, root: batch.root() },
          keys.logKey('server'),
        );
        batch.orders.checkpoint(origins.server, size, batch.at, -1, note);
      });
    // Remembered before anybody hears of it. A crash before this line leaves a checkpoint that nobody was shown.
    const { lane: sealedLane, server: sealedServer } = this.latest();
    const { restoredAt } = this.#promised;
    const promised: Promised = {
      v: 1,
      lane: extentOf(sealedLane),
      server: extentOf(sealedServer),
      ...(restoredAt === undefined ? {} : { restoredAt }),
    };
    if (JSON.stringify(promised) === JSON.stringify(this.#promised)) return;
    writePromised(folder, promised);
    this.#promised = promised;
  }

  unwitnessed(): Unwitnessed | undefined {
    const server = this.#promisedToAll();
    if (server === undefined || server.cosignatures !== undefined) return undefined;
    return { checkpoint: server, witnessedSize: this.#parts.store.witnessedSize(server.origin) };
  }

  unstamped(): Checkpoint | undefined {
    const server = this.#promisedToAll();
    return server?.timeStamp === undefined ? server : undefined;
  }

  /** The server log's newest checkpoint that may be shown: one whose promise is not yet on the disk is not. */
  #promisedToAll(): WitnessedCheckpoint | undefined {
    const { store, origins } = this.#parts;
    return store.newest(origins.server, this.#promised.server.size);
  }

  async keepCosignatures(size: number, lines: string): Promise<void> {
    const { server, origins } = this.#parts;
    await server.add((batch) => {
      batch.orders.cosignatures(origins.server, size, lines);
    });
    this.#witnessed = this.#coverage('cosignatures');
  }

  async keepTimeStamp(size: number, token: Buffer): Promise<void> {
    const { server, origins } = this.#parts;
    await server.add((batch) => {
      batch.orders.timeStamp(origins.server, size, token);
    });
    this.#stamped = this.#coverage('token');
  }

  witnessBacklogMs(): number {
    return this.#ageOf(this.#witnessed);
  }

  stampingBacklogMs(): number {
    return this.#ageOf(this.#stamped);
  }

  #coverage(by: 'cosignatures' | 'token'): Coverage {
    const { store, origins } = this.#parts;
    return { size: store.covered(origins.lane, origins.server, by), sinceMs: undefined };
  }

  // Asked for each exchange: the time of the first entry that is not covered is read once.
  #ageOf(coverage: Coverage): number {
    const { lane, laneEntries, clock } = this.#parts;
    if (coverage.sinceMs === undefined && lane.size > coverage.size)
      coverage.sinceMs = laneEntries.at(coverage.size);
    return coverage.sinceMs === undefined ? 0 : Math.max(0, clock() - coverage.sinceMs);
  }
}
