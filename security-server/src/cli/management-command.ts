// How one command for a running server is made: whose key it takes, its options, its example; and how arguments are read.
import type { Command } from 'commander';
import type { Role } from '../http/management-access.js';
import { WrongUsage } from './exit-code.js';
import { managementClient, withServer, type Ask, type ManagementFlags } from './management-client.js';
import { print } from './print.js';

export type Flags = Readonly<Record<string, string | undefined>> & ManagementFlags;
export type Run = (ask: Ask, flags: Flags, ...names: string[]) => Promise<unknown>;
/** `!` in front: the option is needed; `?`: it stands in the example all the same, one of several being needed. */
export type Option = readonly [flags: string, description: string];

const EXAMPLES: Readonly<Record<string, string>> = {
  client: 'VN/GOV/MOJ/civil-status',
  service: 'VN/GOV/MPS/population/persons',
  code: 'hospitals',
  member: 'VN/GOV/MOH/hospital-a',
  id: '0199c82c-c000-701f-8690-41edb0af2da6',
  seq: '1760000000',
  mid: 'ZTJmNGQ1…',
  digest: 'pm8Kx1…',
  file: 'certificate.pem',
  name: 'statistics-portal',
  role: 'auditor',
  type: 'mutual',
};

/** Adds `parent usage`; `role` is whose key is taken from the folder; `shorten` is what people are shown of the answer. */
export function add(
  parent: Command,
  usage: string,
  role: Role,
  description: string,
  run: Run,
  options: readonly Option[] = [],
  shorten?: (value: unknown) => unknown,
): void {
  const command = withServer(parent.command(usage).description(`${description} (${role})`));
  for (const [flags, text] of options)
    if (flags.startsWith('!')) command.requiredOption(flags.slice(1), text);
    else if (flags.startsWith('?')) command.option(flags.slice(1), text);
    else command.option(flags, text);
  const example = usage.replaceAll(/<(\w+)>/g, (_, name: string) => EXAMPLES[name] ?? name);
  const required = options.flatMap(([flags]) =>
    /^[!?]/.test(flags) ? [flags.slice(1).replace(/<.*>/, '…')] : [],
  );
  const words = ['onceway-server', parent.name(), example, ...required, '--folder ss1'];
  command.addHelpText('after', `\nExamples:\n  $ ${words.join(' ')}`);
  command.action(async (...given: unknown[]) => {
    const names = given.slice(0, -2) as string[];
    const flags = given.at(-2) as Flags;
    print(command, await run(managementClient(flags, role), flags, ...names), shorten);
  });
}

export function readEndpoint(text: string): { method: string; path: string } {
  const [, method, path] = /^([A-Z*]+) (\S+)$/.exec(text) ?? [];
  if (method === undefined || path === undefined)
    throw new WrongUsage('request_invalid', `"${text}" is no endpoint: write "GET /persons/*"`);
  return { method, path };
}

export function readTime(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new WrongUsage('request_invalid', `"${text}" is no time: write 2026-12-31T23:59:59Z`);
  return Math.floor(ms / 1000);
}

export function readNumber(text: string): number {
  if (!/^\d+$/.test(text))
    throw new WrongUsage('request_invalid', `"${text}" is no number: write digits only`);
  return Number(text);
}
