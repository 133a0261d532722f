// Signed service descriptions, pushed by the servers of their providers (docs/protocol.md#descriptions). Verified here
// once, and handed out with their signature so that every reader can verify them again.
import { X509Certificate } from 'node:crypto';
import type { DescriptionClaims, Names, ServiceId } from '@onceway/schemas';
import {
  memberOf,
  messageIdOf,
  OncewayError,
  parseDescription,
  parseJws,
  parseMessageHeader,
  subsystemOf,
  verifySignature,
} from '@onceway/sdk/protocol';
import { DESCRIPTION_BYTES_MAX } from '../limits.js';
import type { SecurityServers } from '../members/security-server.js';

export interface VerifiedDescription {
  readonly claims: DescriptionClaims;
  readonly jws: string;
  /** Message id of the JWS. */
  readonly digest: string;
  /** From the claims, or from the document where they hold none. */
  readonly title: Names;
  /** The document's own description, in its own language; empty without one. */
  readonly summary: string;
  readonly paths: readonly string[];
}

/** Verifies a description for this service by a signing certificate that is listed for its member now.
 *  @throws {OncewayError} codes of the formats, `request_invalid`, `message_from_future`, `signer_not_listed`,
 *  `signature_invalid` */
export function verifyDescription(
  compact: string,
  service: ServiceId,
  servers: SecurityServers,
  nowMs: number,
  skewMs: number,
): VerifiedDescription {
  const jws = parseJws(compact, DESCRIPTION_BYTES_MAX);
  const header = parseMessageHeader(jws.header);
  if (header.typ !== 'description+jws')
    throw new OncewayError('request_invalid', 'typ is not description+jws');
  if (header.iat * 1000 - skewMs > nowMs)
    throw new OncewayError('message_from_future', 'iat lies in the future');
  const claims = parseDescription(jws.payload);
  if (claims.service !== service)
    throw new OncewayError('request_invalid', 'the description is of another service');

  const listed = servers.certificate(header['x5t#S256']);
  const member = memberOf(service);
  const hosted =
    listed !== undefined &&
    servers.listed(listed.server, 'signing', member, listed.digest) &&
    servers.get(listed.server).clients.includes(subsystemOf(service));
  if (!hosted)
    throw new OncewayError(
      'signer_not_listed',
      'the signer is not listed for a server that hosts the service',
    );
  if (header.alg !== listed.alg)
    throw new OncewayError('signature_invalid', `the certificate is listed for ${listed.alg}`);
  verifySignature(jws, new X509Certificate(listed.der).publicKey, listed.alg);
  return { claims, jws: compact, digest: messageIdOf(jws), ...readDocument(claims) };
}

/** @throws {OncewayError} `request_invalid` unless it is an OpenAPI 3 document with a title and paths */
function readDocument({
  document,
  names,
}: DescriptionClaims): Pick<VerifiedDescription, 'title' | 'summary' | 'paths'> {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the document is not JSON', { cause });
  }
  const { openapi, info, paths } = (value ?? {}) as {
    openapi?: unknown;
    info?: { title?: unknown; description?: unknown };
    paths?: unknown;
  };
  const title = info?.title;
  if (typeof openapi !== 'string' || !openapi.startsWith('3.') || typeof title !== 'string')
    throw new OncewayError('request_invalid', 'the document is not OpenAPI 3 with a title');
  return {
    title: names ?? { en: title.slice(0, 200), vi: title.slice(0, 200) },
    summary: typeof info?.description === 'string' ? info.description.slice(0, 2000) : '',
    paths: paths !== null && typeof paths === 'object' ? Object.keys(paths) : [],
  };
}
