// Commands by which officers change what the exchange trusts: trust services, API keys, and the changes of either that
// wait for another officer.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import { hashOf, newKey } from '../access/api-key.js';
import { writeSecret } from '../trust-services/credential.js';
import { readJson } from './files.js';
import { addCommand as add } from './management-command.js';
import { pathOf } from './management-client.js';
import { print } from './print.js';

export function addTrustCommands(program: Command): void {
  const service = program
    .command('trust-service')
    .description('Approved certification and time-stamping authorities.');
  add(service, 'list', 'List them.', (ask) => ask('GET', '/trust-services'));
  add(
    service,
    'put',
    'Approve one, or change the one of this type and name.',
    (ask, { file = '' }) => ask('PUT', '/trust-services', readJson(file)),
    [['!--file <file>', 'JSON as `trust-service list --json` prints it']],
  );
  add(service, 'remove <type> <name>', 'Withdraw an approval.', (ask, _, type = '', name = '') =>
    ask('DELETE', pathOf('trust-services', type, name)),
  );

  const change = program
    .command('change')
    .description('Changes of what is trusted that wait for another officer.');
  add(change, 'list', 'List them, oldest first.', (ask) => ask('GET', '/trust-changes'));
  add(change, 'approve <id>', 'Approve one: applied and published at once.', (ask, _, id = '') =>
    ask('POST', `${pathOf('trust-changes', id)}/approval`),
  );
  add(change, 'withdraw <id>', 'Withdraw one.', (ask, _, id = '') =>
    ask('DELETE', pathOf('trust-changes', id)),
  );

  const key = program.command('key').description('API keys.');
  add(
    key,
    'create <role>',
    'Make an API key, shown once; or enter one by its hash.',
    (ask, { name, hash }, role) => ask('POST', '/api-keys', { role, name, hash }),
    [
      ['!--name <name>', "what it is for; not a person's name"],
      ['--hash <hash>', 'of a key that its holder made: compulsory where two officers decide who is one'],
    ],
  );
  add(key, 'list', 'List keys.', (ask) => ask('GET', '/api-keys'));
  add(key, 'remove <id>', 'End a key.', (ask, _, id = '') => ask('DELETE', pathOf('api-keys', id)));
  key
    .command('make')
    .description('Make an API key here, and print its hash for whoever enters it.')
    .requiredOption('--file <file>', 'new; readable by its owner only')
    .addHelpText('after', '\nExamples:\n  $ onceway-registry key make --file my-key.txt')
    .action(({ file }: { file: string }, command: Command) => {
      if (existsSync(file)) throw new OncewayError('conflict', `${file} exists already`);
      const made = newKey(randomBytes);
      writeSecret(file, `${made}\n`);
      print(command, { hash: hashOf(made) });
    });
}
