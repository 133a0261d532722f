// Ministry of Health: hospitals enter births, parents are told over the Portal, Justice asks for the notification.
// The child's weight, the hour of birth and the number of children never leave this house.
import { ServiceRefusal } from '@onceway/sdk/provider';
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { SERVICES, SUBSYSTEMS } from './directory.js';
import type { House } from './house.js';
import { FACILITIES } from './persons.js';
import type { Notification, Sex } from './records.js';
import { COMMUNE, DATE, NAME, NOTIFICATION, NUMBER, object, service, SEX } from './service.js';

const TABLES = `CREATE TABLE IF NOT EXISTS notifications (
  number TEXT PRIMARY KEY, hospital_record TEXT NOT NULL UNIQUE, facility_code TEXT NOT NULL,
  born_on TEXT NOT NULL, born_at TEXT NOT NULL, sex TEXT NOT NULL, weight_g INTEGER NOT NULL,
  children INTEGER NOT NULL, mother_number TEXT NOT NULL, intended_name TEXT NOT NULL,
  told INTEGER NOT NULL DEFAULT 0) STRICT;`;

interface Entry {
  readonly hospitalRecord: string;
  readonly facilityCode: string;
  readonly bornOn: string;
  readonly bornAt: string;
  readonly sex: Sex;
  readonly weightG: number;
  readonly children: number;
  readonly motherNumber: string;
  readonly intendedName: string;
}

interface Row {
  readonly number: string;
  readonly facility_code: string;
  readonly born_on: string;
  readonly born_at: string;
  readonly sex: Sex;
  readonly weight_g: number;
  readonly children: number;
  readonly mother_number: string;
  readonly intended_name: string;
  readonly told: number;
}

const ENTRY = {
  hospitalRecord: /^[\w-]{1,40}$/,
  facilityCode: /^BV-[0-9]{3}$/,
  bornOn: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/,
  bornAt: /^(?:[01]\d|2[0-3]):[0-5]\d$/,
  sex: /^(?:female|male)$/,
  weightG: [300, 8000],
  children: [1, 8],
  motherNumber: /^9\d{11}$/,
  intendedName: /^\S.{0,119}$/u,
} as const;

/** A hospital's record gives one notification, however often it is entered. */
function enterNotification(house: House, entry: Entry): Row {
  const find = house.database.prepare<[string], Row>('SELECT * FROM notifications WHERE hospital_record = ?');
  return house.database.transaction((): Row => {
    const known = find.get(entry.hospitalRecord);
    if (known !== undefined) {
      const same =
        known.facility_code === entry.facilityCode &&
        known.born_on === entry.bornOn &&
        known.born_at === entry.bornAt &&
        known.sex === entry.sex &&
        known.weight_g === entry.weightG &&
        known.children === entry.children &&
        known.mother_number === entry.motherNumber &&
        known.intended_name === entry.intendedName;
      if (!same)
        throw new ServiceRefusal(409, 'record_differs', 'This hospital record was entered with other values');
      return known;
    }
    const year = new Date(house.clock()).getUTCFullYear();
    const count = house.database.prepare('SELECT count(*) AS n FROM notifications').get() as { n: number };
    house.database
      .prepare(
        `INSERT INTO notifications (number, hospital_record, facility_code, born_on, born_at, sex, weight_g,
           children, mother_number, intended_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        `GCS-${year}-${String(count.n + 1).padStart(6, '0')}`,
        entry.hospitalRecord,
        entry.facilityCode,
        entry.bornOn,
        entry.bornAt,
        entry.sex,
        entry.weightG,
        entry.children,
        entry.motherNumber,
        entry.intendedName,
      );
    return find.get(entry.hospitalRecord) as Row;
  })();
}

async function enterAndTell(house: House, entry: Entry): Promise<{ number: string; told: boolean }> {
  if (!FACILITIES.some(({ code }) => code === entry.facilityCode))
    throw new ServiceRefusal(422, 'no_such_facility', 'No such hospital');
  if (entry.bornOn > new Date(house.clock()).toISOString().slice(0, 10))
    throw new ServiceRefusal(422, 'not_yet_born', 'A birth is entered after it happened');
  return house.alone(entry.hospitalRecord, async () => {
    const row = enterNotification(house, entry);
    // The notification stands even if the parent can not be told now: entering it again tells again.
    if (row.told === 0) {
      await house.ask(SUBSYSTEMS.birthNotifications, {
        title: { en: 'Health tells the parent of the birth', vi: 'Y tế báo cho cha mẹ' },
        service: SERVICES.notices.id,
        caseId: row.number,
        path: '/notices',
        json: { notificationNumber: row.number, parentNumber: row.mother_number },
      });
      house.database.prepare('UPDATE notifications SET told = 1 WHERE number = ?').run(row.number);
    }
    return { number: row.number, told: true };
  });
}

export const health: AgencyOf = (house): Agency => {
  house.database.exec(TABLES);
  const find = house.database.prepare<[string], Row>('SELECT * FROM notifications WHERE number = ?');
  return {
    desk: {
      'POST /notifications': { body: ENTRY, handle: (body) => enterAndTell(house, body as Entry) },
    },
    services: [
      service(SERVICES.notifications, {
        'GET /notifications/{number}': {
          summary: { en: 'One birth notification', vi: 'Một giấy chứng sinh' },
          path: { number: NOTIFICATION },
          answer: object({
            number: NOTIFICATION,
            bornOn: DATE,
            sex: SEX,
            facility: NAME,
            communeCode: COMMUNE,
            motherNumber: NUMBER,
            intendedName: NAME,
          }),
          handle: ({ params }) => {
            const row = find.get(String(params['number']));
            const facility = FACILITIES.find(({ code }) => code === row?.facility_code);
            if (row === undefined || facility === undefined)
              throw new ServiceRefusal(404, 'no_such_notification', 'No such birth notification');
            const notification: Notification = {
              number: row.number,
              bornOn: row.born_on,
              sex: row.sex,
              facility: facility.name,
              communeCode: facility.communeCode,
              motherNumber: row.mother_number,
              intendedName: row.intended_name,
            };
            return { json: notification };
          },
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, health);
