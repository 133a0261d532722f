// `Exchange-Batch`: a message's place in a batch that was signed once (docs/protocol.md#envelope). The path is checked
// against the batch's root in ../verify.
import type { BatchClaims } from '@onceway/schemas';
import { parseBatchEnvelope, type Envelope } from './envelope.js';
import { OncewayError } from './errors.js';
import { decodeBase64url } from './octets.js';

export interface BatchPlace {
  readonly batch: Envelope<BatchClaims>;
  /** Zero-based. */
  readonly index: number;
  /** Hashes of the RFC 6962 inclusion proof, leaf to root. */
  readonly path: readonly Buffer[];
}

/** `<JWS>;<index>;<hash>,<hash>…`; no hash for a batch of one. */
export function formatBatchPlace(compact: string, index: number, path: readonly Buffer[]): string {
  return `${compact};${index};${path.map((hash) => hash.toString('base64url')).join(',')}`;
}

/** @throws {OncewayError} `envelope_invalid`, `base64url_invalid` */
export function parseBatchPlace(text: string): BatchPlace {
  const [compact = '', place = '', hashes, ...more] = text.split(';');
  if (hashes === undefined || more.length > 0 || !/^(?:0|[1-9]\d{0,3})$/.test(place))
    throw new OncewayError('envelope_invalid', 'Exchange-Batch is not <JWS>;<index>;<hashes>');
  const batch = parseBatchEnvelope(compact);
  const index = Number(place);
  if (index >= batch.claims.n) throw new OncewayError('envelope_invalid', 'the index is beyond the batch');
  const path = hashes === '' ? [] : hashes.split(',').map(decodeBase64url);
  if (path.some((hash) => hash.length !== 32))
    throw new OncewayError('envelope_invalid', 'a hash is not 32 octets');
  return { batch, index, path };
}
