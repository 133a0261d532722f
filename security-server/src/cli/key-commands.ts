// Commands about the keys of a running server's token, and their certificates.
import type { Command } from 'commander';
import type { KeyInfo } from '../keys/key-info.js';
import { readOctets, readText } from './files.js';
import { pathOf } from './management-client.js';
import { add, type Option } from './management-command.js';

const PURPOSE: readonly Option[] = [
  ['!--usage <usage>', 'authentication, signing, or internal (TLS towards information systems)'],
  ['--member <member>', 'of a signing key'],
  ['--alg <alg>', 'ES256 (made by default), RS256 or PS256'],
];

/** A line for each certificate, since digests are what the other commands take; and for a key that has none. */
function certificatesOf(keys: unknown): object[] {
  return (keys as KeyInfo[]).flatMap(({ id, usage, alg, member, name, certificates }) =>
    (certificates.length === 0 ? [undefined] : certificates).map((certificate) => ({
      ...{ usage, of: member ?? name ?? null, id, alg, certificate: certificate?.digest ?? null },
      ...{ active: certificate?.active ?? null, until: certificate?.until ?? null },
    })),
  );
}

export function addKeys(key: Command): void {
  const given = (values: Readonly<Record<string, string | undefined>>): object =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  add(
    key,
    'list',
    'auditor',
    'Keys with their certificates',
    (ask) => ask('GET', '/keys'),
    [],
    certificatesOf,
  );
  add(
    key,
    'generate',
    'security-officer',
    'Make a key',
    (ask, { usage, member, alg }) => ask('POST', '/keys', given({ usage, member, alg })),
    PURPOSE,
  );
  add(
    key,
    'import <file>',
    'security-officer',
    'Import a key with its certificate, PEM or PKCS#12',
    (ask, { usage, member, alg, passphraseFile }, file = '') => {
      const octets = readOctets(file);
      const isPem = octets.includes('-----BEGIN ');
      return ask('POST', '/keys/import', {
        ...given({ usage, member, alg }),
        format: isPem ? 'pem' : 'pkcs12',
        content: octets.toString(isPem ? 'utf8' : 'base64'),
        ...(passphraseFile === undefined
          ? {}
          : { passphrase: readText(passphraseFile).replace(/\r?\n$/, '') }),
      });
    },
    [...PURPOSE, ['--passphrase-file <file>', 'file that holds the passphrase']],
  );
  add(
    key,
    'internal',
    'security-officer',
    'Make a key for TLS towards information systems, with a certificate that it signs itself',
    (ask, { dns = '' }) => ask('POST', '/keys/internal', { names: dns.split(',') }),
    [['!--dns <names>', 'names and addresses by which they reach this server, comma-separated']],
  );
  add(key, 'export', 'auditor', 'The certificate that information systems shall trust, PEM', (ask) =>
    ask('GET', '/internal-certificate'),
  );
  add(
    key,
    'request <id>',
    'security-officer',
    'A certificate request for an authority',
    async (ask, { commonName, organization, country, dns }, id = '') => {
      const subject = given({ CN: commonName, O: organization, C: country });
      const names = dns === undefined ? {} : { dns: dns.split(',') };
      const { csr } = (await ask('POST', pathOf('keys', id, 'request'), { subject, ...names })) as {
        csr: string;
      };
      return csr;
    },
    [
      ['!--common-name <name>', 'CN'],
      ['--organization <name>', 'O'],
      ['--country <code>', 'C, two letters'],
      ['--dns <names>', 'names and addresses of an authentication certificate, comma-separated'],
    ],
  );
  add(
    key,
    'certificate <file>',
    'security-officer',
    'Add a certificate (PEM) to its key',
    (ask, _flags, file = '') => ask('POST', '/certificates', { certificate: readText(file) }),
  );
  for (const [name, active] of [
    ['activate', true],
    ['deactivate', false],
  ] as const)
    add(
      key,
      `${name} <digest>`,
      'security-officer',
      active ? 'Use a certificate' : 'Use a certificate no longer',
      (ask, _flags, digest = '') => ask('PUT', pathOf('certificates', digest), { active }),
    );
  add(
    key,
    'register <digest>',
    'security-officer',
    'Ask the registry to list a certificate',
    (ask, _flags, digest = '') => ask('POST', pathOf('certificates', digest, 'registration')),
  );
}
