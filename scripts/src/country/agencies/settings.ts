// The settings file of one agency's information system. Every mistake in it is told at once; nothing is guessed.
import { readFileSync } from 'node:fs';

export interface AgencySettings {
  /** Client listener of its own security server. */
  readonly server: string;
  /** Loopback address on which its services listen; port 0 is a free one. */
  readonly services: string;
  /** Loopback address of its own staff's (or, of the Portal, the parents') front. */
  readonly desk: string;
  /** SQLite file, or `:memory:`. */
  readonly database: string;
  /** Where its services are published at start; left out, they are not. */
  readonly publish?: { readonly management: string; readonly apiKeyFile: string };
}

const address = (value: unknown): boolean => {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, pathname } = new URL(value);
  return /^https?:$/.test(protocol) && pathname === '/';
};
const text = (value: unknown): boolean => typeof value === 'string' && value !== '';

type Checks = Readonly<Record<string, (value: unknown) => boolean>>;
const FIELDS: Checks = { server: address, services: address, desk: address, database: text };
const PUBLISH: Checks = { management: address, apiKeyFile: text };

function mistakesOf(value: unknown, checks: Checks, where: string, more: readonly string[] = []): string[] {
  if (typeof value !== 'object' || value === null) return [`${where || 'the file'} is no object`];
  const object = value as Readonly<Record<string, unknown>>;
  return [
    ...Object.entries(checks).flatMap(([name, fits]) =>
      fits(object[name]) ? [] : [`${where}${name} is missing or wrong`],
    ),
    ...Object.keys(object).flatMap((name) =>
      Object.hasOwn(checks, name) || more.includes(name) ? [] : [`${where}${name} is unknown`],
    ),
  ];
}

/** @throws {TypeError} with all mistakes */
export function parseSettings(json: string): AgencySettings {
  const value: unknown = JSON.parse(json);
  const mistakes = mistakesOf(value, FIELDS, '', ['publish']);
  const publish = (value as { publish?: unknown } | null)?.publish;
  if (publish !== undefined) mistakes.push(...mistakesOf(publish, PUBLISH, 'publish.'));
  if (mistakes.length > 0) throw new TypeError(`settings: ${mistakes.join('; ')}`);
  return value as AgencySettings;
}

/** Reads `--settings FILE`. */
export function settingsOf(argv: readonly string[]): AgencySettings {
  const file = argv[0] === '--settings' && argv.length === 2 ? argv[1] : undefined;
  if (file === undefined) throw new TypeError('usage: --settings FILE');
  return parseSettings(readFileSync(file, 'utf8'));
}
