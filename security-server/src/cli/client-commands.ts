// Commands about the clients of a running server: that they are registered, and how their information systems connect.
import type { Command } from 'commander';
import { pathOf } from './management-client.js';
import { add } from './management-command.js';
import { readText } from './files.js';

export function addClients(client: Command): void {
  add(client, 'list', 'auditor', 'Clients, registered and asked for', (ask) => ask('GET', '/clients'));
  add(
    client,
    'add <client>',
    'registration-officer',
    'Ask the registry to register a client here',
    (ask, { tokenFile }, name) =>
      ask('POST', '/clients', {
        client: name,
        ...(tokenFile === undefined ? {} : { enrolmentToken: readText(tokenFile).trim() }),
      }),
    [['--token-file <file>', 'enrolment token, where its member has no signing certificate here']],
  );
  add(
    client,
    'remove <client>',
    'registration-officer',
    'Ask the registry to remove it from here',
    (ask, _flags, name = '') => ask('DELETE', pathOf('clients', name)),
  );
  add(
    client,
    'connection <client> <type>',
    'security-officer',
    'How its information systems must connect: http, https, or mutual (TLS with one of its certificates)',
    (ask, _flags, name = '', type = '') =>
      ask('PUT', pathOf('clients', name, 'connection'), { connection: type }),
  );
  add(
    client,
    'certificates <client>',
    'auditor',
    'Certificates of its information systems',
    (ask, _flags, name = '') => ask('GET', pathOf('clients', name, 'certificates')),
  );
  add(
    client,
    'add-certificate <client> <file>',
    'security-officer',
    'Let in information systems that show this certificate (PEM)',
    (ask, _flags, name = '', file = '') =>
      ask('POST', pathOf('clients', name, 'certificates'), { certificate: readText(file) }),
  );
  add(
    client,
    'remove-certificate <client> <digest>',
    'security-officer',
    'Let it in no longer',
    (ask, _flags, name = '', digest = '') => ask('DELETE', pathOf('clients', name, 'certificates', digest)),
  );
}
