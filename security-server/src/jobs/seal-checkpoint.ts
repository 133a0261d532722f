// Seals a checkpoint and has it witnessed and time-stamped: at an interval, after many entries, or on demand. What the
// witnesses or the authority did not give this time is asked for again by the next run, over the newest checkpoint.
import { CHECKPOINT_ENTRIES_MAX, CHECKPOINT_INTERVAL_MS } from '../limits.js';
import type { MessageLog } from '../message-log/message-log.js';
import type { TimeStamper } from '../trust/time-stamper.js';
import type { Witnesses } from '../trust/witnesses.js';

export interface Services {
  readonly witnesses: Witnesses;
  readonly timeStamper: TimeStamper;
}

/** What one run could not do; empty when all is done. */
export type Failures = readonly {
  readonly step: 'seal' | 'witness' | 'time-stamp';
  readonly error: unknown;
}[];

/** One run. Never rejects: a failure shows in the log's backlogs, which stop the exchange when they grow too old. */
export async function sealCheckpoint(
  log: MessageLog,
  { witnesses, timeStamper }: Services,
): Promise<Failures> {
  const failures: { step: Failures[number]['step']; error: unknown }[] = [];
  const attempt = async (step: Failures[number]['step'], run: () => Promise<void>): Promise<void> => {
    await run().catch((error: unknown) => failures.push({ step, error }));
  };
  await attempt('seal', () => log.sealCheckpoint());
  // A crash from here on leaves a sealed checkpoint, which the next run completes.
  await Promise.all([
    attempt('witness', () => witness(log, witnesses)),
    attempt('time-stamp', () => stamp(log, timeStamper)),
  ]);
  return failures;
}

async function witness(log: MessageLog, witnesses: Witnesses): Promise<void> {
  const waiting = log.unwitnessed();
  if (waiting === undefined) return;
  const { note, size, origin } = waiting.checkpoint;
  const proof = (from: number, to: number): Promise<readonly Buffer[]> =>
    log.consistencyProof(origin, from, to);
  await log.keepCosignatures(
    size,
    await witnesses.cosign({ note, oldSize: waiting.witnessedSize, size, proof }),
  );
}

async function stamp(log: MessageLog, timeStamper: TimeStamper): Promise<void> {
  const waiting = log.unstamped();
  if (waiting === undefined) return;
  await log.keepTimeStamp(waiting.size, await timeStamper.stamp(Buffer.from(waiting.note)));
}

/** How often it is looked whether the lane has grown past its bound. */
const LOOK_INTERVAL_MS = 1000;

/** Runs at once, and from then on as the limits say, one run at a time. */
export class SealingJob {
  readonly #log: MessageLog;
  readonly #services: Services;
  readonly #report: (failures: Failures) => void;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<Failures> | undefined;
  #looksUntilRun = 0;

  /** `report` hears of each run, with what it could not do. */
  constructor(log: MessageLog, services: Services, report: (failures: Failures) => void) {
    this.#log = log;
    this.#services = services;
    this.#report = report;
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_INTERVAL_MS);
    this.#look();
  }

  /** A run that begins now, so that what was appended before is covered. */
  async run(): Promise<Failures> {
    await this.#running;
    // Whoever waited for the same run shares this one: it began after both asked.
    this.#running ??= this.#once();
    return this.#running;
  }

  /** Resolves when the run at hand is over. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  #look(): void {
    this.#looksUntilRun -= 1;
    if (this.#running !== undefined) return;
    if (this.#looksUntilRun < 0 || this.#log.counts().uncovered >= CHECKPOINT_ENTRIES_MAX)
      this.#running = this.#once();
  }

  async #once(): Promise<Failures> {
    this.#looksUntilRun = CHECKPOINT_INTERVAL_MS / LOOK_INTERVAL_MS;
    const failures = await sealCheckpoint(this.#log, this.#services);
    this.#running = undefined;
    this.#report(failures);
    return failures;
  }
}
