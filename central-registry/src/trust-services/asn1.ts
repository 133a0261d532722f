// What the two ASN.1 services share: exact reading of one DER object from outside, and a key as WebCrypto wants it.
import { webcrypto, type KeyObject } from 'node:crypto';
import { fromBER, type AsnType } from 'asn1js';

/** One object and nothing after it; undefined for anything else. */
export function parseExactly(octets: Uint8Array): AsnType | undefined {
  try {
    const { offset, result } = fromBER(octets);
    return offset === octets.length ? result : undefined;
  } catch {
    return undefined; // also a stack that nested tags exhausted
  }
}

export async function signingKeyOf(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}
