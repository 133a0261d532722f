// What was answered without a signature, summed up: one note a minute and peer in the server's log (design §4.9), so
// that an attempt leaves a trace and thousands of them no more than one. Strangers share one note.
import type { SecurityServerId } from '@onceway/schemas';
import type { ErrorCode, NoteEntry } from '@onceway/sdk/protocol';
import type { Draft } from '../message-log/message-log.js';

/** Only counted: the first message of that id has its entry, and a flood has its end in a limit. */
const ONLY_COUNTED: ReadonlySet<ErrorCode> = new Set(['message_replayed', 'message_void', 'busy']);

export class RefusalNotes {
  readonly #enter: (note: Draft<NoteEntry>) => Promise<unknown>;
  readonly #intervalMs: number;
  readonly #counts = new Map<SecurityServerId | undefined, Map<ErrorCode, number>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(enter: (note: Draft<NoteEntry>) => Promise<unknown>, intervalMs: number) {
    this.#enter = enter;
    this.#intervalMs = intervalMs;
  }

  /** @param peer undefined for a stranger */
  add(code: ErrorCode, peer: SecurityServerId | undefined): void {
    if (!ONLY_COUNTED.has(code)) this.#add(code, peer, 1);
  }

  /** Enters what was counted; what can not be entered is kept for the next minute. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#counts];
    this.#counts.clear();
    for (const [peer, codes] of counted) {
      const each = [...codes].map(([code, count]) => `${code} ${count}`);
      const count = [...codes.values()].reduce((sum, of) => sum + of, 0);
      const note = `refused without a signature: ${each.join(', ')}`;
      await this.#enter({ type: 'note', note, count, ...(peer === undefined ? {} : { peer }) }).catch(() => {
        for (const [code, of] of codes) this.#add(code, peer, of);
      });
    }
  }

  /** A last summary; none is begun after it. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
  }

  #add(code: ErrorCode, peer: SecurityServerId | undefined, count: number): void {
    const codes = this.#counts.get(peer) ?? new Map<ErrorCode, number>();
    this.#counts.set(peer, codes.set(code, (codes.get(code) ?? 0) + count));
    this.#timer ??= setTimeout(() => void this.flush(), this.#intervalMs).unref();
  }
}
