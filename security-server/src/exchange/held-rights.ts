// Which rights the server's log holds, so that a right that an answer names is fetched once (keep-right.ts).
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '@onceway/schemas';
import { digestOf, type LogEntry } from '@onceway/sdk/protocol';
import { KNOWN_RIGHTS_MAX, RIGHT_RETRY_MS } from '../limits.js';
import type { MessageLog } from '../message-log/message-log.js';

/** Entries read between two turns of the event loop. */
const READ_AT_ONCE = 256;

/** Read from the log at the first question. */
export class HeldRights {
  readonly #clock: () => number;
  #held: Promise<Set<Digest>> | undefined;
  /** Asked for, and when it may be asked again, ms: for what is held, never. */
  readonly #asked = new Map<Digest, number>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Runs `enter` for a right that is not held, one attempt at a time and one a minute. */
  async once(digest: Digest, log: MessageLog, enter: () => Promise<void>): Promise<void> {
    const nowMs = this.#clock();
    const retryAtMs = this.#asked.get(digest);
    if (retryAtMs !== undefined && retryAtMs > nowMs) return;
    if (this.#asked.size >= KNOWN_RIGHTS_MAX) this.#asked.clear();
    this.#asked.set(digest, nowMs + RIGHT_RETRY_MS);
    const held = await (this.#held ??= heldBy(log).catch((error: unknown) => {
      this.#held = undefined;
      throw error;
    }));
    if (!held.has(digest)) await enter();
    held.add(digest);
    this.#asked.set(digest, Number.POSITIVE_INFINITY);
  }
}

async function heldBy(log: MessageLog): Promise<Set<Digest>> {
  const held = new Set<Digest>();
  const { server: size } = log.counts();
  for (let index = 0; index < size; index++) {
    if (index % READ_AT_ONCE === 0) await setImmediate();
    const entry = JSON.parse((await log.entry(log.server, index)).toString()) as LogEntry;
    if (entry.type === 'right') held.add(digestOf(Buffer.from(entry.right)));
  }
  return held;
}
