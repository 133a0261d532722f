// Justice's register of births and its rules: one notification, one registration; one number for each case, however
// often it is asked; a correction is a new version, and the registers that copied the name are told.
import { ServiceRefusal } from '@onceway/sdk/provider';
import { SERVICES, SUBSYSTEMS } from './directory.js';
import type { Names } from './directory.js';
import { Unanswered } from './house.js';
import type { House } from './house.js';
import type {
  BirthCertificate,
  BirthDossier,
  BirthRecord,
  Correction,
  Notification,
  NumberRequest,
} from './records.js';
import type { Sex } from './records.js';

// `versions` is only ever added to. `record_id` is drawn for Statistics, which never learns the case.
const TABLES = `CREATE TABLE IF NOT EXISTS births (
  case_id TEXT PRIMARY KEY, notification_number TEXT NOT NULL UNIQUE, dossier TEXT NOT NULL,
  certificate_number TEXT NOT NULL UNIQUE, registered_on TEXT NOT NULL, declared_by TEXT,
  born_on TEXT NOT NULL, sex TEXT NOT NULL, ethnicity TEXT NOT NULL, nationality TEXT NOT NULL,
  commune_code TEXT NOT NULL, province_code TEXT NOT NULL, native_place TEXT NOT NULL,
  mother_number TEXT NOT NULL, father_number TEXT, personal_number TEXT UNIQUE,
  record_id TEXT NOT NULL UNIQUE, counted INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS versions (
  case_id TEXT NOT NULL REFERENCES births, version INTEGER NOT NULL, child_name TEXT NOT NULL, reason TEXT NOT NULL,
  told INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (case_id, version)) STRICT;`;

interface Row {
  readonly case_id: string;
  readonly dossier: string;
  readonly certificate_number: string;
  readonly registered_on: string;
  readonly born_on: string;
  readonly sex: Sex;
  readonly ethnicity: string;
  readonly nationality: string;
  readonly commune_code: string;
  readonly province_code: string;
  readonly native_place: string;
  readonly mother_number: string;
  readonly father_number: string | null;
  readonly personal_number: string | null;
  readonly record_id: string;
  readonly counted: number;
  readonly version: number;
  readonly child_name: string;
  readonly told: number;
}

export interface BirthRegister {
  /** Asked again with the same dossier, it completes what is still missing and answers the same.
   *  @throws {ServiceRefusal} `dossier_differs`, `already_registered`, `notification_unknown`, `mother_differs` */
  register(dossier: BirthDossier, declaredBy: string | undefined): Promise<BirthCertificate>;
  /** @throws {ServiceRefusal} `no_such_birth` */
  certificate(caseId: string): BirthCertificate;
  /** @throws {ServiceRefusal} `no_such_birth`, `nothing_to_correct`, `number_follows`; what population or insurance refused */
  correct(caseId: string, childName: string, reason: string): Promise<BirthCertificate>;
}

const TITLES = {
  notification: {
    en: 'Justice asks Health whether the birth happened',
    vi: 'Tư pháp kiểm tra giấy chứng sinh',
  },
  commune: { en: 'Justice looks up the commune', vi: 'Tư pháp tra mã xã' },
  number: { en: 'Public Security gives the personal number', vi: 'Công an cấp số định danh' },
  count: {
    en: 'Statistics counts the birth, without the person',
    vi: 'Thống kê ghi nhận, không có thông tin cá nhân',
  },
  population: { en: 'Population takes over the correction', vi: 'Dân cư cập nhật cải chính' },
  insurance: { en: 'Insurance takes over the correction', vi: 'Bảo hiểm cập nhật cải chính' },
} as const satisfies Record<string, Names>;

export function birthRegister(house: House): BirthRegister {
  const { database } = house;
  database.exec(TABLES);
  const find = database.prepare<[string], Row>(
    `SELECT * FROM births JOIN versions USING (case_id) WHERE case_id = ? ORDER BY version DESC LIMIT 1`,
  );
  const existing = (caseId: string): Row => {
    const row = find.get(caseId);
    if (row === undefined)
      throw new ServiceRefusal(404, 'no_such_birth', 'No birth is registered under this case');
    return row;
  };

  /** What was declared must agree with what Health saw; the place comes from Health and Statistics, never typed. */
  async function enter(dossier: BirthDossier, declaredBy: string | undefined): Promise<void> {
    const { caseId, notificationNumber } = dossier;
    const taken = database
      .prepare('SELECT 1 FROM births WHERE notification_number = ?')
      .get(notificationNumber);
    if (taken !== undefined)
      throw new ServiceRefusal(409, 'already_registered', 'This birth is registered under another case');
    const by = { caseId, ...(declaredBy === undefined ? {} : { userId: declaredBy }) };
    const notification = await house
      .ask<Notification>(SUBSYSTEMS.civilStatus, {
        ...by,
        title: TITLES.notification,
        service: SERVICES.notifications.id,
        path: `/notifications/${notificationNumber}`,
      })
      .then(
        (answer) => answer.json(),
        (error: unknown) => {
          if (error instanceof Unanswered && error.answered?.status === 404)
            throw new ServiceRefusal(422, 'notification_unknown', 'Health knows no such birth notification');
          throw error;
        },
      );
    if (notification.motherNumber !== dossier.motherNumber)
      throw new ServiceRefusal(422, 'mother_differs', 'The notification names another mother');
    const commune = await house.ask<{ province_code: string }>(SUBSYSTEMS.civilStatus, {
      ...by,
      title: TITLES.commune,
      service: SERVICES.communes.id,
      path: `/records/${notification.communeCode}`,
    });
    const day = new Date(house.clock()).toISOString().slice(0, 10);
    database.transaction(() => {
      const count = database.prepare('SELECT count(*) AS n FROM births').get() as { n: number };
      database
        .prepare(
          `INSERT INTO births (case_id, notification_number, dossier, certificate_number, registered_on, declared_by,
             born_on, sex, ethnicity, nationality, commune_code, province_code, native_place, mother_number,
             father_number, record_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          caseId,
          notificationNumber,
          contentOf(dossier),
          `KS-${day.slice(0, 4)}-${String(count.n + 1).padStart(6, '0')}`,
          day,
          declaredBy ?? null,
          notification.bornOn,
          notification.sex,
          dossier.ethnicity,
          dossier.nationality,
          notification.communeCode,
          commune.json().province_code,
          dossier.nativePlace,
          dossier.motherNumber,
          dossier.fatherNumber ?? null,
          house.uuid(),
        );
      database
        .prepare('INSERT INTO versions (case_id, version, child_name, reason, told) VALUES (?, 1, ?, ?, 1)')
        .run(caseId, dossier.childName, 'registration');
    })();
  }

  /** Public Security gives one number for each case, so asking again is safe whatever became of an earlier request. */
  async function drawNumber(row: Row): Promise<void> {
    const { caseId, personalNumber, motherNumber, fatherNumber, bornOn, sex, ethnicity, nationality } =
      certificateOf(row);
    if (personalNumber !== null) return;
    const wanted: NumberRequest = {
      caseId,
      childName: row.child_name,
      bornOn,
      sex,
      ethnicity,
      nationality,
      nativePlace: row.native_place,
      provinceCode: row.province_code,
      motherNumber,
      ...(fatherNumber === null ? {} : { fatherNumber }),
    };
    try {
      const answer = await house.ask<{ personalNumber: string }>(SUBSYSTEMS.commune, {
        title: TITLES.number,
        service: SERVICES.personalNumbers.id,
        caseId,
        path: '/numbers',
        json: wanted,
      });
      database
        .prepare('UPDATE births SET personal_number = ? WHERE case_id = ? AND personal_number IS NULL')
        .run(answer.json().personalNumber, caseId);
    } catch (error) {
      // Population is away: the birth is registered today all the same, and the number follows when asked again.
      if (!(error instanceof Unanswered) || error.reason !== 'authority_unavailable') throw error;
    }
  }

  async function tellStatistics(row: Row): Promise<void> {
    if (row.counted === 1) return;
    const record: BirthRecord = {
      recordId: row.record_id,
      month: row.born_on.slice(0, 7),
      sex: row.sex,
      provinceCode: row.province_code,
      communeCode: row.commune_code,
    };
    try {
      await house.ask(SUBSYSTEMS.civilStatus, {
        title: TITLES.count,
        service: SERVICES.birthRecords.id,
        caseId: row.case_id,
        path: '/records',
        json: record,
      });
      database.prepare('UPDATE births SET counted = 1 WHERE case_id = ?').run(row.case_id);
    } catch (error) {
      // A statistic never holds up a certificate.
      if (!(error instanceof Unanswered)) throw error;
    }
  }

  async function tellCorrection(row: Row, personalNumber: string): Promise<void> {
    const correction: Correction = {
      caseId: row.case_id,
      personalNumber,
      version: row.version,
      childName: row.child_name,
    };
    const common = { caseId: row.case_id, path: '/corrections', json: correction };
    const { populationCorrections, cardCorrections } = SERVICES;
    const as = SUBSYSTEMS.civilStatus;
    await house.ask(as, { ...common, title: TITLES.population, service: populationCorrections.id });
    try {
      await house.ask(as, { ...common, title: TITLES.insurance, service: cardCorrections.id });
    } catch (error) {
      // A child without a card yet: the card will be made from the corrected certificate.
      if (!(error instanceof Unanswered) || error.answered?.status !== 404) throw error;
    }
    database
      .prepare('UPDATE versions SET told = 1 WHERE case_id = ? AND version = ?')
      .run(row.case_id, row.version);
  }

  return {
    register: (dossier, declaredBy) =>
      // By notification: two cases of one birth must not pass each other between the question and the entry.
      house.alone(dossier.notificationNumber, async () => {
        const known = find.get(dossier.caseId);
        if (known === undefined) await enter(dossier, declaredBy);
        else if (known.dossier !== contentOf(dossier))
          throw new ServiceRefusal(409, 'dossier_differs', 'This case was sent with another content');
        await drawNumber(existing(dossier.caseId));
        await tellStatistics(existing(dossier.caseId));
        return certificateOf(existing(dossier.caseId));
      }),
    certificate: (caseId) => certificateOf(existing(caseId)),
    correct: (caseId, childName, reason) =>
      house.alone(caseId, async () => {
        const row = existing(caseId);
        const { personal_number: personalNumber } = row;
        if (personalNumber === null)
          throw new ServiceRefusal(
            409,
            'number_follows',
            'The number must be drawn before a correction is told',
          );
        if (row.child_name === childName && row.told === 1)
          throw new ServiceRefusal(409, 'nothing_to_correct', 'The certificate says so already');
        // Asked again after a correction that could not be told everywhere: told again, not entered again.
        if (row.child_name !== childName)
          database
            .prepare('INSERT INTO versions (case_id, version, child_name, reason) VALUES (?, ?, ?, ?)')
            .run(caseId, row.version + 1, childName, reason);
        await tellCorrection(existing(caseId), personalNumber);
        return certificateOf(existing(caseId));
      }),
  };
}

const contentOf = (dossier: BirthDossier): string =>
  JSON.stringify(Object.entries(dossier).sort(([a], [b]) => (a < b ? -1 : 1)));

function certificateOf(row: Row): BirthCertificate {
  return {
    caseId: row.case_id,
    certificateNumber: row.certificate_number,
    version: row.version,
    registeredOn: row.registered_on,
    childName: row.child_name,
    bornOn: row.born_on,
    sex: row.sex,
    ethnicity: row.ethnicity,
    nationality: row.nationality,
    communeCode: row.commune_code,
    motherNumber: row.mother_number,
    fatherNumber: row.father_number,
    personalNumber: row.personal_number,
  };
}
