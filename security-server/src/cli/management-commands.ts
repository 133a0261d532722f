// Commands that ask a running server. Each is one call of the management interface, and prints what it answers.
import type { Command } from 'commander';
import { addClients } from './client-commands.js';
import { EXIT, WrongUsage } from './exit-code.js';
import { readJson, readText } from './files.js';
import { addKeys } from './key-commands.js';
import { managementClient, pathOf, withServer } from './management-client.js';
import { add, readEndpoint, readNumber, readTime, type Flags } from './management-command.js';
import { checkpointSummary, messageSummary } from './message-summary.js';
import { blockOf, print } from './print.js';

export function addManagementCommands(program: Command): void {
  addState(program);
  addClients(
    program.command('client').description('Clients of this server: subsystems that speak through it.'),
  );
  addServices(program.command('service').description('Services offered here.'));
  addRights(program.command('right').description('Who may call what.'));
  addGroups(
    program.command('group').description('Groups of clients that a provider here keeps itself, for rights.'),
  );
  addKeys(program.command('key').description('Keys of the token and their certificates.'));
  addLog(program.command('message').description('The message log.'));
  addAccounts(program.command('api-key').description('Who may administer this server.'));
}

function addState(program: Command): void {
  const status = program
    .command('status')
    .description('What stops the exchange, and when; exit code 1 while it does.');
  withServer(status)
    .addHelpText('after', '\nExamples:\n  $ onceway-server status --folder ss1')
    .action(async (flags: Flags) => {
      const health = (await managementClient(flags, 'auditor')('GET', '/health')) as { status: string };
      print(status, health);
      if (health.status === 'failing') process.exitCode = EXIT.refused;
    });
  const configuration = program.command('configuration').description('The global configuration.');
  add(configuration, 'show', 'auditor', 'Which one is in force', (ask) => ask('GET', '/configuration'));
  add(configuration, 'refresh', 'system-administrator', 'Ask the registry for a newer one', (ask) =>
    ask('POST', '/configuration/refresh'),
  );
  const request = program.command('request').description('What was asked of the registry.');
  add(request, 'list', 'auditor', 'All requests, newest first', (ask) => ask('GET', '/requests'));
  add(request, 'show <seq>', 'auditor', 'How one stands; asks the registry', (ask, _flags, seq = '') =>
    ask('GET', pathOf('requests', seq)),
  );
}

function addServices(service: Command): void {
  add(service, 'list', 'auditor', 'All services', (ask) => ask('GET', '/services'));
  add(service, 'show <service>', 'auditor', 'One service', (ask, _flags, id = '') =>
    ask('GET', pathOf('services', id)),
  );
  add(
    service,
    'add <service>',
    'service-administrator',
    'Add a service, or change it',
    (ask, { baseUrl, certificate, timeoutMs, description, nameEn, nameVi }, id = '') =>
      ask('PUT', pathOf('services', id), {
        baseUrl,
        ...(certificate === undefined
          ? {}
          : { certificate: certificate === 'none' ? null : readText(certificate) }),
        ...(timeoutMs === undefined ? {} : { timeoutMs: readNumber(timeoutMs) }),
        ...(nameEn === undefined ? {} : { names: { en: nameEn, vi: nameVi ?? nameEn } }),
        ...(description === undefined ? {} : { description: readJson(description) }),
      }),
    [
      ['!--base-url <url>', 'where the service answers; path and query of a request are appended'],
      ['--certificate <file>', 'PEM, the only one accepted of an https service; none ends that'],
      ['--timeout-ms <ms>', 'how long it may take; 60000'],
      ['--description <file>', 'OpenAPI 3 as JSON; its operations become the endpoints'],
      ['--name-en <name>', 'for the catalogue'],
      ['--name-vi <name>', 'for the catalogue'],
    ],
  );
  add(
    service,
    'remove <service>',
    'service-administrator',
    'Remove a service to which nobody has a right',
    (ask, _flags, id = '') => ask('DELETE', pathOf('services', id)),
  );
  add(
    service,
    'disable <service>',
    'service-administrator',
    'Switch it off',
    (ask, { notice }, id = '') => ask('PUT', pathOf('services', id, 'notice'), { notice }),
    [['!--notice <text>', 'what its callers are told']],
  );
  add(service, 'enable <service>', 'service-administrator', 'Switch it on', (ask, _flags, id = '') =>
    ask('DELETE', pathOf('services', id, 'notice')),
  );
}

function addRights(right: Command): void {
  add(
    right,
    'list',
    'auditor',
    'Rights in force',
    (ask, { service }) =>
      ask('GET', `/rights${service === undefined ? '' : `?service=${encodeURIComponent(service)}`}`),
    [['--service <service>', 'only of this one']],
  );
  add(
    right,
    'grant <service>',
    'service-administrator',
    'Grant a right, or change one',
    (ask, { client, group, localGroup, endpoint, until, reason }, service) => {
      const given = Object.entries({ client, group, localGroup }).filter(([, name]) => name !== undefined);
      if (given.length !== 1)
        throw new WrongUsage('request_invalid', 'to whom? Give --client, --group or --local-group');
      return ask('POST', '/rights', {
        service,
        subject: Object.fromEntries(given),
        ...(endpoint === undefined ? {} : { endpoint: readEndpoint(endpoint) }),
        ...(until === undefined ? {} : { until: readTime(until) }),
        reason,
      });
    },
    [
      ['?--client <client>', 'subsystem that may call; or one of the next two'],
      ['--group <code>', 'global group whose members may call'],
      ['--local-group <code>', 'group of the provider itself whose members may call'],
      ['--endpoint <endpoint>', '"GET /persons/*"; the whole service without it'],
      ['--until <time>', 'last moment, ISO 8601; until it is revoked without it'],
      ['!--reason <text>', 'stands in the signed right'],
    ],
  );
  add(right, 'held', 'auditor', 'Rights that other servers granted to clients here', (ask) =>
    ask('GET', '/held-rights'),
  );
  add(
    right,
    'show <id>',
    'auditor',
    'All revisions as they were signed, and which servers have taken them',
    (ask, _flags, id = '') => ask('GET', pathOf('rights', id)),
    [],
    (revisions) =>
      (revisions as { signed: string }[])
        .map(({ signed: _signed, ...revision }) => blockOf(revision))
        .join('\n\n'),
  );
  add(
    right,
    'revoke <id>',
    'service-administrator',
    'Revoke a right',
    (ask, { reason }, id = '') => ask('POST', pathOf('rights', id, 'revocation'), { reason }),
    [['!--reason <text>', 'stands in the signed right']],
  );
}

function addGroups(group: Command): void {
  const at = (client: string, code: string): string => pathOf('local-groups', client, code);
  add(group, 'list', 'auditor', 'All groups with their members', (ask) => ask('GET', '/local-groups'));
  add(
    group,
    'create <client> <code>',
    'service-administrator',
    'Make a group of a provider, or describe it anew',
    (ask, { nameEn = '', nameVi }, client = '', code = '') =>
      ask('PUT', at(client, code), { description: { en: nameEn, vi: nameVi ?? nameEn } }),
    [
      ['!--name-en <name>', 'what it is, in English'],
      ['--name-vi <name>', 'in Vietnamese; the English one without it'],
    ],
  );
  add(
    group,
    'add <client> <code> <member>',
    'service-administrator',
    'Add a client to a group',
    (ask, _flags, client = '', code = '', member = '') =>
      ask('PUT', at(client, code) + pathOf('members', member)),
  );
  add(
    group,
    'remove <client> <code> <member>',
    'service-administrator',
    'Take a client out of a group: what the group may it may no longer',
    (ask, _flags, client = '', code = '', member = '') =>
      ask('DELETE', at(client, code) + pathOf('members', member)),
  );
  add(
    group,
    'delete <client> <code>',
    'service-administrator',
    'Delete a group that has no right',
    (ask, _flags, client = '', code = '') => ask('DELETE', at(client, code)),
  );
}

function addLog(message: Command): void {
  add(
    message,
    'show <mid>',
    'auditor',
    'Who asked whom, and how far it is proven; with --json all proofs and certificates',
    (ask, _flags, mid = '') => ask('GET', pathOf('messages', mid)),
    [],
    messageSummary,
  );
  add(
    message,
    'content <mid>',
    'auditor',
    'Head, body and salts; the log keeps who took them and why',
    (ask, { ground }, mid = '') => ask('POST', pathOf('messages', mid, 'content'), { ground }),
    [['!--ground <number>', 'number of the decision that allows it, never a name']],
  );
  add(
    message,
    'checkpoint',
    'auditor',
    'Seal a checkpoint now; with --json the checkpoint itself',
    (ask) => ask('POST', '/checkpoint'),
    [],
    checkpointSummary,
  );
}

function addAccounts(key: Command): void {
  add(key, 'list', 'security-officer', 'API keys', (ask) => ask('GET', '/api-keys'));
  add(
    key,
    'create <name>',
    'security-officer',
    'Make an API key; it is shown once',
    (ask, { roles = '' }, name) => ask('POST', '/api-keys', { name, roles: roles.split(',') }),
    [['!--roles <roles>', 'comma-separated']],
  );
  add(key, 'remove <name>', 'security-officer', 'Remove an API key', (ask, _flags, name = '') =>
    ask('DELETE', pathOf('api-keys', name)),
  );
  add(
    key,
    'audit',
    'auditor',
    'Who did what',
    (ask, { after = '0' }) => ask('GET', `/audit?after=${readNumber(after)}&limit=1000`),
    [['--after <n>', 'acts after this number']],
  );
}
