// The registry with its trust services, and the witness of the State Audit Office: as their operators would begin them.
import { readFileSync } from 'node:fs';
import type { CountryFile } from './country-file.js';
import { managementOf, type Call } from './interface.js';
import { INSTANCE } from './members.js';
import { runToEnd } from './program.js';
import { DOMAIN, HOST, REGISTRY, SMALL, start, type Site } from './site.js';

/** The State Audit Office and the registry: both must cosign. */
const WITNESSES = 2;

export interface AuditWitness {
  readonly vkey: string;
  readonly port: number;
}

export async function initWitness(site: Site): Promise<AuditWitness> {
  site.options.progress('The State Audit Office makes the key of its witness');
  const said = await runToEnd({
    name: 'witness-init',
    args: [
      REGISTRY,
      '--json',
      'witness',
      'init',
      '--folder',
      site.path('audit-witness'),
      '--name',
      `sav.${DOMAIN}/witness`,
    ],
    logFile: site.path('logs', 'witness-init.log'),
  });
  return { vkey: (JSON.parse(said) as { key: string }).key, port: await site.port() };
}

export async function startWitness(site: Site, { port }: AuditWitness): Promise<void> {
  site.options.progress('The State Audit Office starts its witness');
  await start(site, 'audit-witness', [
    ...SMALL,
    REGISTRY,
    ...['witness', 'run', '--folder', site.path('audit-witness')],
    ...['--anchor', site.path('registry', 'anchor.json'), '--listen', `${HOST}:${port}`],
  ]);
}

export async function startRegistry(site: Site, audit: AuditWitness) {
  site.options.progress(
    'The central registry begins: root, configuration and log keys, certification authority',
  );
  const names = ['management', 'distribution', 'authority', 'ocsp', 'timeStamping', 'witness'];
  const listen: string[] = [];
  for (const name of names) listen.push('--listen', `${name}=${HOST}:${await site.port()}`);
  await runToEnd({
    name: 'registry-init',
    args: [
      REGISTRY,
      ...['--json', 'init', '--folder', site.path('registry'), '--instance', INSTANCE, '--domain', DOMAIN],
      ...['--organization', 'Onceway demo registry', '--own-witness'],
      ...[
        '--witness',
        `${audit.vkey}@http://${HOST}:${audit.port}`,
        '--witness-threshold',
        String(WITNESSES),
      ],
      ...listen,
    ],
    logFile: site.path('logs', 'registry-init.log'),
  });
  site.options.progress(
    'The registry starts, with OCSP responder, time-stamping authority and its own witness',
  );
  const addresses = await start(site, 'registry', [
    REGISTRY,
    'run',
    '--folder',
    site.path('registry'),
    '--trust-services',
  ]);
  const management = addresses['management'] ?? '';
  return {
    management,
    distribution: addresses['distribution'] ?? '',
    call: managementOf(management, site.path('registry', 'keys')),
  };
}

export async function addMember(
  registry: Call,
  id: string,
  name: { readonly en: string; readonly vi: string },
): Promise<void> {
  const [, memberClass, code] = id.split('/');
  await registry('registration-officer', 'POST', '/members', { class: memberClass, code, name });
}

export function witnessesOf(anchor: string): CountryFile['witnesses'] {
  const { witnesses } = JSON.parse(readFileSync(anchor, 'utf8')) as {
    witnesses: { witnesses: { key: string; url: string }[] };
  };
  return witnesses.witnesses.map(({ key, url }) => ({
    name: key.slice(0, key.indexOf('+')),
    publicKey: key,
    address: url,
  }));
}
