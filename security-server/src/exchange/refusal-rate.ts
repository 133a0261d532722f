// Bounds how many signed refusals, or rights, one peer can make us write, so that a faulty one can not fill the log.
import type { SecurityServerId } from '@onceway/schemas';
import { SIGNED_REFUSALS_PER_S_MAX } from '../limits.js';

export class RefusalRate {
  readonly #clock: () => number;
  readonly #perSecondMax: number;
  readonly #counts = new Map<SecurityServerId, { second: number; count: number }>();
  /** Refusals that were only counted. */
  unsigned = 0;

  constructor(clock: () => number, perSecondMax = SIGNED_REFUSALS_PER_S_MAX) {
    this.#clock = clock;
    this.#perSecondMax = perSecondMax;
  }

  /** Whether one more of this peer may be entered. */
  allow(peer: SecurityServerId): boolean {
    const second = Math.floor(this.#clock() / 1000);
    const current = this.#counts.get(peer);
    if (current?.second !== second) {
      this.#counts.set(peer, { second, count: 1 });
      return true;
    }
    if (++current.count <= this.#perSecondMax) return true;
    this.unsigned++;
    return false;
  }
}
