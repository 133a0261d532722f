// Puts a member's signature under an envelope that is ready but for it.
import type { MessageId } from '@onceway/schemas';
import { completeJws, type EnvelopeSigner, type UnsignedEnvelope } from '@onceway/sdk/protocol';
import type { SigningKey } from '../keys/signer.js';

export interface SignedMessage {
  readonly envelope: string;
  readonly mid: MessageId;
}

/** @param iat seconds since 1970 */
export function envelopeSigner(signer: SigningKey, iat: number): EnvelopeSigner {
  return { alg: signer.alg, certificate: signer.certificateDigest, iat };
}

export async function signMessage(
  { signingInput, mid }: UnsignedEnvelope,
  signer: SigningKey,
): Promise<SignedMessage> {
  const signature = signer.sign(Buffer.from(signingInput, 'latin1'));
  return {
    envelope: completeJws(signingInput, signature instanceof Promise ? await signature : signature),
    mid,
  };
}

/** The same where nothing may come in between: a refusal names its own place in the log.
 *  @throws {TypeError} where the signer is not synchronous */
export function signMessageNow({ signingInput, mid }: UnsignedEnvelope, signer: SigningKey): SignedMessage {
  const signature = signer.sign(Buffer.from(signingInput, 'latin1'));
  if (signature instanceof Promise) throw new TypeError('this signer can not sign synchronously');
  return { envelope: completeJws(signingInput, signature), mid };
}
