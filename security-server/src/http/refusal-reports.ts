// Which refusals and failures the operator reads of: the first of a code and peer (or work) at once, then one line each
// interval with how many there were. Strangers count as one peer. Counts nothing that must last: that is RefusalNotes.
import type { ErrorCode } from '@onceway/sdk/protocol';

export class RefusalReports {
  readonly #clock: () => number;
  readonly #intervalMs: number;
  readonly #reported = new Map<string, { atMs: number; unreported: number }>();

  constructor(clock: () => number, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** How many of its kind went unreported before this one; undefined where this one does, too. */
  due(code: ErrorCode, of: string | undefined): number | undefined {
    const kind = `${code} ${of ?? ''}`;
    const last = this.#reported.get(kind);
    const nowMs = this.#clock();
    if (last !== undefined && nowMs - last.atMs < this.#intervalMs) {
      last.unreported++;
      return undefined;
    }
    this.#reported.set(kind, { atMs: nowMs, unreported: 0 });
    return last?.unreported ?? 0;
  }
}
