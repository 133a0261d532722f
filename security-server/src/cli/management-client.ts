// Asks a running server over its management interface. Refusals come back as the codes that it sent.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isErrorCode, OncewayError } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import { request } from 'undici';
import { loadSettings } from '../config.js';
import type { Role } from '../http/management-access.js';
import { WrongUsage } from './exit-code.js';
import { readText } from './files.js';

const TIMEOUT_MS = 60_000;

export interface ManagementFlags {
  readonly folder?: string;
  readonly url?: string;
  readonly apiKeyFile?: string;
}

export type Ask = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
) => Promise<unknown>;

/** Joins path segments, each percent-encoded as one. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
}

/** The options that say which server, and as whom. */
export function withServer(command: Command): Command {
  return command
    .option('--folder <folder>', 'of a server on this machine: address and API keys are found in it')
    .option('--url <url>', 'management interface, where there is no folder')
    .option('--api-key-file <file>', 'file that holds the API key');
}

/** @param role whose key of the folder is taken, where no file is named
 *  @throws {WrongUsage} `request_invalid` (neither folder nor URL), `not_found` (the key's file)
 *  @throws {OncewayError} `server_unreachable`, what the server answered */
export function managementClient(flags: ManagementFlags, role: Role): Ask {
  const { folder } = flags;
  const url = flags.url ?? (folder === undefined ? undefined : addressOf(folder));
  const keyFile =
    flags.apiKeyFile ?? (folder === undefined ? undefined : join(folder, 'keys', `api-key-${role}.txt`));
  if (url === undefined || keyFile === undefined)
    throw new WrongUsage('request_invalid', 'which server? Give --folder, or --url and --api-key-file');
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new WrongUsage('request_invalid', `"${url}" is no URL: write http://host:port`);
  const key = readText(keyFile, 'name the file of your API key with --api-key-file').trim();
  if (!/^[!-~]+$/.test(key))
    throw new WrongUsage(
      'request_invalid',
      `${keyFile} holds no API key: one line, as it was shown when it was made`,
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
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      status = answer.statusCode;
      text = await answer.body.text();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new OncewayError('server_unreachable', `no server answers at ${url} (${String(code)})`, {
        cause,
      });
    }
    const value: unknown = text === '' ? undefined : parse(text, url);
    // Health answers 503 while the exchange is refused, and says why.
    if (status < 400 || path === '/health') return value;
    const { code, title, rule } = (value ?? {}) as { code?: unknown; title?: unknown; rule?: unknown };
    throw new OncewayError(
      typeof code === 'string' && isErrorCode(code) ? code : 'broken',
      typeof rule === 'string' ? rule : String(title),
    );
  };
}

/** JSON, or PEM as it is. */
function parse(text: string, url: string): unknown {
  if (text.startsWith('-----BEGIN ')) return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    const stranger = `what answers at ${url} is no security server: look at --url`;
    throw new OncewayError('server_unreachable', stranger, { cause });
  }
}

function addressOf(folder: string): string {
  const running = join(folder, 'running.json');
  if (existsSync(running)) {
    const { addresses } = JSON.parse(readText(running)) as { addresses: { management: string } };
    return addresses.management;
  }
  const { host, port } = loadSettings(readText(join(folder, 'server.json'))).listeners.management;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
