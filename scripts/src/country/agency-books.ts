// Reads the agencies' own databases, never over the exchange and never to change them: which exchanges each began
// for a case, and whether all hold the same of the child.
import Database from 'better-sqlite3';

/** Agency → its SQLite file. */
export type AgencyDatabases = Readonly<
  Record<'health' | 'justice' | 'public-security' | 'social-security' | 'statistics' | 'portal', string>
>;

export interface BookedExchange {
  readonly agency: keyof AgencyDatabases;
  readonly title: { readonly en: string; readonly vi: string };
  readonly client: string;
  readonly service: string;
  readonly messageId: string | null;
  readonly answerId: string | null;
  /** The service's status, or the exchange's error code. */
  readonly result: string;
  /** Milliseconds since 1970, when the answer was there. */
  readonly at: number;
}

function read<T>(file: string, sql: string, ...values: readonly string[]): T[] {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  try {
    return database.prepare<unknown[], T>(sql).all(...values);
  } finally {
    database.close();
  }
}

type BookRow = Omit<BookedExchange, 'agency' | 'title'> & { readonly en: string; readonly vi: string };

/** All exchanges of a case, of every agency, by time. Health's notice stands under the notification's number. */
export function exchangesOf(databases: AgencyDatabases, cases: readonly string[]): BookedExchange[] {
  return Object.entries(databases)
    .flatMap(([agency, file]) =>
      cases.flatMap((caseId) =>
        read<BookRow>(
          file,
          `SELECT title_en AS en, title_vi AS vi, client, service, message_id AS messageId, answer_id AS answerId,
             result, at FROM exchanges WHERE case_id = ? ORDER BY id`,
          caseId,
        ).map(({ en, vi, ...row }) => ({
          agency: agency as keyof AgencyDatabases,
          title: { en, vi },
          ...row,
        })),
      ),
    )
    .sort((a, b) => a.at - b.at);
}

export interface Finding {
  readonly title: string;
  readonly ok: boolean;
}

interface Held {
  readonly name?: string;
  readonly number?: string;
  readonly bornOn?: string;
  readonly sex?: string;
}

/** Compares what the agencies hold of one case, and that what must stay with one of them did. */
export function agreementOf(databases: AgencyDatabases, caseId: string): Finding[] {
  const justice = read<Held & { recordId: string; notification: string }>(
    databases.justice,
    `SELECT child_name AS name, personal_number AS number, born_on AS bornOn, sex, record_id AS recordId,
       notification_number AS notification
     FROM births JOIN versions USING (case_id) WHERE case_id = ? ORDER BY version DESC LIMIT 1`,
    caseId,
  )[0];
  if (justice === undefined) return [{ title: 'Justice holds the birth', ok: false }];
  const number = justice.number ?? '';
  const agrees = (title: string, held: Held | undefined): Finding => ({
    title,
    ok:
      held !== undefined &&
      Object.entries(held).every(
        ([field, value]) => value === justice[field as keyof Held] && value !== null,
      ),
  });
  const health = read<Held & { weight: number; hour: string }>(
    databases.health,
    'SELECT born_on AS bornOn, sex, weight_g AS weight, born_at AS hour FROM notifications WHERE number = ?',
    justice.notification,
  )[0];
  const records = read<{ sex: string; month: string }>(
    databases.statistics,
    'SELECT sex, month FROM births WHERE record_id = ?',
    justice.recordId,
  );
  return [
    agrees(
      'Health and Justice agree',
      health === undefined ? undefined : { bornOn: health.bornOn ?? '', sex: health.sex ?? '' },
    ),
    agrees(
      'Population and Justice agree',
      read<Held>(
        databases['public-security'],
        'SELECT name, personal_number AS number, born_on AS bornOn, sex FROM persons WHERE case_id = ?',
        caseId,
      )[0],
    ),
    agrees(
      'Residence and Justice agree',
      read<Held>(
        databases['public-security'],
        'SELECT personal_number AS number FROM residents WHERE case_id = ?',
        caseId,
      )[0],
    ),
    agrees(
      'Social Security and Justice agree',
      read<Held>(
        databases['social-security'],
        'SELECT name, personal_number AS number, born_on AS bornOn, sex FROM cards WHERE case_id = ?',
        caseId,
      )[0],
    ),
    {
      title: 'Statistics counts the birth once, without the person',
      ok:
        records.length === 1 &&
        records[0]?.month === justice.bornOn?.slice(0, 7) &&
        !holds(databases.statistics, [number, justice.name ?? '', caseId, justice.notification]),
    },
    {
      title: 'Weight and hour of birth stay with Health',
      ok:
        health !== undefined &&
        (['justice', 'public-security', 'social-security', 'statistics', 'portal'] as const).every(
          (agency) => !holds(databases[agency], [`"weightG":${health.weight}`, health.hour]),
        ),
    },
  ];
}

/** Whether any text in any table of a database contains one of the values. */
function holds(file: string, values: readonly string[]): boolean {
  const wanted = values.filter((value) => value !== '');
  return read<{ name: string }>(file, `SELECT name FROM sqlite_master WHERE type = 'table'`)
    .filter(({ name }) => name !== 'units')
    .some(({ name }) =>
      read<Record<string, unknown>>(file, `SELECT * FROM "${name}"`).some((row) =>
        Object.values(row).some(
          (cell) => typeof cell === 'string' && wanted.some((value) => cell.includes(value)),
        ),
      ),
    );
}
