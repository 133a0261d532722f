// Which rights the server's log holds, so that each is entered once, whether it was pushed here (take-right.ts) or an
// answer named it (keep-right.ts).
import { setImmediate } from 'node:timers/promises';
import type { Digest, RightClaims } from '@onceway/schemas';
import { digestOf, memberOf, OncewayError, parseJws, parseRight, type LogEntry } from '@onceway/sdk/protocol';
import { HELD_RIGHTS_OF_MEMBER_MAX, KNOWN_RIGHTS_MAX, RIGHT_BYTES_MAX, RIGHT_RETRY_MS } from '../limits.js';
import type { MessageLog } from '../message-log/message-log.js';

/** Entries read between two turns of the event loop. */
const READ_AT_ONCE = 256;

/** One revision of a right, as it was signed. */
export interface HeldRight {
  readonly digest: Digest;
  readonly claims: RightClaims;
  readonly signed: string;
}

interface Held {
  readonly digests: Set<Digest>;
  /** The newest revision of each right, by provider and id. */
  readonly newest: Map<string, Omit<HeldRight, 'signed'>>;
  /** Rights of one member. */
  readonly counts: Map<string, number>;
}

const keyOf = ({ provider, id }: RightClaims): string => `${provider} ${id}`;

/** Read from the log at the first question. */
export class HeldRights {
  readonly #clock: () => number;
  #held: Promise<Held> | undefined;
  /** Asked for, and when it may be asked again, ms: for what is held, never. */
  readonly #asked = new Map<Digest, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Runs `fetch` for a right that is not held, one attempt at a time and one a minute. */
  async once(digest: Digest, log: MessageLog, fetch: () => Promise<void>): Promise<void> {
    const nowMs = this.#clock();
    const retryAtMs = this.#asked.get(digest);
    if (retryAtMs !== undefined && retryAtMs > nowMs) return;
    if (this.#asked.size >= KNOWN_RIGHTS_MAX) this.#asked.clear();
    this.#asked.set(digest, nowMs + RIGHT_RETRY_MS);
    if (!(await this.#of(log)).digests.has(digest)) await fetch();
    this.#asked.set(digest, Number.POSITIVE_INFINITY);
  }

  /** Enters a proven right unless it is held: durable when it resolves.
   *  @param enter appends it to the log
   *  @throws {OncewayError} `log_unavailable` */
  async enter(right: HeldRight, log: MessageLog, enter: () => Promise<unknown>): Promise<void> {
    await this.#inTurn(log, right, enter, () => undefined);
  }

  /** ... and only where it goes on from what is held of it.
   *  @throws {OncewayError} `conflict` for a revision that is older, or not the one after the newest that is held,
   *  `busy` for too many rights of one member, `log_unavailable` */
  async enterNext(right: HeldRight, log: MessageLog, enter: () => Promise<unknown>): Promise<void> {
    await this.#inTurn(log, right, enter, ({ newest, counts }) => {
      const { claims } = right;
      const before = newest.get(keyOf(claims));
      if (before === undefined) {
        if ((counts.get(memberOf(claims.provider)) ?? 0) >= HELD_RIGHTS_OF_MEMBER_MAX)
          throw new OncewayError('busy', `too many rights of ${memberOf(claims.provider)} are held`);
      } else if (claims.rev <= before.claims.rev)
        throw new OncewayError('conflict', `revision ${before.claims.rev} of the right is held`);
      // One that was missed in between can not be named; the next one must name the one that is held.
      else if (claims.rev === before.claims.rev + 1 && claims.prev !== before.digest)
        throw new OncewayError('conflict', 'the right does not go on from the one that is held');
    });
  }

  /** The newest revision of each right in the log, those granted here among them. */
  async list(log: MessageLog): Promise<readonly Omit<HeldRight, 'signed'>[]> {
    return [...(await this.#of(log)).newest.values()];
  }

  #inTurn(
    log: MessageLog,
    right: HeldRight,
    enter: () => Promise<unknown>,
    check: (held: Held) => void,
  ): Promise<void> {
    const entered = this.#last.then(async () => {
      const held = await this.#of(log);
      if (held.digests.has(right.digest)) return;
      check(held);
      await enter();
      add(held, right);
    });
    this.#last = entered.catch(() => undefined);
    return entered;
  }

  #of(log: MessageLog): Promise<Held> {
    return (this.#held ??= heldBy(log).catch((error: unknown) => {
      this.#held = undefined;
      throw error;
    }));
  }
}

async function heldBy(log: MessageLog): Promise<Held> {
  const held: Held = { digests: new Set(), newest: new Map(), counts: new Map() };
  const { server: size } = log.counts();
  for (let index = 0; index < size; index++) {
    if (index % READ_AT_ONCE === 0) await setImmediate();
    const entry = JSON.parse((await log.entry(log.server, index)).toString()) as LogEntry;
    if (entry.type !== 'right') continue;
    const { payload } = parseJws(entry.right, RIGHT_BYTES_MAX);
    add(held, { digest: digestOf(Buffer.from(entry.right)), claims: parseRight(payload) });
  }
  return held;
}

function add({ digests, newest, counts }: Held, { digest, claims }: Omit<HeldRight, 'signed'>): void {
  digests.add(digest);
  const key = keyOf(claims);
  const before = newest.get(key);
  const member = memberOf(claims.provider);
  if (before === undefined) counts.set(member, (counts.get(member) ?? 0) + 1);
  if (before === undefined || before.claims.rev < claims.rev) newest.set(key, { digest, claims });
}
