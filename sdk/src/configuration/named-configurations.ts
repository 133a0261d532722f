// Which configuration was signed under which sequence number, as far as this server ever took one or was shown its head:
// what the `cfg` of a peer's message is judged by.
import { OncewayError, type ConfigurationReference } from '../protocol/index.js';
import type { TrustView } from '../verify/index.js';
import type { Taken } from './configuration-store.js';

/** Where a message's `cfg` stands to ours; `other`: we know its number with another digest. */
export type ReferenceStanding = 'same' | 'known' | 'newer' | 'unknown' | 'other';

/** Configurations remembered beyond their expiry, newest: whoever still decides by one of them is told so. */
const EXPIRED_KEPT = 512;

export class NamedConfigurations {
  readonly #clock: () => number;
  readonly #taken = new Map<number, Taken>();
  /** How often a message was refused because it named another configuration of a number that is known. */
  othersNamed = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  all(): Taken[] {
    return [...this.#taken.values()];
  }

  /** False where the number is known with another digest: both are signed. */
  remember(taken: Taken): boolean {
    const known = this.#taken.get(taken.seq);
    if (known !== undefined && known.digest !== taken.digest) return false;
    this.#taken.set(taken.seq, taken);
    if (this.#taken.size <= EXPIRED_KEPT) return true;
    const now = this.#clock();
    const expired = this.all().filter((old) => old.expires * 1000 <= now);
    for (const { seq } of expired.sort((a, b) => b.seq - a.seq).slice(EXPIRED_KEPT)) this.#taken.delete(seq);
    return true;
  }

  standing({ seq, digest }: ConfigurationReference, { reference: own }: TrustView): ReferenceStanding {
    if (seq === own.seq && digest === own.digest) return 'same';
    const taken = this.#taken.get(seq);
    if (taken !== undefined && taken.digest !== digest) return 'other';
    // Also where its head was shown: it is not in force here before its records are.
    if (seq > own.seq) return 'newer';
    return taken === undefined ? 'unknown' : 'known';
  }

  /** @throws {OncewayError} `configuration_fork`, `configuration_expired` */
  judge(reference: ConfigurationReference, view: TrustView): ReferenceStanding {
    const standing = this.standing(reference, view);
    if (standing === 'other') {
      this.othersNamed++;
      throw new OncewayError('configuration_fork', `a peer names another configuration ${reference.seq}`);
    }
    const expires = this.#taken.get(reference.seq)?.expires;
    if (expires !== undefined && expires * 1000 + view.policy.clockSkewMs < this.#clock())
      throw new OncewayError('configuration_expired', 'the sender decided by an expired configuration');
    return standing;
  }
}
