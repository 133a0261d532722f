// Runs an agency: opens its house, puts its services on the exchange and its desk on loopback, and says that it is
// ready with one line of JSON.
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { provide } from '@onceway/sdk/provider';
import type { ServiceDefinition } from '@onceway/sdk/provider';
import { openDesk } from './desk.js';
import type { DeskRoutes } from './desk.js';
import { openHouse } from './house.js';
import type { House, HouseOptions } from './house.js';
import { settingsOf } from './settings.js';
import type { AgencySettings } from './settings.js';

export interface Agency {
  readonly services: readonly ServiceDefinition[];
  readonly desk: DeskRoutes;
}
/** Makes its tables in the house's database, and gives what it offers. */
export type AgencyOf = (house: House) => Agency;

export interface RunningAgency {
  readonly addresses: { readonly desk: string; readonly services: Readonly<Record<string, string>> };
  close(): Promise<void>;
}

export async function startAgency(
  agencyOf: AgencyOf,
  settings: AgencySettings,
  injected: Omit<HouseOptions, 'server' | 'database'> = {},
): Promise<RunningAgency> {
  const house = openHouse({ ...injected, server: settings.server, database: settings.database });
  const { services, desk: routes } = agencyOf(house);
  const { hostname, port } = new URL(settings.services);
  const provider = await provide({ services, host: hostname, port: Number(port) });
  const desk = await openDesk(settings.desk, routes);
  if (settings.publish !== undefined)
    await provider.publish({
      management: settings.publish.management,
      apiKey: readFileSync(settings.publish.apiKeyFile, 'utf8').trim(),
    });
  return {
    addresses: {
      desk: desk.url,
      services: Object.fromEntries(provider.services.map((one) => [one.service, one.url])),
    },
    close: async () => {
      await Promise.all([desk.close(), provider.close()]);
      await house.close();
    },
  };
}

/** For the last line of an agency's file: runs it when the file is the program, and does nothing in a test. */
export async function runAsProgram(file: string, agencyOf: AgencyOf): Promise<void> {
  const [, program, ...argv] = process.argv;
  if (program === undefined || realpathSync(program) !== fileURLToPath(file)) return;
  const running = await startAgency(agencyOf, settingsOf(argv));
  const end = (): void => {
    running.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  process.stdout.write(`${JSON.stringify({ ready: true, addresses: running.addresses })}\n`);
}
