// Keeps the global configuration current: fetches, verifies, remembers, never goes back, resumes by itself after an
// outage of any length (docs/protocol.md#configuration). What it can not prove it does not take.
import type { Digest } from '@onceway/schemas';
import {
  OncewayError,
  parseConfigurationRecord,
  parseStrictObject,
  recordDigest,
  type Anchor,
  type ConfigurationBundle,
  type ConfigurationHead,
  type ConfigurationRecord,
  type ConfigurationReference,
} from '../protocol/index.js';
import {
  recordsRoot,
  TrustView,
  verifyConsistency,
  verifyDelegations,
  verifyHead,
  verifyHeadProof,
} from '../verify/index.js';
import type { ConfigurationSource } from './configuration-source.js';
import type { ConfigurationStore, Stored, Taken } from './configuration-store.js';

export interface ConfigurationClientOptions {
  readonly anchor: Anchor;
  readonly store: ConfigurationStore;
  readonly source: ConfigurationSource;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Told of everything an operator must see: a fork, missing witnesses, an unreachable registry. */
  readonly alarm?: (error: OncewayError) => void;
  /** Called whenever another configuration is in force. */
  readonly changed?: (view: TrustView) => void;
}

/** Where a message's `cfg` stands to ours. */
export type ReferenceStanding = 'same' | 'known' | 'newer' | 'unknown';

const LONG_POLL_S = 25;
/** Configurations remembered beyond their expiry, newest: whoever still decides by one of them is told so. */
const EXPIRED_KEPT = 512;
/** How often a registry is asked for the proof that witnesses still owe. It can not be waited for: the head is the same. */
const PROOF_RETRY_MS = 5_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;

/** Resolves after `ms`, or at once when the signal ends it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

/** A configuration that was in force here once, for showing what a message relied on. */
export interface PastConfiguration {
  readonly bundle: ConfigurationBundle;
  readonly view: TrustView;
}

function intact(digest: Digest, octets: Buffer | undefined): Buffer | undefined {
  return octets !== undefined && recordDigest(octets) === digest ? octets : undefined;
}

export class ConfigurationClient {
  readonly #options: ConfigurationClientOptions;
  #view: TrustView | undefined;
  /** What was taken last; without a view where its records were lost, so that the memory outlives them. */
  #stored: Stored | undefined;
  #held: ConfigurationReference | undefined;
  #records = new Map<Digest, Buffer>();
  #past: PastConfiguration | undefined;
  readonly #taken = new Map<number, Taken>();
  /** Bundles are taken one after the other, whoever fetched them. */
  #taking: Promise<unknown> = Promise.resolve();

  /** Loads and verifies the last good configuration, if there is one. Where only records of it are lost or altered,
   *  alarms and holds none until the registry gives them again; nothing older is taken for that.
   *  @throws {OncewayError} `configuration_invalid` where what is on disk does not verify */
  constructor(options: ConfigurationClientOptions) {
    this.#options = options;
    const stored = options.store.load();
    if (stored === undefined) return;
    for (const taken of stored.taken) this.#taken.set(taken.seq, taken);
    const genuine = this.#verify(stored.bundle);
    this.#stored = stored;
    this.#held = genuine.reference;
    try {
      this.#use(stored, genuine, this.#recordsOf(stored.bundle));
    } catch (error) {
      if (!(error instanceof OncewayError)) throw error;
      options.alarm?.(error);
    }
  }

  /** The configuration to decide by.
   *  @throws {OncewayError} `configuration_missing`, `configuration_expired`, `configuration_fork`, `witness_overdue` */
  current(): TrustView {
    const view = this.#view;
    if (view === undefined) throw new OncewayError('configuration_missing', 'no configuration was taken yet');
    const now = this.#options.clock();
    if (now >= view.head.expires * 1000)
      throw new OncewayError('configuration_expired', `configuration ${view.head.seq} is expired`);
    const since = this.#stored?.unwitnessedSinceMs;
    if (since !== undefined && now - since > view.policy.witnessBacklogMs)
      throw new OncewayError(
        'witness_overdue',
        'the configuration has been without enough witnesses for too long',
      );
    return view;
  }

  /** The newest configuration taken, expired or not; for showing, never for deciding. */
  latest(): TrustView | undefined {
    return this.#view;
  }

  /** What was taken, octet for octet: for peers that lack it and for the log. */
  bundle(): ConfigurationBundle | undefined {
    return this.#stored?.bundle;
  }

  record(digest: Digest): Buffer | undefined {
    return this.#records.get(digest) ?? this.#options.store.record(digest);
  }

  /** The configuration of this digest, if it was ever taken; verified again.
   *  @throws {OncewayError} `configuration_invalid` where what is on disk does not verify */
  past(digest: Digest): PastConfiguration | undefined {
    // One is kept: an auditor asks for many messages of one configuration.
    if (this.#past?.view.reference.digest === digest) return this.#past;
    const bundle = this.#options.store.past(digest);
    if (bundle === undefined) return undefined;
    const { head, reference } = this.#verify(bundle);
    this.#past = { bundle, view: viewOf(head, reference, this.#recordsOf(bundle)) };
    return this.#past;
  }

  get unwitnessedSinceMs(): number | undefined {
    return this.#stored?.unwitnessedSinceMs;
  }

  /** Judges the configuration a peer names. @throws {OncewayError} `configuration_fork`, `configuration_expired` */
  judge(reference: ConfigurationReference): ReferenceStanding {
    const view = this.current();
    if (reference.seq === view.reference.seq && reference.digest === view.reference.digest) return 'same';
    const taken = this.#taken.get(reference.seq);
    if (taken === undefined) return reference.seq > view.reference.seq ? 'newer' : 'unknown';
    if (taken.digest !== reference.digest)
      throw this.#alarm('configuration_fork', `another configuration ${reference.seq} was named by a peer`);
    if (taken.expires * 1000 + view.policy.clockSkewMs < this.#options.clock())
      throw new OncewayError('configuration_expired', 'the sender decided by an expired configuration');
    return 'known';
  }

  /** Takes note of a head that a peer showed, without using it: for judging its later messages.
   *  @throws {OncewayError} `configuration_invalid`, `configuration_fork` */
  learn(bundle: Pick<ConfigurationBundle, 'head' | 'delegations'>): void {
    const { anchor } = this.#options;
    const keys = verifyDelegations(bundle.delegations, anchor);
    const { head, reference } = verifyHead(bundle.head, keys, anchor.instance);
    this.#remember({ ...reference, expires: head.expires });
  }

  /** Asks once for a newer configuration; true when one was taken.
   *  @param waitS how long the registry may wait for one before it answers
   *  @throws {OncewayError} `configuration_missing` (no registry answers), `configuration_invalid`,
   *  `configuration_older`, `configuration_fork`, `configuration_expired`: nothing was taken */
  async refresh(waitS = 0, signal?: AbortSignal): Promise<boolean> {
    // An unwitnessed head is asked for again until its proof is complete; one without its records, too.
    const known = this.#stored?.unwitnessedSinceMs === undefined ? this.#view?.reference.digest : undefined;
    const bundle = await this.#options.source.bundle(known, waitS, signal);
    if (bundle === undefined) return false;
    const taken = this.#taking.then(() => this.#take(bundle, signal));
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  /** Follows the registry until the signal ends it: long polls, and after a failure asks again, ever slower. */
  async follow(signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_MS_MIN;
    const ended = (): boolean => signal.aborted; // it changes while something is awaited
    while (!ended()) {
      try {
        const changed = await this.refresh(LONG_POLL_S, signal);
        retryMs = RETRY_MS_MIN;
        // A registry that does not wait is not asked in a circle.
        if (!changed)
          await pause(this.unwitnessedSinceMs === undefined ? RETRY_MS_MIN : PROOF_RETRY_MS, signal);
      } catch (error) {
        if (ended()) return;
        this.#options.alarm?.(
          error instanceof OncewayError
            ? error
            : new OncewayError('broken', 'refreshing the configuration failed', { cause: error }),
        );
        await pause(retryMs, signal);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
  }

  async #take(bundle: ConfigurationBundle, signal?: AbortSignal): Promise<boolean> {
    const { source, store } = this.#options;
    const genuine = this.#verify(bundle);
    const { head, reference } = genuine;
    const before = this.#held;
    if (before !== undefined && head.seq < before.seq)
      throw new OncewayError('configuration_older', `the registry offers ${head.seq}, we hold ${before.seq}`);
    if (before !== undefined && head.seq === before.seq && reference.digest !== before.digest)
      throw this.#alarm('configuration_fork', `the registry offers another configuration ${head.seq}`);
    if (head.expires * 1000 <= this.#options.clock())
      throw new OncewayError(
        'configuration_expired',
        `the registry offers an expired configuration ${head.seq}`,
      );
    await this.#checkExtends(genuine.proof, signal);
    const records = new Map<Digest, Buffer>();
    for (const digest of bundle.records) {
      let octets = this.#records.get(digest) ?? intact(digest, store.record(digest));
      if (octets === undefined) {
        octets = await source.record(digest, signal);
        if (intact(digest, octets) === undefined)
          throw new OncewayError('configuration_invalid', 'a record is not of its digest');
        store.addRecord(digest, octets);
      }
      records.set(digest, octets);
    }
    const now = this.#options.clock();
    this.#remember({ ...reference, expires: head.expires });
    const stored: Stored = {
      v: 1,
      bundle,
      taken: [...this.#taken.values()],
      log: { size: genuine.proof.size, root: genuine.proof.root.toString('base64') },
      ...(genuine.proof.witnessed ? {} : { unwitnessedSinceMs: this.#stored?.unwitnessedSinceMs ?? now }),
    };
    const changed = this.#view?.reference.digest !== reference.digest;
    const wasWitnessed = this.#stored?.unwitnessedSinceMs === undefined;
    // Built before it is saved: what contradicts itself must not become the last good one.
    this.#use(stored, genuine, records, () => store.save(stored, reference.digest));
    if (!genuine.proof.witnessed && (changed || wasWitnessed))
      this.#options.alarm?.(new OncewayError('witness_overdue', `configuration ${head.seq} lacks witnesses`));
    return changed;
  }

  #verify(bundle: ConfigurationBundle) {
    const { anchor } = this.#options;
    const genuine = verifyHead(bundle.head, verifyDelegations(bundle.delegations, anchor), anchor.instance);
    if (recordsRoot(bundle.records) !== genuine.head.root)
      throw new OncewayError('configuration_invalid', 'the records are not those of the head');
    return { ...genuine, proof: verifyHeadProof(bundle, genuine.reference, anchor) };
  }

  /** The registry's log must extend the one last seen: nothing that was published can be taken back. */
  async #checkExtends(proof: { size: number; root: Buffer }, signal?: AbortSignal): Promise<void> {
    const last = this.#stored?.log;
    if (last === undefined) return;
    const from = { size: last.size, root: Buffer.from(last.root, 'base64') };
    if (proof.size < from.size) throw this.#alarm('configuration_fork', 'the registry log has shrunk');
    const hashes =
      proof.size === from.size ? [] : await this.#options.source.consistency(from.size, proof.size, signal);
    try {
      verifyConsistency({
        from: from.size,
        to: proof.size,
        fromRoot: from.root,
        toRoot: proof.root,
        proof: hashes,
      });
    } catch (cause) {
      throw this.#alarm('configuration_fork', 'the registry log does not extend the one last seen', cause);
    }
  }

  #recordsOf(bundle: ConfigurationBundle): Map<Digest, Buffer> {
    return new Map(
      bundle.records.map((digest) => {
        const octets = intact(digest, this.#options.store.record(digest));
        if (octets === undefined)
          throw new OncewayError('configuration_invalid', 'a stored record is missing or altered');
        return [digest, octets];
      }),
    );
  }

  #use(
    stored: Stored,
    genuine: ReturnType<typeof verifyHead>,
    records: Map<Digest, Buffer>,
    save?: () => void,
  ): void {
    const view = viewOf(genuine.head, genuine.reference, records);
    save?.();
    const changed = this.#view?.reference.digest !== view.reference.digest;
    this.#view = view;
    this.#stored = stored;
    this.#held = view.reference;
    this.#records = records;
    // Its proof may have been completed since.
    this.#past = undefined;
    this.#remember({ ...genuine.reference, expires: genuine.head.expires });
    if (changed) this.#options.changed?.(view);
  }

  #remember(taken: Taken): void {
    const known = this.#taken.get(taken.seq);
    if (known !== undefined && known.digest !== taken.digest)
      throw this.#alarm('configuration_fork', `two configurations ${taken.seq} are signed`);
    this.#taken.set(taken.seq, taken);
    if (this.#taken.size <= EXPIRED_KEPT) return;
    const now = this.#options.clock();
    const expired = [...this.#taken.values()].filter((old) => old.expires * 1000 <= now);
    for (const { seq } of expired.sort((a, b) => b.seq - a.seq).slice(EXPIRED_KEPT)) this.#taken.delete(seq);
  }

  /** Two genuine heads of one sequence number, or a log that went back, are proof of fraud: told, and returned. */
  #alarm(code: 'configuration_fork', why: string, cause?: unknown): OncewayError {
    const error = new OncewayError(code, why, { cause });
    this.#options.alarm?.(error);
    return error;
  }
}

function viewOf(
  head: ConfigurationHead,
  reference: ConfigurationReference,
  records: ReadonlyMap<Digest, Buffer>,
): TrustView {
  const parsed = [...records].map(([digest, octets]): readonly [Digest, ConfigurationRecord] => [
    digest,
    parseConfigurationRecord(parseStrictObject(octets.toString('utf8'))),
  ]);
  return new TrustView(head, reference, parsed);
}
