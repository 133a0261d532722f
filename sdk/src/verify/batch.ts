// A message that was signed together with others: its place in the batch in place of a signature of its own
// (docs/protocol.md#batches). Whether the certificate may sign is decided elsewhere, as for any message.
import type { KeyObject } from 'node:crypto';
import {
  decodeBase64url,
  OncewayError,
  verifySignature,
  type BatchPlace,
  type Envelope,
  type SignatureAlgorithm,
} from '../protocol/index.js';
import { leafHash, verifyInclusion } from './merkle.js';

/** Verifies that the batch is signed by the key and holds the message at the place that was sent with it.
 *  @throws {OncewayError} `envelope_invalid` (the message has a signature, or another certificate or algorithm than the
 *  batch), `signature_invalid`, `proof_invalid` */
export function verifyBatched(
  message: Envelope<unknown>,
  place: BatchPlace,
  key: KeyObject,
  alg: SignatureAlgorithm,
): void {
  const { batch, index, path } = place;
  if (message.jws.signature.length > 0)
    throw new OncewayError('envelope_invalid', 'a message of a batch has no signature of its own');
  if (message.alg !== batch.alg || message.certificate !== batch.certificate)
    throw new OncewayError('envelope_invalid', 'message and batch name another certificate or algorithm');
  verifySignature(batch.jws, key, alg);
  verifyInclusion({
    index,
    size: batch.claims.n,
    leafHash: leafHash(Buffer.from(message.jws.signingInput, 'latin1')),
    proof: path,
    root: decodeBase64url(batch.claims.root),
  });
}
