// A registry with its trust services in this process, and security servers enrolled and set up in their folders, as an
// administrator would. What is measured runs afterwards, in processes of its own (exchange-server.ts).
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningRegistry, runRegistry } from '@onceway/central-registry/main';
import { initInstance } from '@onceway/central-registry/publication/instance';
import {
  parseMemberId,
  parseSecurityServerId,
  parseSubsystemId,
  type SecurityServerId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { SoftwareToken } from '@onceway/security-server/keys/software-token';
import { type RunningServer, runSecurityServer } from '@onceway/security-server/main';
import { createMessageLog, logOrigin } from '@onceway/security-server/message-log/sqlite-message-log';
import { enrolServer, registerClient } from '@onceway/security-server/registration/enrol';
import { ManagementRequests } from '@onceway/security-server/registration/management-requests';
import { httpRegistry } from '@onceway/security-server/registration/registry';
import { createState } from '@onceway/security-server/state/state-database';
import { freePort } from '../free-port.js';

const DOMAIN = 'bench.example';
const HOST = '127.0.0.1';
const TOKEN_LIFETIME_S = 600;
/** Longer than the longest run. */
const CONFIGURATION_LIFETIME_S = 24 * 3600;

export const PIN = 'a bench keeps no secrets';

export async function startRegistry(folder: string): Promise<RunningRegistry> {
  const [distribution, witness] = [await freePort(), await freePort()];
  const free = { host: HOST, port: 0 };
  await initInstance({
    folder,
    settings: {
      v: 1,
      instance: 'BENCH',
      domain: DOMAIN,
      organization: 'Bench',
      lifetimeS: CONFIGURATION_LIFETIME_S,
      listeners: {
        ...{ management: free, authority: free, ocsp: free, timeStamping: free },
        distribution: { host: HOST, port: distribution },
        witness: { host: HOST, port: witness },
      },
    },
    distribution: [`http://${HOST}:${distribution}`],
    witnesses: [],
    ownWitness: { name: `${DOMAIN}/witness`, url: `http://${HOST}:${witness}` },
    trustServices: true,
    clock: Date.now,
  });
  const running = await runRegistry({ folder, trustServices: true });
  await running.registry.publication.changed();
  return running;
}

async function approveAll({ registry }: RunningRegistry): Promise<void> {
  for (const { id } of registry.registration.list('waiting')) registry.registration.approve(id, 'bench');
  await registry.publication.changed();
}

/** Admits a member, and makes, enrols and registers its server; the folder can be run from then on. */
export async function enrol(
  running: RunningRegistry,
  code: string,
  folder: string,
  anchor: string,
): Promise<void> {
  const member = parseMemberId(`BENCH/GOV/${code}`);
  running.registry.members.add(member, { en: code, vi: code });
  const server = parseSecurityServerId(`${member}/SS`);
  const peer = await freePort();
  const token = await init(folder, anchor, server, peer);
  const state = createState(join(folder, 'state.db'));
  const registry = httpRegistry(running.addresses.distribution ?? '');
  const requests = new ManagementRequests({ database: state, token, registry, server, clock: Date.now });
  const origin = logOrigin(DOMAIN, server);
  const lane = `${origin}/lane-0` as typeof origin;
  await enrolServer(
    { token, registry, requests, server, report: () => undefined },
    {
      address: `https://${HOST}:${peer}`,
      dns: [HOST],
      enrolmentToken: running.registry.tokens.create(member, server, 10, TOKEN_LIFETIME_S).token,
      logs: [
        { origin, key: vkeyOf(origin, token.logKey('server')) },
        { origin: lane, key: vkeyOf(lane, token.logKey('lane-0')) },
      ],
    },
  );
  await approveAll(running);
  state.close();
}

async function init(
  folder: string,
  anchor: string,
  id: SecurityServerId,
  peer: number,
): Promise<SoftwareToken> {
  mkdirSync(folder, { recursive: true });
  copyFileSync(anchor, join(folder, 'anchor.json'));
  const free = { host: HOST, port: 0 };
  const listeners = { client: free, peer: { host: HOST, port: peer }, management: free };
  writeFileSync(join(folder, 'server.json'), JSON.stringify({ v: 1, id, listeners }));
  const token = SoftwareToken.create(join(folder, 'token.json'), PIN);
  for (const name of ['server', 'lane-0']) token.generateKey({ usage: 'log', name });
  await createMessageLog(join(folder, 'log'), {
    origin: logOrigin(DOMAIN, id),
    keys: token,
    clock: Date.now,
  });
  return token;
}

/** Registers a subsystem on the server of a folder, while `use` may set up what else it needs. */
export async function withClient(
  running: RunningRegistry,
  folder: string,
  subsystem: string,
  use: (server: RunningServer, client: SubsystemId) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const client = parseSubsystemId(subsystem);
  const server = await runSecurityServer({ folder, pin: PIN });
  try {
    await registerClient(server.enrolment, client, { isListed: () => true });
    await approveAll(running);
    await server.exchange.configuration.refresh();
    await use(server, client);
  } finally {
    await server.close();
  }
}
