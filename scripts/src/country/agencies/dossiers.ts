// The Portal's dossiers: the form is filled from the authorities, the parent gives six answers, and the life event
// runs to its end. A step that could not be finished is taken up again when the parent submits again.
import { ServiceRefusal } from '@onceway/sdk/provider';
import { fillForm } from './birth-form.js';
import type { Field, Sources } from './birth-form.js';
import { SERVICES, SUBSYSTEMS } from './directory.js';
import type { Names } from './directory.js';
import type { House, Question } from './house.js';
import type { BirthCertificate, BirthDossier, Card, CardRequest, Household, Person } from './records.js';
import type { ResidenceRequest } from './records.js';

const TABLES = `CREATE TABLE IF NOT EXISTS notices (
  notification_number TEXT PRIMARY KEY, parent_number TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS dossiers (
  case_id TEXT PRIMARY KEY, notification_number TEXT NOT NULL UNIQUE, parent_number TEXT NOT NULL,
  sources TEXT, typed TEXT) STRICT;
CREATE TABLE IF NOT EXISTS results (
  case_id TEXT NOT NULL REFERENCES dossiers, step TEXT NOT NULL, result TEXT NOT NULL,
  PRIMARY KEY (case_id, step)) STRICT;`;

/** What the parent types or chooses: six fields of 33. */
export interface Typed {
  readonly relation: 'mother' | 'father';
  readonly childName: string;
  readonly copies: number;
  readonly relationToHead: string;
  readonly residenceOf: 'mother' | 'father';
  readonly clinicCode: string;
}

export interface Progress {
  readonly caseId: string;
  /** `number_follows`: registered, Public Security has not given the number yet; submit again later. */
  readonly state: 'open' | 'number_follows' | 'done';
  readonly certificate?: BirthCertificate;
  readonly residence?: Household;
  readonly card?: Card;
}

export interface Dossiers {
  /** Health's notice of a birth. @throws {ServiceRefusal} `notice_differs` */
  notice(notificationNumber: string, parentNumber: string): void;
  noticesOf(parentNumber: string): readonly string[];
  /** Opens a parent's dossier, or finds it, and fills the form.
   *  @throws {ServiceRefusal} `no_such_notice`, or what an authority answered */
  open(
    parentNumber: string,
    notificationNumber: string,
  ): Promise<{ caseId: string; fields: readonly Field[] }>;
  /** @throws {ServiceRefusal} `no_such_dossier`, `not_filled`, `submission_differs`, or what an authority answered */
  submit(caseId: string, typed: Typed): Promise<Progress>;
  /** @throws {ServiceRefusal} `no_such_dossier` */
  progress(caseId: string): Progress;
}

interface Row {
  readonly case_id: string;
  readonly notification_number: string;
  readonly parent_number: string;
  readonly sources: string | null;
  readonly typed: string | null;
}

const TITLES = {
  notification: { en: 'The form takes the birth from Health', vi: 'Biểu mẫu lấy giấy chứng sinh' },
  mother: { en: 'The form takes the mother from the population database', vi: 'Biểu mẫu lấy thông tin mẹ' },
  father: { en: 'The form takes the father from the population database', vi: 'Biểu mẫu lấy thông tin cha' },
  marriage: {
    en: "The form takes the father's number from the marriage",
    vi: 'Biểu mẫu lấy quan hệ hôn nhân',
  },
  household: { en: 'The form takes the household from Residence', vi: 'Biểu mẫu lấy hộ gia đình' },
  commune: { en: 'The form takes the commune from the code lists', vi: 'Biểu mẫu lấy mã xã' },
  clinics: { en: 'The form takes the clinics from Social Security', vi: 'Biểu mẫu lấy nơi khám chữa bệnh' },
  certificate: { en: 'Justice registers the birth', vi: 'Tư pháp đăng ký khai sinh' },
  residence: { en: 'Public Security registers the residence', vi: 'Công an đăng ký thường trú' },
  card: { en: 'Social Security issues the card', vi: 'Bảo hiểm xã hội cấp thẻ' },
} as const satisfies Record<string, Names>;

export function dossiers(house: House): Dossiers {
  const { database } = house;
  database.exec(TABLES);
  const find = database.prepare<[string], Row>('SELECT * FROM dossiers WHERE case_id = ?');
  const existing = (caseId: string): Row => {
    const row = find.get(caseId);
    if (row === undefined) throw new ServiceRefusal(404, 'no_such_dossier', 'There is no such dossier');
    return row;
  };
  const ask = async <T>(row: Row, question: Omit<Question, 'caseId' | 'userId'>): Promise<T> => {
    const by = { caseId: row.case_id, userId: `person:${row.parent_number}` };
    return (await house.ask<T>(SUBSYSTEMS.lifeEvents, { ...question, ...by })).json();
  };
  const personOf = (row: Row, title: Names, number: string): Promise<Person> =>
    ask(row, { title, service: SERVICES.persons.id, path: '/person', subject: `person:${number}` });

  async function askAuthorities(row: Row): Promise<Sources> {
    const notification = await ask<Sources['notification']>(row, {
      title: TITLES.notification,
      service: SERVICES.notifications.id,
      path: `/notifications/${row.notification_number}`,
    });
    const { motherNumber, communeCode } = notification;
    const [mother, marriage, household, commune, clinics] = await Promise.all([
      personOf(row, TITLES.mother, motherNumber),
      ask<{ husbandNumber: string }>(row, {
        title: TITLES.marriage,
        service: SERVICES.marriages.id,
        path: '/marriage',
        subject: `person:${motherNumber}`,
      }),
      ask<Household>(row, {
        title: TITLES.household,
        service: SERVICES.households.id,
        path: '/household',
        subject: `person:${motherNumber}`,
      }),
      ask<Sources['commune']>(row, {
        title: TITLES.commune,
        service: SERVICES.communes.id,
        path: `/records/${communeCode}`,
      }),
      ask<Sources['clinics']>(row, {
        title: TITLES.clinics,
        service: SERVICES.clinics.id,
        path: '/clinics',
        query: { commune: communeCode },
      }),
    ]);
    const father = await personOf(row, TITLES.father, marriage.husbandNumber);
    const parent = row.parent_number === father.personalNumber ? father : mother;
    return { notification, mother, father, household, commune, clinics, parent };
  }

  /** Each step is asked for with the case's id, which its authority answers once: after an unknown outcome the same
   *  step is simply asked for again. */
  async function step<T>(row: Row, name: 'residence' | 'card', question: () => Promise<T>): Promise<T> {
    const known = resultOf<T>(row.case_id, name);
    if (known !== undefined) return known;
    return keep(row.case_id, name, await question());
  }
  const keep = <T>(caseId: string, name: string, result: T): T => {
    database
      .prepare('INSERT OR REPLACE INTO results (case_id, step, result) VALUES (?, ?, ?)')
      .run(caseId, name, JSON.stringify(result));
    return result;
  };
  function resultOf<T>(caseId: string, name: string): T | undefined {
    const row = database
      .prepare<[string, string], { result: string }>(
        'SELECT result FROM results WHERE case_id = ? AND step = ?',
      )
      .get(caseId, name);
    return row === undefined ? undefined : (JSON.parse(row.result) as T);
  }

  async function run(row: Row, sources: Sources, typed: Typed): Promise<Progress> {
    const { mother, father, notification } = sources;
    const caseId = row.case_id;
    const dossier: BirthDossier = {
      caseId,
      notificationNumber: notification.number,
      childName: typed.childName,
      relation: typed.relation,
      declarantNumber: row.parent_number,
      motherNumber: mother.personalNumber,
      fatherNumber: father.personalNumber,
      ethnicity: father.ethnicity,
      nationality: father.nationality,
      nativePlace: father.nativePlace,
      copies: typed.copies,
    };
    let certificate = resultOf<BirthCertificate>(caseId, 'certificate');
    // Without a number the registration is asked for again: Justice then tries to complete it.
    if (certificate === undefined || certificate.personalNumber === null)
      certificate = keep(
        caseId,
        'certificate',
        await ask<BirthCertificate>(row, {
          title: TITLES.certificate,
          service: SERVICES.births.id,
          path: '/births',
          json: dossier,
        }),
      );
    const { personalNumber } = certificate;
    if (personalNumber === null) return progress(caseId);
    const parentNumber = (typed.residenceOf === 'mother' ? mother : father).personalNumber;
    await step(row, 'residence', () => {
      const json: ResidenceRequest = {
        caseId,
        personalNumber,
        parentNumber,
        relationToHead: typed.relationToHead,
      };
      const { id } = SERVICES.residenceRegistrations;
      return ask<Household>(row, { title: TITLES.residence, service: id, path: '/registrations', json });
    });
    await step(row, 'card', () => {
      const json: CardRequest = { caseId, personalNumber, clinicCode: typed.clinicCode };
      return ask<Card>(row, { title: TITLES.card, service: SERVICES.cards.id, path: '/cards', json });
    });
    return progress(caseId);
  }

  function progress(caseId: string): Progress {
    existing(caseId);
    const certificate = resultOf<BirthCertificate>(caseId, 'certificate');
    const residence = resultOf<Household>(caseId, 'residence');
    const card = resultOf<Card>(caseId, 'card');
    const follows = certificate !== undefined && certificate.personalNumber === null;
    return {
      caseId,
      state: card !== undefined ? 'done' : follows ? 'number_follows' : 'open',
      ...(certificate === undefined ? {} : { certificate }),
      ...(residence === undefined ? {} : { residence }),
      ...(card === undefined ? {} : { card }),
    };
  }

  return {
    notice: (notificationNumber, parentNumber) => {
      database
        .prepare('INSERT OR IGNORE INTO notices (notification_number, parent_number) VALUES (?, ?)')
        .run(notificationNumber, parentNumber);
      const known = database
        .prepare<[string], { parent_number: string }>('SELECT * FROM notices WHERE notification_number = ?')
        .get(notificationNumber);
      if (known?.parent_number !== parentNumber)
        throw new ServiceRefusal(409, 'notice_differs', 'This birth was told to another parent');
    },
    noticesOf: (parentNumber) =>
      database
        .prepare<[string], { notification_number: string }>('SELECT * FROM notices WHERE parent_number = ?')
        .all(parentNumber)
        .map((row) => row.notification_number),
    open: (parentNumber, notificationNumber) =>
      house.alone(notificationNumber, async () => {
        const notice = database
          .prepare('SELECT 1 FROM notices WHERE notification_number = ? AND parent_number = ?')
          .get(notificationNumber, parentNumber);
        if (notice === undefined)
          throw new ServiceRefusal(404, 'no_such_notice', 'This parent was told of no such birth');
        const year = new Date(house.clock()).getUTCFullYear();
        const { n } = database.prepare('SELECT count(*) AS n FROM dossiers').get() as { n: number };
        database
          .prepare(
            'INSERT OR IGNORE INTO dossiers (case_id, notification_number, parent_number) VALUES (?, ?, ?)',
          )
          .run(`HS-${year}-${String(n + 1).padStart(6, '0')}`, notificationNumber, parentNumber);
        const row = database
          .prepare<[string], Row>('SELECT * FROM dossiers WHERE notification_number = ?')
          .get(notificationNumber) as Row;
        const sources =
          row.sources === null ? await askAuthorities(row) : (JSON.parse(row.sources) as Sources);
        database
          .prepare('UPDATE dossiers SET sources = ? WHERE case_id = ?')
          .run(JSON.stringify(sources), row.case_id);
        return { caseId: row.case_id, fields: fillForm(sources) };
      }),
    submit: (caseId, typed) =>
      house.alone(caseId, async () => {
        const row = existing(caseId);
        if (row.sources === null)
          throw new ServiceRefusal(409, 'not_filled', 'The form was not filled from the authorities yet');
        const content = JSON.stringify(Object.entries(typed).sort(([a], [b]) => (a < b ? -1 : 1)));
        if (row.typed !== null && row.typed !== content)
          throw new ServiceRefusal(
            409,
            'submission_differs',
            'This dossier was submitted with other answers',
          );
        database.prepare('UPDATE dossiers SET typed = ? WHERE case_id = ?').run(content, caseId);
        return run(row, JSON.parse(row.sources) as Sources, typed);
      }),
    progress,
  };
}
