// Pushes rights to the servers of their consumers (design §7) until each has taken them: at start, after each decision
// here, and under each new configuration, which may have moved a client or added one to a group. What was taken is kept
// in state.db, so a crash costs at most a right that is shown twice.
import type { Digest, SecurityServerId } from '@onceway/schemas';
import { codeOf, OncewayError, type ErrorCode } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from '../exchange/exchange.js';
import { checkShowable, pushRight } from '../exchange/push-right.js';
import { PUSHES_AT_ONCE_MAX, PUSH_RETRY_MS_MAX, PUSH_RETRY_MS_MIN, PUSH_TURN_MS } from '../limits.js';
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

/** ... and with these nobody ever takes it again: whom it was signed by counts no more. */
const OVER: ReadonlySet<ErrorCode> = new Set([
  'certificate_invalid',
  'certificate_revoked',
  'signer_not_listed',
]);

interface Wait {
  readonly untilMs: number;
  readonly delayMs: number;
}

/** Of a right that a server refused. */
const nameOf = (digest: Digest, server: SecurityServerId): string => `${digest} ${server}`;

export class RightPushing {
  readonly #exchange: Exchange;
  readonly #deliveries: RightDeliveries;
  /** Of a server, and of a right that it refused: the others do not wait for that one. */
  readonly #waits = new Map<string, Wait>();
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
    this.#forgetAllBut(due);
    const startMs = clock();
    const isFree = (name: string): boolean => (this.#waits.get(name)?.untilMs ?? 0) <= startMs;
    const queue = [...due]
      .filter(([id]) => isFree(id))
      .map(([id, rights]) => [id, rights.filter(({ digest }) => isFree(nameOf(digest, id)))] as const);
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        if (!this.#isClosed) await this.#push(...next);
    };
    await Promise.all(Array.from({ length: PUSHES_AT_ONCE_MAX }, work));
    // One that was over already is of a right whose server waits itself.
    let soonest = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#waits.values())
      if (untilMs > startMs) soonest = Math.min(soonest, untilMs);
    if (Number.isFinite(soonest)) this.#wakeAfter(Math.max(0, soonest - clock()));
  }

  /** To one server, one after the other, for a turn. One that it refuses keeps none of the others. */
  async #push(id: SecurityServerId, rights: readonly Undelivered[]): Promise<void> {
    const { clock } = this.#exchange;
    const endMs = clock() + PUSH_TURN_MS;
    for (const right of rights) {
      if (this.#isClosed) return;
      // A slow server does not hold up what others are to be told: the rest has its turn in another round.
      if (clock() >= endMs)
        return void this.#waits.set(id, { delayMs: 0, untilMs: clock() + PUSH_RETRY_MS_MIN });
      try {
        await this.#show(right, id);
        this.#waits.delete(id);
      } catch (error) {
        this.#exchange.failed('push-rights', error, { server: id, right: right.digest });
        return this.#wait(id, error);
      }
    }
    this.#waits.delete(id);
  }

  /** @throws what has nothing to do with this right: the server is not there, or takes none now */
  async #show({ signed, digest, isNewest }: Undelivered, id: SecurityServerId): Promise<void> {
    const trust = this.#exchange.configuration.current();
    const server = trust.server(id);
    if (server === undefined) throw new OncewayError('provider_unreachable', `${id} is not listed`);
    try {
      await checkShowable(signed, trust, this.#exchange);
    } catch (error) {
      this.#refused(digest, id, isNewest, error, OVER.has(codeOf(error)));
      return;
    }
    try {
      await pushRight(signed, server, trust, this.#exchange);
      this.#deliveries.settle(digest, id, 'taken');
    } catch (error) {
      if (!JUDGED.has(codeOf(error))) throw error;
      // What was replaced since need not be taken: the one that replaces it follows. For the newest, the server may be
      // behind in its configuration.
      this.#refused(digest, id, isNewest, error, !isNewest);
    }
  }

  /** Of the newest revision the operator is told, once. */
  #refused(digest: Digest, id: SecurityServerId, isNewest: boolean, error: unknown, isOver: boolean): void {
    const name = nameOf(digest, id);
    if (isNewest && !this.#waits.has(name))
      this.#exchange.failed('push-rights', error, { server: id, right: digest });
    if (isOver) this.#deliveries.settle(digest, id, codeOf(error));
    else this.#wait(name, error);
  }

  #wait(name: string, error: unknown): void {
    const asked = error instanceof OncewayError ? (error.retrySeconds ?? 0) * 1_000 : 0;
    const before = this.#waits.get(name)?.delayMs ?? 0;
    const delayMs = Math.min(PUSH_RETRY_MS_MAX, Math.max(PUSH_RETRY_MS_MIN, 2 * before, asked));
    this.#waits.set(name, { delayMs, untilMs: this.#exchange.clock() + delayMs });
  }

  #forgetAllBut(due: ReadonlyMap<SecurityServerId, readonly Undelivered[]>): void {
    const named = new Set<string>();
    for (const [id, rights] of due) {
      named.add(id);
      for (const { digest } of rights) named.add(nameOf(digest, id));
    }
    for (const name of this.#waits.keys()) if (!named.has(name)) this.#waits.delete(name);
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
