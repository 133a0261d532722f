// The certificates in the own token by their digest: what each is for, and its DER.
import { X509Certificate } from 'node:crypto';
import type { Digest } from '@onceway/schemas';
import type { KeyInfo } from '../keys/key-info.js';
import type { Usage } from './credentials.js';

export interface OwnCertificate {
  readonly usage: Usage;
  readonly der: Buffer;
}

export class OwnCertificates {
  readonly #keys: () => readonly KeyInfo[];
  #known = new Map<Digest, OwnCertificate>();

  constructor(keys: () => readonly KeyInfo[]) {
    this.#keys = keys;
  }

  /** Looks into the token again where a digest is not known: one may have been imported since. */
  find(digest: Digest): OwnCertificate | undefined {
    if (!this.#known.has(digest)) this.#known = this.#read();
    return this.#known.get(digest);
  }

  /** Those in use. */
  digests(): readonly Digest[] {
    this.#known = this.#read();
    return [...this.#known.keys()];
  }

  #read(): Map<Digest, OwnCertificate> {
    const found = new Map<Digest, OwnCertificate>();
    for (const { usage, certificates } of this.#keys())
      if (usage === 'authentication' || usage === 'signing')
        for (const { digest, pem, active } of certificates)
          if (active) found.set(digest, { usage, der: new X509Certificate(pem).raw });
    return found;
  }
}
