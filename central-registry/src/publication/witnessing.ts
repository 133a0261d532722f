// Gathers cosignatures for checkpoints of the registry's own log. A witness that is away delays nobody for long and
// is asked again; what it cosigned last is remembered, so that it gets the right consistency proof.
import type { VerifierKey } from '@onceway/schemas';
import { OncewayError, type WitnessPolicy } from '@onceway/sdk/protocol';
import { addCheckpoint, WitnessDisagrees } from '@onceway/sdk/configuration';
import { parseCheckpoint, parseNote, verifyCosignatures } from '@onceway/sdk/verify';
import type { TransparencyLog } from '../transparency-log/transparency-log.js';
import { WITNESS_TIMEOUT_MS } from '../limits.js';

export interface Witnessed {
  /** The note with every cosignature it got so far. */
  readonly checkpoint: string;
  readonly cosigned: readonly VerifierKey[];
  /** Whether they are as many as the policy wants. */
  readonly satisfied: boolean;
}

export class Witnessing {
  readonly policy: WitnessPolicy;
  readonly #log: TransparencyLog;
  readonly #sizes = new Map<VerifierKey, number>();

  constructor(policy: WitnessPolicy, log: TransparencyLog) {
    this.policy = policy;
    this.#log = log;
  }

  judge(checkpoint: string): Witnessed {
    const { verified, satisfied } = verifyCosignatures(checkpoint, this.policy);
    return { checkpoint, cosigned: verified, satisfied };
  }

  /** Asks every witness that has not cosigned yet, all at once. Who does not answer is missing.
   *  @throws {OncewayError} `configuration_older`, `log_broken`: see `confirm` */
  async complete(checkpoint: string, signal: AbortSignal): Promise<Witnessed> {
    const { cosigned } = this.judge(checkpoint);
    const missing = this.policy.witnesses.filter(({ key }) => !cosigned.includes(key));
    const lines = await this.#ask(missing, checkpoint, signal);
    return this.judge(checkpoint + lines.join(''));
  }

  /** Asks all of them whether this is the last checkpoint that they know, or follows it. One that disagrees is enough:
   *  a witness that lies stops publication, and is seen to; a fork that was published can not be taken back.
   *  @throws {OncewayError} `configuration_older` where a witness remembers more than the log holds, as after the restore
   *  of an old copy; `log_broken` where it remembers something else */
  async confirm(checkpoint: string, signal: AbortSignal): Promise<void> {
    await this.#ask(this.policy.witnesses, checkpoint, signal);
  }

  async #ask(
    witnesses: WitnessPolicy['witnesses'],
    checkpoint: string,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { size } = parseCheckpoint(parseNote(checkpoint).text);
    const asked = await Promise.allSettled(
      witnesses.map(async (witness) => {
        const line = await addCheckpoint({
          witness,
          checkpoint,
          known: this.#sizes.get(witness.key) ?? 0,
          consistency: (from) => this.#log.consistencyProof(from, size),
          signal: AbortSignal.any([signal, AbortSignal.timeout(WITNESS_TIMEOUT_MS)]),
        });
        this.#sizes.set(witness.key, size);
        return line;
      }),
    );
    return asked.map((answer) => {
      if (answer.status === 'fulfilled') return answer.value;
      const reason: unknown = answer.reason;
      if (reason instanceof WitnessDisagrees)
        throw new OncewayError(
          reason.remembered > size ? 'configuration_older' : 'log_broken',
          reason.message,
          {
            cause: reason,
          },
        );
      return '';
    });
  }
}
