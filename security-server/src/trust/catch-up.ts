// Bounds the search for a configuration that a peer named: once per sequence number, at most one attempt a second,
// two seconds of waiting (design §4.7). A peer that names nonsense costs nothing more.
import { CREDENTIAL_TIMEOUT_MS } from '../limits.js';

const ATTEMPT_INTERVAL_MS = 1_000;
/** Sequence numbers remembered as tried. */
const TRIED_MAX = 1_024;

export class CatchUp {
  readonly #clock: () => number;
  readonly #tried = new Map<number, Promise<void>>();
  #lastAttemptMs = Number.NEGATIVE_INFINITY;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Runs `attempt` for this sequence number unless it was tried, and waits for it no longer than the bound.
   *  Its failure is no error: the caller judges by what it has. */
  async once(seq: number, attempt: () => Promise<void>): Promise<void> {
    let running = this.#tried.get(seq);
    if (running === undefined) {
      const now = this.#clock();
      if (now - this.#lastAttemptMs < ATTEMPT_INTERVAL_MS) return;
      this.#lastAttemptMs = now;
      if (this.#tried.size >= TRIED_MAX) this.#tried.delete(this.#tried.keys().next().value as number);
      this.#tried.set(seq, (running = attempt().catch(() => undefined)));
    }
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      running,
      new Promise((resolve) => (timer = setTimeout(resolve, CREDENTIAL_TIMEOUT_MS))),
    ]);
    clearTimeout(timer);
  }
}
