// Security servers: begun, enrolled, approved and set up by the same commands and interfaces that an administrator uses.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CountryServerEntry } from './country-file.js';
import { managementOf, type Call } from './interface.js';
import { MEMBERS, RIGHTS, type CountryServer } from './members.js';
import { runToEnd } from './program.js';
import { HOST, SERVER, start, type Site } from './site.js';

const TOKEN_USES = 8;

export interface RunningSite {
  readonly id: string;
  readonly folder: string;
  readonly server: CountryServer;
  readonly addresses: Readonly<Record<string, string>>;
  readonly call: Call;
}

/** On a real server this stands in a file or in the environment of the service; here it protects nothing. */
export const PIN = 'demo-pin-2025';

export async function startServer(
  site: Site,
  server: CountryServer,
  anchor: string,
  registry: Call,
): Promise<RunningSite> {
  const name = codeOf(server.id);
  const folder = site.path('servers', name);
  const env = { ONCEWAY_PIN: PIN };
  const logFile = site.path('logs', `${name}-enrol.log`);
  const [client, peer, management] = [await site.port(), await site.port(), await site.port()];
  const at = (port: number): string => `${HOST}:${port}`;
  await runToEnd({
    name: `${name}-init`,
    args: [
      SERVER,
      ...['init', '--folder', folder, '--id', server.id, '--anchor', anchor],
      ...['--client', at(client), '--peer', at(peer), '--management', at(management)],
    ],
    logFile,
    env,
  });
  const tokenFile = site.path('servers', `${name}-token.txt`);
  writeFileSync(tokenFile, await enrolmentToken(registry, server.owner, server.id), { mode: 0o600 });
  await runToEnd({
    name: `${name}-enrol`,
    args: [
      SERVER,
      ...['enrol', '--folder', folder, '--address', `https://${at(peer)}`, '--dns', HOST],
      ...['--token-file', tokenFile, '--no-wait'],
    ],
    logFile,
    env,
  });
  await approveWaiting(registry);
  const addresses = await start(site, name, [SERVER, 'run', '--folder', folder], env);
  return {
    id: server.id,
    folder,
    server,
    addresses,
    call: managementOf(addresses['management'] ?? '', join(folder, 'keys')),
  };
}

async function enrolmentToken(registry: Call, member: string, server: string): Promise<string> {
  const made = await registry<{ token: string }>('registration-officer', 'POST', '/enrolment-tokens', {
    member,
    server,
    uses: TOKEN_USES,
  });
  return made.token;
}

let approving: Promise<void> = Promise.resolve();

/** Servers enrol side by side, but there is one officer: an approval is answered when it is public, and only then may the
 *  server that asked for it go on. Two officers could take each other's requests, and a server would go on too early. */
export function approveWaiting(registry: Call): Promise<void> {
  const officer = 'registration-officer';
  approving = approving
    .catch(() => undefined)
    .then(async () => {
      const waiting = await registry<{ id: string }[]>(officer, 'GET', '/management-requests?state=waiting');
      for (const { id } of waiting) await registry(officer, 'POST', `/management-requests/${id}/approval`);
    });
  return approving;
}

export async function registerClients({ server, call }: RunningSite, registry: Call): Promise<void> {
  for (const id of server.hosts) {
    const member = MEMBERS.find((one) => one.id === id);
    for (const client of member?.subsystems ?? []) {
      const isOwner = id === server.owner;
      await call('registration-officer', 'POST', '/clients', {
        client,
        ...(isOwner ? {} : { enrolmentToken: await enrolmentToken(registry, id, server.id) }),
      });
      await approveWaiting(registry);
      await call('system-administrator', 'POST', '/configuration/refresh');
    }
  }
}

export function serverOf(member: string, servers: readonly RunningSite[]): RunningSite {
  const found = servers.find(({ server }) => server.hosts.includes(member));
  if (found === undefined) throw new TypeError(`${member} is on no server`);
  return found;
}

export async function grantRights(servers: readonly RunningSite[]): Promise<void> {
  for (const { service, clients, endpoints } of RIGHTS) {
    const { call } = serverOf(service.split('/').slice(0, 3).join('/'), servers);
    for (const client of clients)
      for (const endpoint of endpoints ?? [undefined]) {
        const [method, path] = endpoint?.split(' ') ?? [];
        await call('service-administrator', 'POST', '/rights', {
          service,
          subject: { client },
          reason: 'Decree 63/2024, interlinked procedure for births',
          ...(endpoint === undefined ? {} : { endpoint: { method, path } }),
        });
      }
  }
}

/** Where a server is, and its certificates as files beside its API keys. */
export async function entryOf(
  { id, folder, addresses, call }: RunningSite,
  registry: Call,
): Promise<CountryServerEntry> {
  const keys = await call<{ usage: string; certificates: { pem: string }[] }[]>('auditor', 'GET', '/keys');
  for (const [index, { usage, certificates }] of keys.entries())
    for (const { pem } of certificates) writeFileSync(join(folder, 'keys', `${usage}-${index}.pem`), pem);
  const { logs } = await registry<{ logs: { origin: string; key: string }[] }>(
    'auditor',
    'GET',
    `/security-servers/${encodeURIComponent(id)}`,
  );
  const management = addresses['management'] ?? '';
  return {
    id,
    client: addresses['client'] ?? '',
    peer: addresses['peer'] ?? '',
    management,
    health: `${management}/health`,
    metrics: `${management}/metrics`,
    logs: logs.map(({ origin, key }) => ({ origin, publicKey: key })),
  };
}

export function codeOf(server: string): string {
  return server.slice(server.lastIndexOf('/') + 1);
}
