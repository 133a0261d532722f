// Asks a running registry over its management interface. Refusals come back as the codes that it sent.
import { isErrorCode, OncewayError } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import { request } from 'undici';
import { MANAGEMENT_TIMEOUT_MS } from '../limits.js';
import { WrongUsage } from './exit-code.js';
import { readText } from './files.js';

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

/** @throws {WrongUsage} `request_invalid` (the URL), `not_found` (the key's file)
 *  @throws {OncewayError} `registry_unreachable`, what the registry answered */
export function managementClient({ url, apiKeyFile }: ManagementOptions): Ask {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new WrongUsage('request_invalid', `"${url}" is no URL: write http://host:port`);
  const key = readText(apiKeyFile, 'name the file of your API key with --api-key-file').trim();
  if (!/^[!-~]+$/.test(key))
    throw new WrongUsage(
      'request_invalid',
      `${apiKeyFile} holds no API key: one line, as it was shown when it was made`,
    );
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
      const { code } = cause as NodeJS.ErrnoException;
      throw new OncewayError('registry_unreachable', `no registry answers at ${url} (${String(code)})`, {
        cause,
      });
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
    throw new OncewayError('registry_unreachable', `what answers at ${url} is no registry: look at --url`, {
      cause,
    });
  }
}
