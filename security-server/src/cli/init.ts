// `init`: makes the folder of a new security server. server.json comes last: a folder without it is not begun.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Anchor, SecurityServerId } from '@onceway/sdk/protocol';
import { OncewayError, parseAnchor } from '@onceway/sdk/protocol';
import { loadSettings, type Settings } from '../config.js';
import { ApiKeys, ROLES } from '../http/management-access.js';
import { replaceFile } from '../keys/durable-file.js';
import { makeInternalKey } from '../keys/self-signed.js';
import { SoftwareToken } from '../keys/software-token.js';
import { createMessageLog, logOrigin } from '../message-log/sqlite-message-log.js';
import { createState } from '../state/state-database.js';
import { typed, WrongUsage } from './exit-code.js';
import { readText } from './files.js';

export interface InitOptions {
  readonly folder: string;
  readonly id: SecurityServerId;
  readonly anchorFile: string;
  readonly pin: string;
  readonly registry?: string;
  readonly listeners: Settings['listeners'];
  /** Names of the certificate for the listener `clientTls`; left out, those of this machine to itself. */
  readonly dns: readonly string[];
  readonly clock: () => number;
}

export const LOG_KEYS = ['server', 'lane-0'] as const;

/** A crash leaves a folder without server.json: what is in it was used by nobody, and is made anew.
 *  @throws {OncewayError} `conflict` when the folder holds a server, `request_invalid`, `identifier_invalid`,
 *  `not_found` (the anchor) */
export async function initServer(
  options: InitOptions,
): Promise<{ readonly settings: Settings; readonly keys: string; readonly anchor: string }> {
  const { folder, id, pin, registry, listeners, dns, clock } = options;
  const path = (name: string): string => join(folder, name);
  if (existsSync(path('server.json')))
    throw new OncewayError('conflict', `${folder} holds a security server already`);
  const anchor = readAnchor(options.anchorFile);
  if (id.split('/', 1)[0] !== anchor.instance)
    throw new OncewayError(
      'instance_unknown',
      `the anchor is of ${anchor.instance}, the server of another instance`,
    );
  const settings = typed(() =>
    loadSettings(JSON.stringify({ v: 1, id, ...(registry === undefined ? {} : { registry }), listeners })),
  );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of ['token.json', 'state.db', 'state.db-wal', 'state.db-shm', 'log', 'keys'])
    rmSync(path(name), { recursive: true, force: true });
  const token = SoftwareToken.create(path('token.json'), pin, { clock });
  for (const name of LOG_KEYS) token.generateKey({ usage: 'log', name });
  if (listeners.clientTls !== undefined) {
    const names = dns.length > 0 ? dns : ['localhost', '127.0.0.1', '::1'];
    await makeInternalKey(token, names, clock(), randomBytes);
  }
  await createMessageLog(path('log'), { origin: logOrigin(domainOf(anchor), id), keys: token, clock });
  const state = createState(path('state.db'));
  const apiKeys = new ApiKeys(state, clock, randomBytes);
  mkdirSync(path('keys'), { mode: 0o700 });
  for (const role of ROLES)
    writeFileSync(path(`keys/api-key-${role}.txt`), `${apiKeys.create(`first-${role}`, [role]).key}\n`, {
      mode: 0o600,
    });
  state.close();
  replaceFile(path('anchor.json'), Buffer.from(anchorText(anchor)));
  replaceFile(path('server.json'), Buffer.from(`${JSON.stringify(settings, null, 2)}\n`));
  return { settings, keys: path('keys'), anchor: anchorDigest(anchor) };
}

/** `vn.example/log/registry` → `vn.example`: all logs of an instance are named under it. */
export function domainOf(anchor: Anchor): string {
  return anchor.log.origin.slice(0, anchor.log.origin.indexOf('/log/'));
}

/** SHA-256 in hexadecimal of the file as the registry's `init` wrote it: what `sha256sum anchor.json` says there, however
 *  this copy came here (`GET /anchor` sends it without line breaks). */
export function anchorDigest(anchor: Anchor): string {
  return createHash('sha256').update(anchorText(anchor)).digest('hex');
}

const anchorText = (anchor: Anchor): string => `${JSON.stringify(anchor, null, 2)}\n`;

/** @throws {WrongUsage} `not_found`, `configuration_invalid` */
export function readAnchor(file: string): Anchor {
  const text = readText(file);
  try {
    return parseAnchor(JSON.parse(text));
  } catch (cause) {
    throw new WrongUsage('configuration_invalid', `${file} is no anchor`, { cause });
  }
}
