// Keeps the global configuration current: fetches, verifies, remembers, never goes back, resumes by itself after an
// outage of any length (docs/protocol.md#configuration). What it can not prove it does not take.
import type { Digest } from '@onceway/schemas';
import {
  OncewayError,
  type Anchor,
  type ConfigurationBundle,
  type ConfigurationHead,
  type ConfigurationReference,
} from '../protocol/index.js';
import {
  recordsRoot,
  verifyDelegations,
  verifyHead,
  verifyHeadProof,
  type GenuineHead,
  type TrustView,
} from '../verify/index.js';
import { gatherRecords, intact, viewOf, type Gathered } from './configuration-records.js';
import type { ConfigurationSource } from './configuration-source.js';
import type { ConfigurationStore, Stored, Taken } from './configuration-store.js';
import { checkDelegated } from './delegated.js';
import { NamedConfigurations, type ReferenceStanding } from './named-configurations.js';
import { pause } from './pause.js';
import { checkExtends, withShown, type LogState } from './registry-log.js';

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

const LONG_POLL_S = 25;
/** How often a registry is asked for the proof that witnesses still owe. It can not be waited for: the head is the same. */
const PROOF_RETRY_MS = 5_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;

/** A configuration that was in force here once, for showing what a message relied on. */
export interface PastConfiguration {
  readonly bundle: ConfigurationBundle;
  readonly view: TrustView;
}

type Verified = GenuineHead & { readonly proof: LogState & { readonly witnessed: boolean } };

export class ConfigurationClient {
  readonly #options: ConfigurationClientOptions;
  #view: TrustView | undefined;
  /** What was taken last; without a view where its records were lost, so that the memory outlives them. */
  #stored: Stored | undefined;
  #held: ConfigurationReference | undefined;
  #records = new Map<Digest, Buffer>();
  #past: PastConfiguration | undefined;
  readonly #named: NamedConfigurations;
  /** Bundles are taken one after the other, whoever fetched them. */
  #taking: Promise<unknown> = Promise.resolve();

  /** Loads and verifies the last good configuration, if there is one. Where only records of it are lost or altered,
   *  alarms and holds none until the registry gives them again; nothing older is taken for that.
   *  @throws {OncewayError} `configuration_invalid` where what is on disk does not verify */
  constructor(options: ConfigurationClientOptions) {
    this.#options = options;
    this.#named = new NamedConfigurations(options.clock);
    const stored = options.store.load();
    if (stored === undefined) return;
    for (const taken of stored.taken) this.#named.remember(taken);
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

  /** One that was taken at any time, as it was shown: for peers that lack it, to whom it proves itself. */
  bundle(digest: Digest): ConfigurationBundle | undefined {
    return this.#held?.digest === digest ? this.#stored?.bundle : this.#options.store.past(digest);
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

  /** How often a peer's message was refused because it named another configuration of a number that we know. */
  get othersNamed(): number {
    return this.#named.othersNamed;
  }

  get unwitnessedSinceMs(): number | undefined {
    return this.#stored?.unwitnessedSinceMs;
  }

  /** How the configuration that a peer names stands to ours. Its word alone: nothing is proven by it.
   *  @throws {OncewayError} the codes of current */
  standing(reference: ConfigurationReference): ReferenceStanding {
    return this.#named.standing(reference, this.current());
  }

  /** Judges the configuration a peer names. Raises no alarm: two numbers are quickly written; two signed heads are an
   *  alarm when the second is shown (takeShown). @throws {OncewayError} `configuration_fork`, `configuration_expired` */
  judge(reference: ConfigurationReference): ReferenceStanding {
    return this.#named.judge(reference, this.current());
  }

  /** Takes note of a head that a peer showed, without using it: for judging its later messages.
   *  @throws {OncewayError} `configuration_invalid`, `configuration_fork` */
  learn(bundle: Pick<ConfigurationBundle, 'head' | 'delegations'>): void {
    const { anchor } = this.#options;
    const keys = verifyDelegations(bundle.delegations, anchor);
    const { head, reference } = verifyHead(bundle.head, keys, anchor.instance);
    checkDelegated(bundle, this.#stored?.bundle);
    this.#remember({ ...reference, expires: head.expires });
  }

  /** Takes a configuration that a peer shows: everything in it proves itself, and nothing is stored before all of it is
   *  proven. A head that is not newer is only remembered. That the registry's log extends the one last seen the
   *  witnesses vouch for, so theirs must be enough; the registry is asked for the proof when it is back.
   *  @param record gives the octets of a record; not yet believed
   *  @param signal ends it between two records
   *  @returns whether it is in force now
   *  @throws {OncewayError} `configuration_invalid`, `configuration_fork`, `configuration_expired`, `witness_overdue`
   *  (too few cosignatures): nothing was taken */
  async takeShown(
    bundle: ConfigurationBundle,
    record: (digest: Digest) => Promise<Buffer>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    this.learn(bundle);
    const genuine = this.#verify(bundle);
    if (genuine.head.seq <= this.current().reference.seq) return false;
    this.#checkUnexpired(genuine.head, 'a peer');
    if (!genuine.proof.witnessed)
      throw new OncewayError(
        'witness_overdue',
        `configuration ${genuine.head.seq} of a peer lacks witnesses`,
      );
    // Not in turn: a peer that is slow keeps nobody from what the registry gives.
    const gathered = await gatherRecords(bundle.records, (digest) => this.#here(digest), record, signal);
    return this.#inTurn(() => this.#takeGathered(bundle, genuine, gathered));
  }

  /** Asks once for a newer configuration; true when one was taken.
   *  @param waitS how long the registry may wait for one before it answers
   *  @throws {OncewayError} `configuration_missing` (no registry answers), `configuration_invalid`,
   *  `configuration_older`, `configuration_fork`, `configuration_expired`: nothing was taken */
  async refresh(waitS = 0, signal?: AbortSignal): Promise<boolean> {
    // An unwitnessed head is asked for again until its proof is complete; one without its records, too.
    const known = this.#owesProof() ? undefined : this.#view?.reference.digest;
    const bundle = await this.#options.source.bundle(known, waitS, signal);
    return bundle === undefined ? false : this.#inTurn(() => this.#take(bundle, signal));
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
        if (!changed) await pause(this.#owesProof() ? PROOF_RETRY_MS : RETRY_MS_MIN, signal);
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
      throw this.#fork(`the registry offers another configuration ${head.seq}`);
    checkDelegated(bundle, this.#stored?.bundle);
    this.#checkUnexpired(head, 'the registry');
    if (this.#stored !== undefined)
      await checkExtends(this.#stored, genuine.proof, source, signal).catch((error: unknown) => {
        throw this.#told(error);
      });
    const records = new Map<Digest, Buffer>();
    for (const digest of bundle.records) {
      let octets = this.#here(digest);
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
      taken: this.#named.all(),
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

  #here(digest: Digest): Buffer | undefined {
    return this.#records.get(digest) ?? intact(digest, this.#options.store.record(digest));
  }

  /** A crash among the records leaves some that nothing names, and the old configuration. */
  #takeGathered(bundle: ConfigurationBundle, genuine: Verified, { records, added }: Gathered): boolean {
    const { head, reference, proof } = genuine;
    const before = this.#stored;
    // Another one came meanwhile.
    if (before === undefined || this.#held === undefined || head.seq <= this.#held.seq) return false;
    const log = withShown(before, proof);
    if (log === undefined) throw this.#fork(`two registry logs of ${proof.size} entries are signed`);
    this.#remember({ ...reference, expires: head.expires });
    const stored: Stored = { v: 1, bundle, taken: this.#named.all(), ...log };
    this.#use(stored, genuine, records, () => {
      for (const [digest, octets] of added) this.#options.store.addRecord(digest, octets);
      this.#options.store.save(stored, reference.digest);
    });
    return true;
  }

  /** Whether the registry has yet to prove what was taken: its witnesses, or that its log goes on. */
  #owesProof(): boolean {
    return this.#stored?.unwitnessedSinceMs !== undefined || (this.#stored?.owed ?? []).length > 0;
  }

  #inTurn(take: () => boolean | Promise<boolean>): Promise<boolean> {
    const taken = this.#taking.then(take);
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  /** @throws {OncewayError} `configuration_expired` */
  #checkUnexpired({ seq, expires }: ConfigurationHead, who: string): void {
    if (expires * 1000 <= this.#options.clock())
      throw new OncewayError('configuration_expired', `${who} offers an expired configuration ${seq}`);
  }

  #verify(bundle: ConfigurationBundle): Verified {
    const { anchor } = this.#options;
    const genuine = verifyHead(bundle.head, verifyDelegations(bundle.delegations, anchor), anchor.instance);
    if (recordsRoot(bundle.records) !== genuine.head.root)
      throw new OncewayError('configuration_invalid', 'the records are not those of the head');
    return { ...genuine, proof: verifyHeadProof(bundle, genuine.reference, anchor) };
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

  #use(stored: Stored, genuine: GenuineHead, records: Map<Digest, Buffer>, save?: () => void): void {
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

  /** Two genuine heads of one sequence number are proof of fraud. */
  #remember(taken: Taken): void {
    if (!this.#named.remember(taken)) throw this.#fork(`two configurations ${taken.seq} are signed`);
  }

  #fork(why: string): unknown {
    return this.#told(new OncewayError('configuration_fork', why));
  }

  /** A log that went back is proof of fraud as well. */
  #told(error: unknown): unknown {
    if (error instanceof OncewayError && error.code === 'configuration_fork') this.#options.alarm?.(error);
    return error;
  }
}
