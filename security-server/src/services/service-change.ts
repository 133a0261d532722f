// What an administrator or a provider's program says of a service, and the rules that it must fit.
import type { Names, ServiceId } from '@onceway/schemas';
import { OncewayError, serviceParts } from '@onceway/sdk/protocol';
import { parseCertificates } from '../keys/import-pem.js';
import { describeCertificate } from '../keys/key-material.js';
import { SERVICE_TIMEOUT_MS_MAX } from '../limits.js';
import type { Endpoint, PinnedCertificate } from './service.js';

/** X-Road's own services of every provider: answered by the server, never by a service of that name. */
const RESERVED_CODES: ReadonlySet<string> = new Set([
  'listClients',
  'listMethods',
  'allowedMethods',
  'getWsdl',
  'getOpenAPI',
  'getSecurityServerMetrics',
  'getSecurityServerOperationalData',
  'getSecurityServerHealthData',
]);

/** What an administrator or a provider's program says of a service. What is left out stays as it was. */
export interface ServiceChange {
  readonly baseUrl: string;
  /** PEM of the certificate that the service shows; null: any of a public authority for its host. */
  readonly certificate?: string | null;
  readonly timeoutMs?: number;
  readonly names?: Names;
  /** Of a service without description. */
  readonly endpoints?: readonly Pick<Endpoint, 'method' | 'path'>[];
  /** OpenAPI 3. */
  readonly description?: unknown;
}

export function checkCode(id: ServiceId): ServiceId {
  const { serviceCode } = serviceParts(id);
  if (RESERVED_CODES.has(serviceCode)) throw unfit(`${serviceCode} is answered by the server itself`);
  return id;
}

/** The administrator is told the rule: nothing in it is a secret. */
export function unfit(rule: string): OncewayError {
  return new OncewayError('request_invalid', rule, { rule });
}

/** Path and query of a request are appended: so it has none of what would swallow them. */
export function checkBaseUrl(text: string, isPinned: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const clean = url !== undefined && url.username === '' && url.password === '' && !/[?#]/.test(text);
  if (!clean || !/^https?:$/.test(url.protocol) || text.length > 2048)
    throw unfit('a base URL is http(s), without user, query and fragment');
  if (isPinned && url.protocol !== 'https:')
    throw unfit('a certificate is of an https base URL; take it away (null) where the service speaks http');
  return text;
}

/** @throws {OncewayError} `key_invalid` */
export function pinOf(pem: string | null): PinnedCertificate | undefined {
  if (pem === null) return undefined;
  const [shown] = parseCertificates(pem);
  if (shown === undefined) throw new OncewayError('key_invalid', 'no certificate');
  const { digest, from, until, pem: kept } = describeCertificate(shown.raw);
  return { digest, from, until, pem: kept };
}

export function checkTimeout(timeoutMs: number): number {
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > SERVICE_TIMEOUT_MS_MAX)
    throw unfit(`a timeout is 1 to ${SERVICE_TIMEOUT_MS_MAX} ms`);
  return timeoutMs;
}
