// One command that asks a running registry: which options each of them has, how it is called and how its answer is
// printed. Which commands there are stands in management-commands.ts and trust-commands.ts.
import type { Command } from 'commander';
import { WrongUsage } from './exit-code.js';
import { managementClient, withRegistry, type Ask, type ManagementOptions } from './management-client.js';
import { print } from './print.js';

export type Options = Readonly<Record<string, string | undefined>> & ManagementOptions;
type Run = (ask: Ask, options: Options, ...names: string[]) => Promise<unknown>;

/** Adds `parent name <arguments>`, which needs a registry and a key. */
export function addCommand(
  parent: Command,
  usage: string,
  description: string,
  run: Run,
  options: readonly (readonly [flags: string, description: string, fallback?: string])[] = [],
): void {
  const command = withRegistry(parent.command(usage).description(description));
  for (const [flags, text, fallback] of options)
    if (flags.startsWith('!')) command.requiredOption(flags.slice(1), text);
    else command.option(flags, text, fallback);
  const called = parent.parent === null ? usage : `${parent.name()} ${usage}`;
  const role = ROLES[called.split(' <')[0] ?? ''] ?? 'auditor';
  command.description(`${description} (${role})`);
  const example = called.replace(/<(\w+)>/g, (_, name: string) => EXAMPLES[name] ?? name);
  const required = options
    .filter(([flags]) => flags.startsWith('!'))
    .map(([flags]) => ` ${flags.slice(1).replace(/<.*>/, '…')}`)
    .join('');
  command.addHelpText(
    'after',
    `\nExamples:\n  $ onceway-registry ${example}${required} --api-key-file keys/api-key-${role}.txt`,
  );
  command.action(async (...given: unknown[]) => {
    const names = given.slice(0, -2) as string[];
    const values = given.at(-2) as Options;
    print(command, await run(managementClient(values), values, ...names));
  });
}

export function readNumber(text: string): number {
  if (!/^\d+$/.test(text))
    throw new WrongUsage('request_invalid', `"${text}" is no number: write digits only`);
  return Number(text);
}

/** Who may, beside others (the API description has them all); what only reads, an auditor may. */
const ROLES: Readonly<Record<string, string>> = {
  'member add': 'registration-officer',
  'member suspend': 'registration-officer',
  'member lift': 'registration-officer',
  'member subsystem': 'registration-officer',
  'group put': 'registration-officer',
  'group remove': 'registration-officer',
  'server suspend': 'registration-officer',
  'server lift': 'registration-officer',
  'token create': 'registration-officer',
  'request approve': 'registration-officer',
  'request decline': 'registration-officer',
  'certificate revoke': 'security-officer',
  'configuration publish': 'security-officer',
  'policy set': 'security-officer',
  'trust-service put': 'security-officer',
  'trust-service remove': 'security-officer',
  'change approve': 'security-officer',
  'change withdraw': 'security-officer',
  'key create': 'security-officer',
  'key remove': 'security-officer',
};

const EXAMPLES: Readonly<Record<string, string>> = {
  member: 'VN/GOV/MOH',
  class: 'GOV',
  code: 'MOH',
  subsystem: 'BIRTHS',
  group: 'hospitals',
  server: 'VN/GOV/MOH/ss1',
  id: 'Qx3…',
  role: 'auditor',
  digest: 'pm8…',
  type: 'certification-authority',
  name: "'National CA'",
};
