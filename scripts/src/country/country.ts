// Brings a whole country up on this machine, from nothing: the witness of the State Audit Office, the registry with its
// trust services, four security servers, six agencies. Each is a process of its own; what an administrator would do by
// hand is done here by the same commands and management interfaces.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CountryFile } from './country-file.js';
import { examplesOf } from './examples.js';
import { AGENCIES, INSTANCE, MEMBERS, SERVERS } from './members.js';
import type { Program } from './program.js';
import { addMember, initWitness, startRegistry, startWitness, witnessesOf } from './registry-site.js';
import {
  codeOf,
  entryOf,
  grantRights,
  PIN,
  registerClients,
  serverOf,
  startServer,
  type RunningSite,
} from './server-site.js';
import { HOST, siteOf, SMALL, start, type CountryOptions, type Site } from './site.js';

const agencyProgram = (name: string): string =>
  fileURLToPath(new URL(`agencies/${name}.js`, import.meta.url));

export interface Country {
  readonly file: CountryFile;
  readonly programs: readonly Program[];
  /** Agency → SQLite file. */
  readonly databases: Readonly<Record<string, string>>;
  readonly desks: Readonly<Record<string, string>>;
  /** Server → its folder. */
  readonly folders: Readonly<Record<string, string>>;
  readonly pin: string;
  /** Rejects as soon as one process ends by itself. */
  readonly failed: Promise<never>;
  end(): Promise<void>;
}

/** @throws {ProgramFailure} naming the process and its log; everything that was started is ended */
export async function bringUp(options: CountryOptions): Promise<Country> {
  const site = siteOf(options);
  mkdirSync(site.path('logs'), { recursive: true });
  try {
    return await Promise.race([begin(site), site.failed]);
  } catch (error) {
    await site.end();
    throw error;
  }
}

async function begin(site: Site): Promise<Country> {
  const { programs, failed, options } = site;
  const audit = await initWitness(site);
  const registry = await startRegistry(site, audit);
  await startWitness(site, audit);
  const anchor = site.path('registry', 'anchor.json');
  options.progress('Seven members are admitted, four security servers enrol');
  for (const { id, names } of MEMBERS) await addMember(registry.call, id, names);
  const servers = await Promise.all(
    SERVERS.map((server) => startServer(site, server, anchor, registry.call)),
  );
  options.progress('Subsystems are registered');
  await Promise.all(servers.map((server) => registerClients(server, registry.call)));
  await Promise.all(
    servers.map((server) => server.call('system-administrator', 'POST', '/configuration/refresh')),
  );
  options.progress('Agencies start and publish their services');
  const agencies = await Promise.all(AGENCIES.map((agency) => startAgency(site, agency, servers)));
  options.progress('Each agency grants the rights that others need');
  await grantRights(servers);
  const entries = new Map(
    await Promise.all(
      servers.map(async (server) => [server.id, await entryOf(server, registry.call)] as const),
    ),
  );
  const file: CountryFile = {
    instance: INSTANCE,
    registry: {
      management: registry.management,
      distribution: registry.distribution,
      metrics: `${registry.management}/metrics`,
      anchor,
      keys: site.path('registry', 'keys'),
    },
    members: MEMBERS.map(({ id, names }) => {
      const hosts = SERVERS.filter(({ hosts: on }) => on.includes(id));
      return {
        id,
        name: names,
        keys: site.path('servers', codeOf(hosts[0]?.id ?? ''), 'keys'),
        servers: hosts.flatMap((host) => entries.get(host.id) ?? []),
      };
    }),
    witnesses: witnessesOf(anchor),
    examples: examplesOf(
      (member) => entries.get(SERVERS.find(({ hosts }) => hosts.includes(member))?.id ?? '')?.client ?? '',
    ),
  };
  return {
    file,
    programs,
    databases: Object.fromEntries(AGENCIES.map(({ name }) => [name, site.path('agencies', `${name}.db`)])),
    desks: Object.fromEntries(agencies),
    folders: Object.fromEntries(servers.map((server) => [server.id, server.folder])),
    pin: PIN,
    failed,
    end: () => site.end(),
  };
}

async function startAgency(
  site: Site,
  { name, member }: (typeof AGENCIES)[number],
  servers: readonly RunningSite[],
): Promise<readonly [string, string]> {
  const own = serverOf(member, servers);
  mkdirSync(site.path('agencies'), { recursive: true });
  const settings = site.path('agencies', `${name}.json`);
  writeFileSync(
    settings,
    JSON.stringify(
      {
        server: own.addresses['client'],
        services: `http://${HOST}:0`,
        desk: `http://${HOST}:${await site.port()}`,
        database: site.path('agencies', `${name}.db`),
        publish: {
          management: own.addresses['management'],
          apiKeyFile: join(own.folder, 'keys', 'api-key-service-administrator.txt'),
        },
      },
      null,
      2,
    ),
  );
  const addresses = await start(site, name, [...SMALL, agencyProgram(name), '--settings', settings]);
  return [name, addresses['desk'] ?? ''];
}
