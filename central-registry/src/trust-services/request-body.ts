// The body of one HTTP request, bounded in octets and time, for the small binary protocols of the trust services.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OncewayError } from '@onceway/sdk/protocol';
import { DROPPED_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_TIMEOUT_MS } from './limits.js';

/** @throws {OncewayError} `body_too_large`; `request_invalid` when it ended early, or was cut off: by time or by size */
export async function readBody(request: IncomingMessage, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => request.destroy(), timeoutMs);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= REQUEST_BYTES_MAX) chunks.push(chunk);
      else if (size > DROPPED_BYTES_MAX) request.destroy();
    }
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the body ended early', { cause });
  } finally {
    clearTimeout(timer);
  }
  if (size > REQUEST_BYTES_MAX)
    throw new OncewayError('body_too_large', `the body has more than ${REQUEST_BYTES_MAX} octets`);
  return Buffer.concat(chunks);
}

/** Nothing here may be kept by a cache: a status of yesterday would outlive its revocation. */
export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}

/** The media type without its parameters, in lower case. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
