// Publishes the configuration: signs a head where something changed or half of the last one's life is over, enters it
// in the registry's log, has the log witnessed, and wakes everybody who waits for it.
import type { KeyObject } from 'node:crypto';
import type { Digest, WitnessPolicy } from '@onceway/schemas';
import { codeOf, digestOf, OncewayError, type ErrorCode } from '@onceway/sdk/protocol';
import { WITNESS_RETRY_MS } from '../limits.js';
import type { ConfigurationHeads, HeadRow } from './configuration-heads.js';
import { buildRecords, nextHead, type ConfigurationSources } from './global-configuration.js';
import { signByRawKey } from './instance-keys.js';
import type { Witnessed, Witnessing } from './witnessing.js';

/** What `GET /configuration` answers now. Times in seconds. */
export interface Published {
  readonly seq: number;
  readonly digest: Digest;
  readonly issued: number;
  readonly expires: number;
  readonly witnessed: Witnessed;
  /** How many records it lists. */
  readonly records: number;
  /** The ConfigurationBundle as JSON. */
  readonly body: string;
}

export interface PublicationOptions {
  readonly clock: () => number;
  readonly instance: string;
  readonly lifetimeS: number;
  readonly sources: ConfigurationSources;
  readonly heads: ConfigurationHeads;
  readonly configurationKey: KeyObject;
  readonly witnessing: Witnessing;
  /** Told of a publication that failed; the next change or tick tries again. */
  readonly failed: (error: unknown) => void;
}

export class Publication {
  readonly #options: PublicationOptions;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #current: Published | undefined;
  #confirmed = false;
  #refusal: ErrorCode | undefined;
  #running: Promise<void> = Promise.resolve();
  #due: Promise<void> | undefined;
  #tick: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: PublicationOptions) {
    this.#options = options;
  }

  /** Publishes what changed while the process was away, and from now on before half of a head's life is over. */
  async start(): Promise<void> {
    const everyMs = Math.min((this.#options.lifetimeS * 1000) / 8, 60_000);
    this.#tick = setInterval(() => void this.changed(), everyMs).unref();
    await this.changed();
  }

  async stop(): Promise<void> {
    clearInterval(this.#tick);
    clearTimeout(this.#retry);
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  current(): Published | undefined {
    return this.#current;
  }

  /** Why nothing is public: `configuration_missing`, or a witness remembers what the registry's log does not hold
   *  (`configuration_older`) or contradicts (`log_broken`). It is asked again at each change and tick. */
  absence(): OncewayError {
    if (this.#refusal === undefined)
      return new OncewayError('configuration_missing', 'nothing is published yet');
    return new OncewayError(this.#refusal, 'a witness contradicts the log of the registry', {
      rule: 'a witness remembers what this registry does not: restore the newest copy of registry.db',
    });
  }

  /** To be called after each change; all calls of one turn are one publication. Resolves when it is public, with or
   *  without enough witnesses. Never rejects. */
  changed(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    this.#due ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#due = undefined;
      return this.#next(() => this.#publish());
    });
    return this.#due;
  }

  /** One thing after the other, and all of it before the database is closed. Never rejects. */
  #next(step: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(step).catch(this.#options.failed);
    return this.#running;
  }

  /** Resolves when something newer than `digest` is public, or the time is over, or the signal ends it. */
  async newerThan(digest: string, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#current?.digest !== digest || signal.aborted || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  get witnesses(): WitnessPolicy {
    return this.#options.witnessing.policy;
  }

  /** Asks the witnesses that are missing, now. */
  async completeProof(): Promise<void> {
    await this.changed();
    await this.#next(() => this.#complete());
  }

  /** Clients that wait for a newer configuration. */
  get waiting(): number {
    return this.#waiting.size;
  }

  async #publish(): Promise<void> {
    const { heads, clock, instance, lifetimeS, sources, configurationKey, witnessing } = this.#options;
    const nowS = Math.floor(clock() / 1000);
    const before = heads.last();
    if (before !== undefined && !(await this.#confirm(before))) return;
    const records = buildRecords(sources, nowS);
    const fresh = before !== undefined && nowS < (before.issued_s + before.expires_s) / 2;
    if (fresh && before.root === records.root) return;
    const previous = before && { seq: before.seq, digest: before.digest, issuedS: before.issued_s };
    const head = nextHead(instance, previous, records.root, nowS, lifetimeS);
    const signed = await signByRawKey('configuration+jws', head, configurationKey);
    const digest = digestOf(Buffer.from(JSON.stringify(head)));
    const row = heads.add(head, digest, signed, records, clock());
    // Shown only after the witnesses were asked, so that servers take a proven head in the first place. If the
    // process dies here, the head is shown at the next start.
    await this.#witness(row, witnessing.judge(row.checkpoint));
  }

  /** Before the first head of this process, the witnesses are asked whether they know of later ones: a registry that was
   *  restored from an old copy would publish another head under a number that servers have taken. Witnesses that are
   *  away delay nobody; they are asked when they are back, and what is public by then is withdrawn. */
  async #confirm(last: HeadRow): Promise<boolean> {
    if (this.#confirmed) return true;
    const { witnessing } = this.#options;
    try {
      await witnessing.confirm(last.checkpoint, this.#stop.signal);
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    this.#refusal = undefined;
    this.#confirmed = true;
    if (this.#current === undefined) this.#show(last, witnessing.judge(last.checkpoint));
    return true;
  }

  /** Takes back what is public. Servers go on with the configuration that they hold until it expires. */
  #refuse(error: unknown): void {
    const code = codeOf(error);
    if (code === 'broken') throw error;
    if (this.#refusal !== code) this.#options.failed(error);
    this.#refusal = code;
    this.#confirmed = false;
    this.#current = undefined;
    clearTimeout(this.#retry);
    this.#wake();
  }

  /** Asks the witnesses that have not cosigned this head, and shows it. */
  async #witness(row: HeadRow, before: Witnessed): Promise<void> {
    let after: Witnessed;
    try {
      after = await this.#options.witnessing.complete(before.checkpoint, this.#stop.signal);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (after.cosigned.length > before.cosigned.length)
      this.#options.heads.setCheckpoint(row.seq, after.checkpoint);
    this.#show(row, after);
  }

  #show(row: HeadRow, witnessed: Witnessed): void {
    const bundle = this.#options.heads.bundle(row, witnessed.checkpoint);
    this.#current = {
      seq: row.seq,
      digest: row.digest,
      issued: row.issued_s,
      expires: row.expires_s,
      witnessed,
      records: bundle.records.length,
      body: JSON.stringify(bundle),
    };
    this.#wake();
    clearTimeout(this.#retry);
    if (!witnessed.satisfied && !this.#stop.signal.aborted)
      this.#retry = setTimeout(() => void this.#next(() => this.#complete()), WITNESS_RETRY_MS).unref();
  }

  /** Completes the proof of the head that is shown. */
  async #complete(): Promise<void> {
    const row = this.#options.heads.last();
    if (row === undefined || this.#current?.witnessed.satisfied !== false || this.#stop.signal.aborted)
      return;
    await this.#witness(row, this.#current.witnessed);
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
