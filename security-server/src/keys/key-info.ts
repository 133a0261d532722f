// What may be shown of a key in the token: everything but the key.
import { createPublicKey } from 'node:crypto';
import type { MemberId } from '@onceway/schemas';
import { describeCertificate, type CertificateInfo } from './key-material.js';
import type { KeyUsage, StoredKey } from './token-file.js';

export interface KeyInfo {
  readonly id: string;
  readonly usage: KeyUsage;
  readonly alg: string;
  readonly member?: MemberId;
  /** Of a log key its name, of a pseudonym key its quarter. */
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** SPKI in PEM, of key pairs. */
  readonly publicKey?: string;
  readonly certificates: readonly CertificateInfo[];
}

export function infoOf(stored: StoredKey): KeyInfo {
  const { sealed: _sealed, publicKey, certificates, ...info } = stored;
  return {
    ...(info as Omit<KeyInfo, 'publicKey' | 'certificates'>),
    ...(publicKey === undefined
      ? {}
      : {
          publicKey: createPublicKey({ key: Buffer.from(publicKey, 'base64'), type: 'spki', format: 'der' })
            .export({ type: 'spki', format: 'pem' })
            .toString(),
        }),
    certificates: certificates.map(({ certificate, active }) => {
      const { publicKey: _key, ...described } = describeCertificate(Buffer.from(certificate, 'base64'));
      return { ...described, active };
    }),
  };
}
