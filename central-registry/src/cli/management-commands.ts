// Commands that ask a running registry. Each is one call of the management interface, and prints what it answers.
import type { Command } from 'commander';
import { readJson } from './files.js';
import { addCommand as add, readNumber, type Options } from './management-command.js';
import { pathOf } from './management-client.js';
import { addTrustCommands } from './trust-commands.js';

const namesOf = ({ nameEn, nameVi }: Options): { en: string; vi: string } => ({
  en: nameEn ?? '',
  vi: nameVi ?? nameEn ?? '',
});
const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : readNumber(text);

export function addManagementCommands(program: Command): void {
  const member = program.command('member').description('Members: admit, list, suspend, lift.');
  add(
    member,
    'add <class> <code>',
    'Admit a member.',
    (ask, options, memberClass, code) =>
      ask('POST', '/members', { class: memberClass, code, name: namesOf(options) }),
    [
      ['!--name-en <name>', 'name in English'],
      ['--name-vi <name>', 'name in Vietnamese; the English one without it'],
    ],
  );
  add(member, 'list', 'List members.', (ask) => ask('GET', '/members'));
  add(
    member,
    'suspend <member>',
    'Stop all exchange of a member.',
    (ask, { reason }, id = '') => ask('POST', `${pathOf('members', id)}/suspension`, { reason }),
    [['!--reason <text>', 'stands in the audit trail']],
  );
  add(member, 'lift <member>', 'Lift a suspension.', (ask, _, id = '') =>
    ask('DELETE', `${pathOf('members', id)}/suspension`),
  );
  add(
    member,
    'subsystem <member> <subsystem>',
    'Add or name a subsystem.',
    (ask, options, id = '', code = '') =>
      ask('POST', `${pathOf('members', id)}/subsystems`, {
        code,
        ...(options['nameEn'] === undefined ? {} : { name: namesOf(options) }),
      }),
    [
      ['--name-en <name>', 'name in English'],
      ['--name-vi <name>', 'name in Vietnamese'],
    ],
  );

  const group = program.command('group').description('Global groups: clients that rights may name together.');
  add(group, 'list', 'List groups with their members.', (ask) => ask('GET', '/groups'));
  add(
    group,
    'put <group>',
    'Make a group what is given, whole.',
    (ask, options, code = '') =>
      ask('PUT', pathOf('groups', code), {
        description: namesOf(options),
        members: (options['members'] ?? '').split(',').filter((each) => each !== ''),
      }),
    [
      ['!--name-en <name>', 'what it is, in English'],
      ['--name-vi <name>', 'in Vietnamese; the English one without it'],
      ['--members <clients>', 'comma-separated; those left out are in it no longer'],
    ],
  );
  add(group, 'remove <group>', 'Remove a group: rights that name it grant nothing.', (ask, _, code = '') =>
    ask('DELETE', pathOf('groups', code)),
  );

  const server = program.command('server').description('Security servers: list, suspend, lift.');
  add(server, 'list', 'List security servers.', (ask) => ask('GET', '/security-servers'));
  add(server, 'show <server>', 'One server with its certificates.', (ask, _, id = '') =>
    ask('GET', pathOf('security-servers', id)),
  );
  add(
    server,
    'suspend <server>',
    'Take a server out of the configuration.',
    (ask, { reason }, id = '') => ask('POST', `${pathOf('security-servers', id)}/suspension`, { reason }),
    [['!--reason <text>', 'stands in the audit trail']],
  );
  add(server, 'lift <server>', 'Lift a suspension.', (ask, _, id = '') =>
    ask('DELETE', `${pathOf('security-servers', id)}/suspension`),
  );

  const token = program.command('token').description('Enrolment tokens for new servers.');
  add(
    token,
    'create <member> <server>',
    'Make a token for one member on one server; it is shown once.',
    (ask, { uses, lifetime }, memberId, serverId) =>
      ask('POST', '/enrolment-tokens', {
        member: memberId,
        server: serverId,
        uses: numberOf(uses),
        lifetimeS: numberOf(lifetime),
      }),
    [
      ['--uses <n>', 'certificates that may be issued for it'],
      ['--lifetime <seconds>', 'how long it is valid'],
    ],
  );
  add(token, 'list', 'List tokens, without their secrets.', (ask) => ask('GET', '/enrolment-tokens'));

  addRequestCommands(program);
  addStateCommands(program);
  addTrustCommands(program);
}

function addRequestCommands(program: Command): void {
  const requests = program
    .command('request')
    .description('Management requests: list, show, approve, decline.');
  add(
    requests,
    'list',
    'List requests, newest first.',
    async (ask, { state, before }) => {
      const query = new URLSearchParams({
        ...(state === undefined ? {} : { state }),
        ...(before === undefined ? {} : { before }),
      });
      const listed = (await ask('GET', `/management-requests?${query.toString()}`)) as Record<
        string,
        unknown
      >[];
      return listed.map(({ id, type, state: current, server, member, reason }) => ({
        id,
        type,
        state: current,
        server,
        member,
        ...(reason === undefined ? {} : { reason }),
      }));
    },
    [
      ['--state <state>', 'only these: submitted, waiting, approved, declined, revoked'],
      ['--before <id>', 'only older ones than this: the last of the page before'],
    ],
  );
  add(requests, 'show <id>', 'One request, with what was signed.', (ask, _, id = '') =>
    ask('GET', pathOf('management-requests', id)),
  );
  add(requests, 'approve <id>', 'Approve: applied and published at once.', (ask, _, id = '') =>
    ask('POST', `${pathOf('management-requests', id)}/approval`),
  );
  add(
    requests,
    'decline <id>',
    'Decline; the requester sees the reason.',
    (ask, { reason }, id = '') => ask('POST', `${pathOf('management-requests', id)}/refusal`, { reason }),
    [['!--reason <text>', 'shown to the requester']],
  );

  const certificate = program.command('certificate').description('Certificates of the pilot authority.');
  add(certificate, 'list', 'List certificates.', (ask) => ask('GET', '/certificates'));
  add(
    certificate,
    'revoke <digest>',
    'Take a certificate off the lists and revoke it.',
    (ask, { reason }, digest = '') => ask('POST', `${pathOf('certificates', digest)}/revocation`, { reason }),
    [['--reason <reason>', 'as in RFC 5280 §5.3.1', 'unspecified']],
  );
}

function addStateCommands(program: Command): void {
  const configuration = program.command('configuration').description('The global configuration.');
  add(configuration, 'show', 'What is published, and who has cosigned it.', (ask) =>
    ask('GET', '/configuration'),
  );
  add(configuration, 'publish', 'Publish now, and ask missing witnesses again.', (ask) =>
    ask('POST', '/configuration'),
  );

  const policy = program.command('policy').description('The policy that servers follow.');
  add(policy, 'show', 'Show it.', (ask) => ask('GET', '/policy'));
  add(policy, 'set', 'Change it.', (ask, { file = '' }) => ask('PUT', '/policy', readJson(file)), [
    ['!--file <file>', 'JSON as `policy show --json` prints it'],
  ]);

  add(
    program,
    'audit',
    'The audit trail: who did what, and what was refused.',
    async (ask, { from = '0', count = '100' }) => {
      const { entries } = (await ask(
        'GET',
        `/audit?from=${readNumber(from)}&count=${readNumber(count)}`,
      )) as {
        entries: { place: number; entry: string }[];
      };
      return entries.map(({ place, entry }) => ({ place, ...(JSON.parse(entry) as object) }));
    },
    [
      ['--from <place>', 'first entry'],
      ['--count <n>', 'at most so many'],
    ],
  );
}
