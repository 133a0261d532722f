// Asks a running registry over its management interface. Refusals come back as the codes that it sent.
import { readFileSync } from 'node:fs';
import { isErrorCode, OncewayError } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import { request } from 'undici';
import { MANAGEMENT_TIMEOUT_MS } from '../limits.js';

export interface ManagementOptions {
  readonly url: string;
  readonly apiKeyFile: string;
}

export type Ask = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
) => Promise<unknown>;

/** Joins path segments, each percent-encoded as one. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
}

/** The options that say which registry, and as whom. */
export function withRegistry(command: Command): Command {
  return command
    .requiredOption('--url <url>', 'management interface of the registry', 'http://127.0.0.1:4100')
    .requiredOption('--api-key-file <file>', 'file that holds the API key');
}

/** @throws {OncewayError} what the registry answered; `not_found` without the key's file; `provider_unreachable` */
export function managementClient({ url, apiKeyFile }: ManagementOptions): Ask {
  let key: string;
  try {
    key = readFileSync(apiKeyFile, 'utf8').trim();
  } catch (cause) {
    throw new OncewayError('not_found', `${apiKeyFile} can not be read`, { cause });
  }
  return async (method, path, body) => {
    let status: number, text: string;
    try {
      const answer = await request(url.replace(/\/$/, '') + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headersTimeout: MANAGEMENT_TIMEOUT_MS,
        bodyTimeout: MANAGEMENT_TIMEOUT_MS,
      });
      status = answer.statusCode;
      text = await answer.body.text();
    } catch (cause) {
      throw new OncewayError('provider_unreachable', `no registry answers at ${url}`, { cause });
    }
    const value: unknown = text === '' ? undefined : parse(text, url);
    if (status < 400) return value;
    const { code, title, rule } = value as { code?: unknown; title?: unknown; rule?: unknown };
    throw new OncewayError(
      typeof code === 'string' && isErrorCode(code) ? code : 'broken',
      typeof rule === 'string' ? rule : String(title),
    );
  };
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OncewayError('provider_unreachable', `what answers at ${url} is no registry: look at --url`, {
      cause,
    });
  }
}
