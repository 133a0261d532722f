// Which management requests this registry takes (docs/protocol.md#management-requests), and what their form must hold
// beyond their schema. Who signed, and whether it may be, is decided in verify.ts and apply.ts.
import type { Digest, ManagementRequest, SecurityServerId } from '@onceway/schemas';
import {
  digestOf,
  memberOf,
  OncewayError,
  parseManagementRequest,
  type JsonObject,
} from '@onceway/sdk/protocol';
import { parseVerifierKey } from '@onceway/sdk/verify';

/** The other types of the union keep their place: they come with administration at scale. */
const REQUEST_TYPES = [
  'register-server',
  'register-client',
  'remove-client',
  'register-certificate',
  'remove-certificate',
  'change-address',
] as const;
export type RequestType = (typeof REQUEST_TYPES)[number];
export type TakenRequest = ManagementRequest & { readonly type: RequestType };
export type RequestState = 'submitted' | 'waiting' | 'approved' | 'declined' | 'revoked';

const invalid = (why: string): OncewayError => new OncewayError('request_invalid', why, { rule: why });

function isTaken(request: ManagementRequest): request is TakenRequest {
  return (REQUEST_TYPES as readonly string[]).includes(request.type);
}

/** @throws {OncewayError} `request_invalid`, `key_invalid` (of a log) */
export function readManagementRequest(payload: JsonObject): TakenRequest {
  const request = parseManagementRequest(payload);
  if (!isTaken(request)) throw invalid(`${request.type} is not taken by this registry`);
  const { type, member, server } = request;
  if ((type === 'register-client' || type === 'remove-client') && memberOf(request.client) !== member)
    throw invalid('a client is registered and removed by its own member');
  const ownerOnly =
    type === 'register-server' ||
    type === 'change-address' ||
    (type === 'register-certificate' && request.usage === 'authentication');
  if (ownerOnly && memberOf(server) !== member)
    throw invalid('this is the affair of the server and its owner');
  if (type === 'register-server' || type === 'change-address') checkAddress(request.address);
  if (type === 'register-server')
    for (const { origin, key } of request.logs) {
      const { name, type: keyType } = parseVerifierKey(key);
      if (name !== origin || keyType !== 1) throw invalid('the key of a log is named as its origin');
      if (!isOriginOf(origin, server))
        throw invalid('the origin of a log is <domain>/log/<id of its server>');
    }
  return request;
}

/** Peers connect to it by TLS and nothing else: `https://host:port`. */
function checkAddress(address: string): void {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'https:' || url.origin !== address)
    throw invalid('an address is https://host:port, without a path and without the default port');
}

/** Whether an origin is `<domain>/log/<id>` (percent-encoded outside `A-Za-z0-9-._/`), then a slash and the lane. */
function isOriginOf(origin: string, server: SecurityServerId): boolean {
  const id = server.replace(/[^A-Za-z0-9\-._/]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const at = origin.indexOf('/log/');
  return at > 0 && `${origin.slice(at)}/`.startsWith(`/log/${id}/`);
}

/** Of the certificates of both signers, base64 DER, in their order. */
export type Signers = readonly [signing: string, authentication: string];

export const digestOfBase64 = (der: string): Digest => digestOf(Buffer.from(der, 'base64'));

/** Whether a member that is new on this server, or lost its key, signs with the certificate that it asks to have
 *  listed. */
export function bringsItsSigner(request: TakenRequest, [signing]: Signers): boolean {
  return (
    (request.type === 'register-client' && request.signing === signing) ||
    (request.type === 'register-certificate' &&
      request.usage === 'signing' &&
      request.certificate === signing)
  );
}

/** What one request is about: only one of a type and subject waits at a time. */
export function subjectOf(request: TakenRequest): string {
  switch (request.type) {
    case 'register-client':
    case 'remove-client':
      return `${request.client} on ${request.server}`;
    case 'register-certificate':
      return `${request.usage} of ${request.member} on ${request.server}`;
    case 'remove-certificate':
      return request.certificate;
    case 'register-server':
    case 'change-address':
      return request.server;
  }
}
