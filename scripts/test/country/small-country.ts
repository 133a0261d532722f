// All agencies in one process, over the double of the exchange, with databases in a temporary folder.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningAgency } from '../../src/country/agencies/agency.js';
import { startAgency } from '../../src/country/agencies/agency.js';
import { health } from '../../src/country/agencies/health.js';
import { justice } from '../../src/country/agencies/justice.js';
import { portal } from '../../src/country/agencies/portal.js';
import { publicSecurity } from '../../src/country/agencies/public-security.js';
import { socialSecurity } from '../../src/country/agencies/social-security.js';
import { statistics } from '../../src/country/agencies/statistics.js';
import type { AgencyDatabases } from '../../src/country/agency-books.js';
import { startRoad } from './road.js';
import type { Road } from './road.js';

const AGENCIES = {
  health,
  justice,
  'public-security': publicSecurity,
  'social-security': socialSecurity,
  statistics,
  portal,
} as const;
type AgencyName = keyof typeof AGENCIES;

export interface SmallCountry {
  readonly road: Road;
  readonly databases: AgencyDatabases;
  readonly desks: Readonly<Record<AgencyName, string>>;
  /** The clock of all agencies; tests may move it. */
  now: number;
  restart(name: AgencyName): Promise<void>;
  close(): Promise<void>;
}

export async function startSmallCountry(): Promise<SmallCountry> {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-country-'));
  const road = await startRoad();
  const running = new Map<AgencyName, RunningAgency>();
  const names = Object.keys(AGENCIES) as AgencyName[];
  const desks = {} as Record<AgencyName, string>;
  const databases = Object.fromEntries(
    names.map((name) => [name, join(folder, `${name}.db`)]),
  ) as unknown as AgencyDatabases;
  const any = 'http://127.0.0.1:0';
  const country: SmallCountry = {
    road,
    databases,
    desks,
    now: Date.UTC(2026, 10, 21, 3, 0, 0),
    restart: async (name) => {
      await running.get(name)?.close();
      await start(name);
    },
    close: async () => {
      await Promise.all([...running.values()].map((agency) => agency.close()));
      await road.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  async function start(name: AgencyName): Promise<void> {
    const agency = await startAgency(
      AGENCIES[name],
      { server: road.server, services: any, desk: any, database: databases[name] },
      { clock: () => (country.now += 1) },
    );
    running.set(name, agency);
    desks[name] = agency.addresses.desk;
    for (const [service, url] of Object.entries(agency.addresses.services)) road.services.set(service, url);
  }
  for (const name of names) await start(name);
  return country;
}

export async function atDesk(
  desk: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
  const answer = await fetch(new URL(path, desk), {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}
