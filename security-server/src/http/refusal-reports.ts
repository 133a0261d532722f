// Which refusals and failures the operator reads of: the first of a code and peer (or work) at once, then one line each
// interval with how many there were. Strangers count as one peer. Counts nothing that must last: that is RefusalNotes.
import { codeOf, type ErrorCode } from '@onceway/sdk/protocol';

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

/** What failed beside an exchange: one line of a kind and code each interval (Exchange.failed). */
export function failureReports(
  clock: () => number,
  intervalMs: number,
  report: (event: Record<string, unknown>) => void,
): (what: string, error: unknown, about?: Readonly<Record<string, string>>) => void {
  const reports = new RefusalReports(clock, intervalMs);
  return (what, error, about = {}) => {
    const code = codeOf(error);
    const unreported = reports.due(code, what);
    if (unreported === undefined) return;
    report({ event: 'failed_beside', what, code, ...about, unreported, why: reasonOf(error) });
  };
}

/** For the operator's own log: names what was wrong, with its causes. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}
