// Cosignatures of witnesses on a checkpoint (c2sp.org/tlog-cosignature, Ed25519, cosignature/v1): made by a witness,
// counted by everybody else. Whether the checkpoint may be cosigned at all is the witness's own decision, not made here.
import { sign, verify, type KeyObject } from 'node:crypto';
import type { VerifierKey, WitnessPolicy } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { parseNote, parseVerifierKey, signatureLine } from './note.js';

// A big-endian time below 2^63 and an Ed25519 signature.
const SIGNATURE_BYTES = 8 + 64;

function message(text: string, timestampS: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${timestampS}\n${text}`);
}

/** Cosigns the text of a checkpoint (without its signatures) and returns the line to append to the note.
 *  @param timestampS whole seconds since 1970 */
export function cosign(checkpointText: string, name: string, key: KeyObject, timestampS: number): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(timestampS));
  const signature = sign(null, message(checkpointText, BigInt(timestampS)), key);
  return signatureLine(name, key, 4, Buffer.concat([time, signature]));
}

/** Which witnesses of the policy cosigned a checkpoint, and whether they are enough. One key counts once, under
 *  whatever names. The log's own signature is not verified here: openCheckpoint does that.
 *  @throws {OncewayError} `checkpoint_invalid` when the note is malformed or the cosignature of a known witness does
 *  not verify; `key_invalid` for a malformed key in the policy */
export function verifyCosignatures(
  note: string,
  policy: WitnessPolicy,
): { verified: VerifierKey[]; satisfied: boolean } {
  const witnesses = policy.witnesses.map((witness) => parseVerifierKey(witness.key));
  if (witnesses.some((witness) => witness.type !== 4)) throw new TypeError('a witness has a key of type 4');
  const parsed = parseNote(note);
  const verified = new Map<string, VerifierKey>();
  for (const { name, id, signature } of parsed.signatures)
    for (const witness of witnesses.filter((candidate) => candidate.name === name && candidate.id === id)) {
      const timestampS = signature.length === SIGNATURE_BYTES ? signature.readBigInt64BE() : -1n;
      if (
        timestampS < 0n ||
        !verify(null, message(parsed.text, timestampS), witness.publicKey, signature.subarray(8))
      )
        throw new OncewayError('checkpoint_invalid', `the cosignature of ${name} does not verify`);
      verified.set(
        witness.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
        witness.vkey,
      );
    }
  return { verified: [...verified.values()], satisfied: verified.size >= policy.threshold };
}
