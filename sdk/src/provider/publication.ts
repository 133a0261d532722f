// Tells one's own security server what a service is: base URL and description, over its management interface.
import type { ServiceId } from '@onceway/schemas';
import { request } from 'undici';
import type { OpenApiDescription } from './description.js';

export interface ProvidedService {
  readonly service: ServiceId;
  /** What the security server needs as the service's base URL. */
  readonly url: string;
  readonly names: { readonly en: string; readonly vi: string };
  readonly openapi: OpenApiDescription;
}

export interface ManagementAccess {
  /** Management interface of your own security server: `http://127.0.0.1:4000`. */
  readonly management: string;
  /** A key of its administrator for services. */
  readonly apiKey: string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

/** The security server did not take a description. */
export class PublicationError extends Error {
  readonly service: string;
  /** undefined when the server could not be reached. */
  readonly status: number | undefined;
  /** The server's code (docs/problems.md), where it gave one. */
  readonly code: string | undefined;

  constructor(
    service: string,
    message: string,
    details: { status?: number; code?: string; cause?: unknown },
  ) {
    super(`${service}: ${message}`, { cause: details.cause });
    this.name = 'PublicationError';
    this.service = service;
    this.status = details.status;
    this.code = details.code;
  }
}

async function put(service: ProvidedService, access: ManagementAccess): Promise<void> {
  const address = new URL(`/services/${encodeURIComponent(service.service)}`, access.management);
  let status: number;
  let text: string;
  try {
    const answer = await request(address, {
      method: 'PUT',
      headers: { authorization: `Bearer ${access.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ baseUrl: service.url, names: service.names, description: service.openapi }),
      signal: AbortSignal.timeout(access.timeoutMs ?? TIMEOUT_MS),
    });
    status = answer.statusCode;
    text = await answer.body.text();
  } catch (cause) {
    throw new PublicationError(service.service, 'the security server could not be reached', { cause });
  }
  if (status < 200 || status > 299) {
    const problem = readProblem(text);
    throw new PublicationError(service.service, problem.title ?? `refused with status ${status}`, {
      status,
      ...(problem.code === undefined ? {} : { code: problem.code }),
    });
  }
}

function readProblem(text: string): { readonly title?: string; readonly code?: string } {
  try {
    const value = JSON.parse(text) as { title?: unknown; code?: unknown } | null;
    return {
      ...(typeof value?.title === 'string' ? { title: value.title } : {}),
      ...(typeof value?.code === 'string' ? { code: value.code } : {}),
    };
  } catch {
    return {};
  }
}

/** One after another: a refused one stops the rest, and repeating all is safe. */
export async function publishServices(
  services: readonly ProvidedService[],
  access: ManagementAccess,
): Promise<void> {
  for (const service of services) await put(service, access);
}
