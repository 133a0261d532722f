// A key of the token in the form in which node:tls takes it.
import type { Digest } from '@onceway/schemas';
import type { AuthenticationKey } from './signer.js';
import type { SoftwareToken } from './software-token.js';

export interface KeyedIdentity {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
  readonly certificateDigest: Digest;
}

export function identityOf({ key, certificate, certificateDigest }: AuthenticationKey): KeyedIdentity {
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key: pem, cert: certificate.toString(), certificateDigest };
}

/** Towards information systems; undefined where no certificate for them is active. */
export function internalIdentityOf(
  token: Pick<SoftwareToken, 'keys' | 'internal'>,
): KeyedIdentity | undefined {
  const internal = token.keys().filter(({ usage }) => usage === 'internal');
  return internal.some(({ certificates }) => certificates.some(({ active }) => active))
    ? identityOf(token.internal())
    : undefined;
}
