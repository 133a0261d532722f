// Proofs that a log holds an entry, in one text that can be verified offline (c2sp.org/tlog-proof): place, path,
// checkpoint with its cosignatures.
import type { VerifierKey, WitnessPolicy } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { NOTE_BYTES_MAX } from '../protocol/limits.js';
import { openCheckpoint, type Checkpoint } from './checkpoint.js';
import { verifyCosignatures } from './cosignature.js';
import { leafHash, verifyInclusion } from './merkle.js';
import { decodeBase64 } from './note.js';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
// A tree of 2^53 leaves is 53 levels high.
const PATH_MAX = 53;

/** A proof taken apart; nothing of it is verified. */
export interface TlogProof {
  /** Zero-based place of the entry. */
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  /** The checkpoint as signed note, with cosignatures. */
  readonly checkpoint: string;
  /** Opaque, and authenticated by nothing. */
  readonly extra?: Uint8Array;
}

export interface VerifiedTlogProof {
  readonly index: number;
  readonly checkpoint: Checkpoint;
  /** Witnesses of the policy that cosigned. */
  readonly witnesses: readonly VerifierKey[];
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  const lines = [FIRST_LINE, ...(extra === undefined ? [] : [`extra ${base64(extra)}`]), `index ${index}`];
  return [...lines, ...proof.map(base64), '', checkpoint].join('\n');
}

/** @throws {OncewayError} `proof_invalid` when it is malformed; the checkpoint is not looked into */
export function parseTlogProof(text: string): TlogProof {
  const refused = (why: string): OncewayError => new OncewayError('proof_invalid', why);
  if (text.length > NOTE_BYTES_MAX) throw refused(`a proof exceeds ${NOTE_BYTES_MAX} characters`);
  const blank = text.indexOf('\n\n');
  if (blank < 0) throw refused('a proof is lines, a blank line, and a checkpoint');
  const [first, ...lines] = text.slice(0, blank).split('\n');
  if (first !== FIRST_LINE) throw refused(`a proof begins with ${FIRST_LINE}`);
  const encodedExtra = lines[0]?.startsWith('extra ') ? lines.shift()?.slice('extra '.length) : undefined;
  const extra = encodedExtra === undefined ? undefined : decodeBase64(encodedExtra);
  if (encodedExtra !== undefined && extra === undefined) throw refused('the extra data is not base64');
  const digits = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? '')?.[1];
  const index = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(index)) throw refused('the index is malformed');
  if (lines.length > PATH_MAX) throw refused(`a path has more than ${PATH_MAX} hashes`);
  const proof = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== 32) throw refused('a hash of the path is malformed');
    return hash;
  });
  const checkpoint = text.slice(blank + 2);
  return { index, proof, checkpoint, ...(extra === undefined ? {} : { extra }) };
}

/** Proves that the log of `logKey` holds the entry of these octets, under a checkpoint that enough witnesses saw.
 *  @param leafOctets the entry as stored
 *  @throws {OncewayError} `proof_invalid`, `checkpoint_invalid` (also when the witnesses are too few), `key_invalid` */
export function verifyTlogProof(
  text: string,
  leafOctets: Uint8Array,
  logKey: string,
  policy: WitnessPolicy,
): VerifiedTlogProof {
  const { index, proof, checkpoint: note } = parseTlogProof(text);
  const checkpoint = openCheckpoint(note, logKey);
  const { verified, satisfied } = verifyCosignatures(note, policy);
  if (!satisfied)
    throw new OncewayError(
      'checkpoint_invalid',
      `cosigned by ${verified.length} witnesses, ${policy.threshold} are required`,
    );
  verifyInclusion({
    index,
    size: checkpoint.size,
    leafHash: leafHash(leafOctets),
    proof,
    root: checkpoint.root,
  });
  return { index, checkpoint, witnesses: verified };
}
