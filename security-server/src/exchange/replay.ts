// Which messages were received before: one window for the whole server, rebuilt from the log at start (design §4.7).
// It needs no file of its own: an entry in the log is what makes a message known, and the log is durable first.
import { OncewayError } from '@onceway/sdk/protocol';
import { REPLAY_ENTRIES_MAX } from '../limits.js';

interface Sender {
  readonly iss: string;
  readonly jti: string;
}

/** Dropping what has expired is spread over the inserts; one in so many looks through the oldest. */
const SWEEP_EVERY = 256;

export class ReplayWindow {
  /** Key → when it may be forgotten, ms. In order of insertion, which is nearly that of expiry. */
  readonly #seen = new Map<string, number>();
  readonly #clock: () => number;
  /** Messages from before this can not be judged: the log was lost or restored. */
  readonly #refuseIssuedBeforeMs: number;
  #inserts = 0;

  constructor(clock: () => number, refuseIssuedBeforeMs = Number.NEGATIVE_INFINITY) {
    this.#clock = clock;
    this.#refuseIssuedBeforeMs = refuseIssuedBeforeMs;
  }

  /** Remembers a message that is in the log already. */
  restore(sender: Sender, untilMs: number): void {
    this.#seen.set(`${sender.iss} ${sender.jti}`, untilMs);
  }

  /** Takes a message once. Two of the same at one time: the insert is synchronous, so one of them is refused.
   *  @throws {OncewayError} `message_replayed`, `busy` */
  take(sender: Sender, issuedMs: number, untilMs: number): void {
    if (issuedMs <= this.#refuseIssuedBeforeMs)
      throw new OncewayError(
        'message_replayed',
        'the log was restored: whether this came before is not known',
      );
    const key = `${sender.iss} ${sender.jti}`;
    if (this.#seen.has(key)) throw new OncewayError('message_replayed', 'received before');
    if (++this.#inserts % SWEEP_EVERY === 0) this.#sweep();
    if (this.#seen.size >= REPLAY_ENTRIES_MAX)
      throw new OncewayError('busy', 'the replay window is full', { retrySeconds: 5 });
    this.#seen.set(key, untilMs);
  }

  get size(): number {
    return this.#seen.size;
  }

  #sweep(): void {
    const now = this.#clock();
    let looked = 0;
    for (const [key, untilMs] of this.#seen) {
      if (untilMs < now) this.#seen.delete(key);
      else if (++looked > SWEEP_EVERY) return;
    }
  }
}
