// What a `right+jws` of another server must prove before it is entered: it is of a provider that this server hosts, and
// signed by the key that the configuration lists for the provider's member there.
import {
  digestOf,
  memberOf,
  OncewayError,
  parseJws,
  parseMessageHeader,
  parseRight,
  verifySignature,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { RIGHT_BYTES_MAX } from '../limits.js';
import type { Credential } from '../trust/credentials.js';
import type { Exchange } from './exchange.js';
import type { HeldRight } from './held-rights.js';

/** @param server the one that shows it
 *  @throws {OncewayError} `envelope_invalid`, `request_invalid`, `signer_not_listed`, `signature_invalid`, `certificate_*` */
export async function proveRight(
  signed: string,
  server: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
): Promise<HeldRight & { readonly signer: Credential }> {
  const jws = parseJws(signed, RIGHT_BYTES_MAX);
  const { typ, 'x5t#S256': certificate } = parseMessageHeader(jws.header);
  if (typ !== 'right+jws') throw new OncewayError('envelope_invalid', `${typ} is no right`);
  const claims = parseRight(jws.payload);
  if (!trust.hosts(server.id, claims.provider) || !trust.isActive(claims.provider))
    throw new OncewayError('signer_not_listed', `${claims.provider} is not registered on ${server.id}`);
  const nowMs = exchange.clock();
  const listed = trust.signingListing(memberOf(claims.provider), server.id, certificate, nowMs);
  if (listed === undefined || !trust.allowsAlgorithm(listed.alg, nowMs))
    throw new OncewayError('signer_not_listed', 'the right is signed by another');
  const source = exchange.sources.of(server, trust);
  const signer = await exchange.credentials.require(certificate, 'signing', trust, source);
  verifySignature(jws, signer.key, listed.alg);
  return { digest: digestOf(Buffer.from(signed)), claims, signed, signer };
}

/** Enters what the signature relied on, then the right. @throws {OncewayError} `log_unavailable` */
export async function appendRight(
  { signed, signer }: { readonly signed: string; readonly signer: Credential },
  { log }: Exchange,
): Promise<void> {
  await log.appendMaterials(signer.materials);
  await log.appendToServerLog({ type: 'right', right: signed });
}
