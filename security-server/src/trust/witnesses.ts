// Asks the anchor's witnesses to cosign the checkpoints of this server's log. All are asked at once; enough of them
// must answer.
import { addCheckpoint } from '@onceway/sdk/configuration';
import { OncewayError, type WitnessPolicy } from '@onceway/sdk/protocol';
import { verifyCosignatures } from '@onceway/sdk/verify';

export interface Witnesses {
  /** Resolves with cosignature lines that satisfy the anchor's witness policy, and verify over the note; rejects while
   *  the quorum is not reached. `proof` gives the consistency proof from the size that a witness names as its last one. */
  cosign(request: {
    readonly note: string;
    /** Size of the last checkpoint that the quorum cosigned. */
    readonly oldSize: number;
    readonly size: number;
    readonly proof: (from: number, to: number) => Promise<readonly Buffer[]>;
  }): Promise<string>;
}

export function witnessesOf(policy: WitnessPolicy): Witnesses {
  return {
    /** @throws {OncewayError} `witness_unavailable` while fewer than the policy's k cosign */
    async cosign({ note, oldSize, size, proof }) {
      const asked = await Promise.allSettled(
        policy.witnesses.map((witness) =>
          addCheckpoint({
            witness,
            checkpoint: note,
            known: oldSize,
            consistency: (from) => proof(from, size),
          }),
        ),
      );
      const lines = asked.map((given) => (given.status === 'fulfilled' ? given.value : '')).join('');
      if (!verifyCosignatures(note + lines, policy).satisfied) {
        const reasons = asked.flatMap((given) => (given.status === 'rejected' ? [String(given.reason)] : []));
        throw new OncewayError('witness_unavailable', `too few witnesses cosign: ${reasons.join('; ')}`);
      }
      return lines;
    },
  };
}
