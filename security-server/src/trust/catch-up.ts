// Bounds the search for a configuration that a peer named (design §4.7): for each peer one at a time, at most one a
// second, once for what it named, two seconds of waiting. A peer that names nonsense costs itself that, and nobody else.
import type { SecurityServerId } from '@onceway/schemas';
import type { ConfigurationReference } from '@onceway/sdk/protocol';
import {
  CATCH_UP_TIMEOUT_MS,
  CATCH_UPS_AT_ONCE_MAX,
  CREDENTIAL_TIMEOUT_MS,
  CREDENTIALS_MAX,
} from '../limits.js';

const ATTEMPT_INTERVAL_MS = 1_000;
/** What failed may be tried again after this: the peer may have been busy, and nobody else need have it. */
const RETRY_MS = 60_000;
/** What one peer named, remembered as tried. */
const TRIED_MAX = 16;

/** Whom to ask: a peer, or the registry. */
export type Source = SecurityServerId | 'registry';

interface Attempt {
  readonly beganMs: number;
  failed: boolean;
  /** Ends with the attempt, or when nobody waits any more. */
  readonly waited: Promise<void>;
}

interface Attempts {
  readonly tried: Map<string, Attempt>;
  lastMs: number;
  running: boolean;
}

export class CatchUp {
  readonly #clock: () => number;
  readonly #sources = new Map<Source, Attempts>();
  #running = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Runs `attempt` for what this source named unless it was tried, and waits for it no longer than the bound.
   *  Its failure is no error: the caller judges by what it has.
   *  @param attempt is told by the signal when its time is up */
  async once(
    source: Source,
    { seq, digest }: ConfigurationReference,
    attempt: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const of = this.#of(source);
    const named = `${seq} ${digest}`;
    const nowMs = this.#clock();
    let at = of.tried.get(named);
    if (at === undefined || (at.failed && nowMs - at.beganMs >= RETRY_MS)) {
      if (of.running || nowMs - of.lastMs < ATTEMPT_INTERVAL_MS || this.#running >= CATCH_UPS_AT_ONCE_MAX)
        return;
      of.lastMs = nowMs;
      if (of.tried.size >= TRIED_MAX) of.tried.delete(of.tried.keys().next().value as string);
      of.tried.set(named, (at = this.#begin(of, nowMs, attempt)));
    }
    await at.waited;
  }

  #begin(of: Attempts, beganMs: number, attempt: (signal: AbortSignal) => Promise<unknown>): Attempt {
    let timer: NodeJS.Timeout | undefined;
    of.running = true;
    this.#running++;
    const ended = attempt(AbortSignal.timeout(CATCH_UP_TIMEOUT_MS))
      .then(
        () => undefined,
        () => void (begun.failed = true),
      )
      .finally(() => {
        clearTimeout(timer);
        of.running = false;
        this.#running--;
      });
    const bound = new Promise<void>((resolve) => (timer = setTimeout(resolve, CREDENTIAL_TIMEOUT_MS)));
    const begun: Attempt = { beganMs, failed: false, waited: Promise.race([ended, bound]) };
    return begun;
  }

  #of(source: Source): Attempts {
    let of = this.#sources.get(source);
    if (of === undefined) {
      if (this.#sources.size >= CREDENTIALS_MAX) this.#forgetOldest();
      of = { tried: new Map(), lastMs: Number.NEGATIVE_INFINITY, running: false };
      this.#sources.set(source, of);
    }
    return of;
  }

  #forgetOldest(): void {
    for (const [source, { running }] of this.#sources)
      if (!running) {
        this.#sources.delete(source);
        return;
      }
  }
}
