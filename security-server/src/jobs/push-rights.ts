// Pushes rights to the servers of their consumers (design §7) until each has taken them: at start, after each decision
// here, and under each new configuration, which may have moved a client or added one to a group. What was taken is kept
// in state.db, so a crash costs at most a right that is shown twice.
import type { SecurityServerId } from '@onceway/schemas';
import { codeOf, OncewayError, type ErrorCode } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from '../exchange/exchange.js';
import { pushRight } from '../exchange/push-right.js';
import { PUSHES_AT_ONCE_MAX, PUSH_RETRY_MS_MAX, PUSH_RETRY_MS_MIN } from '../limits.js';
import type { RightDeliveries, Undelivered } from '../services/right-deliveries.js';
import type { Subject } from '../services/service.js';

/** With these a server has judged the right itself; anything else may be over when it is asked again. */
const JUDGED: ReadonlySet<ErrorCode> = new Set([
  'client_unknown',
  'conflict',
  'envelope_invalid',
  'request_invalid',
  'signature_invalid',
  'signer_not_listed',
]);

interface Wait {
  readonly untilMs: number;
  readonly delayMs: number;
}

export class RightPushing {
  readonly #exchange: Exchange;
  readonly #deliveries: RightDeliveries;
  readonly #waits = new Map<SecurityServerId, Wait>();
  #running: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(exchange: Exchange, deliveries: RightDeliveries) {
    this.#exchange = exchange;
    this.#deliveries = deliveries;
  }

  /** Begins a round, or another one after that under way. Never rejects. */
  wake(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#again = this.#running !== undefined;
    this.#running ??= this.#rounds();
    return this.#running;
  }

  /** No right is sent after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false;
      clearTimeout(this.#timer);
      try {
        await this.#round();
      } catch (error) {
        this.#exchange.failed('push-rights', error);
        this.#wakeAfter(PUSH_RETRY_MS_MAX);
      }
    } while (this.#isAskedAgain());
    this.#running = undefined;
  }

  #isAskedAgain(): boolean {
    return this.#again && !this.#isClosed;
  }

  async #round(): Promise<void> {
    const { configuration, server, clock } = this.#exchange;
    const trust = configuration.latest();
    if (trust === undefined) return;
    const due = this.#deliveries.undelivered((subject, provider) =>
      // Of a client on this server the right is entered already.
      this.#serversOf(subject, provider, trust).filter((id) => id !== server),
    );
    for (const id of this.#waits.keys()) if (!due.has(id)) this.#waits.delete(id);
    const queue = [...due].filter(([id]) => (this.#waits.get(id)?.untilMs ?? 0) <= clock());
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        if (!this.#isClosed) await this.#push(...next);
    };
    await Promise.all(Array.from({ length: PUSHES_AT_ONCE_MAX }, work));
    const soonest = Math.min(...[...this.#waits.values()].map(({ untilMs }) => untilMs));
    if (Number.isFinite(soonest)) this.#wakeAfter(Math.max(0, soonest - clock()));
  }

  /** To one server, one after the other; what it does not take ends its turn. */
  async #push(id: SecurityServerId, rights: readonly Undelivered[]): Promise<void> {
    for (const { signed, digest, isNewest } of rights) {
      if (this.#isClosed) return;
      try {
        const trust = this.#exchange.configuration.current();
        const server = trust.server(id);
        if (server === undefined) throw new OncewayError('provider_unreachable', `${id} is not listed`);
        await pushRight(signed, server, trust, this.#exchange);
        this.#deliveries.settle(digest, id, 'taken');
      } catch (error) {
        // What was replaced since need not be taken: the one that replaces it follows.
        if (!isNewest && JUDGED.has(codeOf(error))) {
          this.#deliveries.settle(digest, id, codeOf(error));
          continue;
        }
        this.#exchange.failed('push-rights', error, { server: id, right: digest });
        return this.#wait(id, error);
      }
    }
    this.#waits.delete(id);
  }

  #wait(id: SecurityServerId, error: unknown): void {
    const asked = error instanceof OncewayError ? (error.retrySeconds ?? 0) * 1_000 : 0;
    const before = this.#waits.get(id)?.delayMs ?? 0;
    const delayMs = Math.min(PUSH_RETRY_MS_MAX, Math.max(PUSH_RETRY_MS_MIN, 2 * before, asked));
    this.#waits.set(id, { delayMs, untilMs: this.#exchange.clock() + delayMs });
  }

  #wakeAfter(ms: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.wake(), ms).unref();
  }

  #serversOf(
    subject: Subject,
    provider: Parameters<Exchange['directory']['localGroup']>[0],
    trust: TrustView,
  ): SecurityServerId[] {
    const clients =
      'client' in subject
        ? [subject.client]
        : 'group' in subject
          ? trust.clientsOf(subject.group)
          : [...this.#exchange.directory.localGroup(provider, subject.localGroup)];
    return [...new Set(clients.flatMap((client) => trust.serversOf(client).map(({ id }) => id)))];
  }
}
