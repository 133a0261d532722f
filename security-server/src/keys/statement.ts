// Signed statements that are no messages: rights, descriptions, management requests. Compact JWS, header as messages have it.
import type { Digest } from '@onceway/schemas';
import { completeJws, encodeSigningInput, type SignatureAlgorithm } from '@onceway/sdk/protocol';

export type StatementType = 'right+jws' | 'description+jws' | 'management-request+jws';

/** A signing key, or whatever else signs under a certificate. */
export interface StatementSigner {
  readonly alg: SignatureAlgorithm;
  readonly certificateDigest: Digest;
  sign(input: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** `payload` as it stands: its shape is the caller's. */
export async function signStatement(
  typ: StatementType,
  payload: object,
  signer: StatementSigner,
  nowMs: number,
): Promise<string> {
  const header = {
    alg: signer.alg,
    typ,
    'x5t#S256': signer.certificateDigest,
    iat: Math.floor(nowMs / 1000),
  };
  const input = encodeSigningInput(header, payload);
  return completeJws(input, await signer.sign(Buffer.from(input, 'latin1')));
}
