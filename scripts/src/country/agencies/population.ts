// The population database: persons, and the rule that a case gets one number however often it is asked for.
import { ServiceRefusal } from '@onceway/sdk/provider';
import type { House } from './house.js';
import { FATHER, MOTHER } from './persons.js';
import type { Correction, NumberRequest, Person } from './records.js';

// `name_version` is the version of the birth certificate whose name stands here.
const TABLES = `CREATE TABLE IF NOT EXISTS persons (
  personal_number TEXT PRIMARY KEY, name TEXT NOT NULL, born_on TEXT NOT NULL, sex TEXT NOT NULL,
  ethnicity TEXT NOT NULL, nationality TEXT NOT NULL, native_place TEXT NOT NULL,
  mother_number TEXT, father_number TEXT, name_version INTEGER NOT NULL DEFAULT 1,
  case_id TEXT UNIQUE, request TEXT) STRICT;`;

const PERSON = `personal_number AS personalNumber, name, born_on AS bornOn, sex, ethnicity, nationality,
  native_place AS nativePlace`;

const DRAWS_MAX = 20;

export interface Population {
  find(personalNumber: string): Person | undefined;
  /** Both parents of a person, as far as they are known. */
  parentsOf(personalNumber: string): readonly string[];
  /** 201 with a new number, 200 with the one drawn before.
   *  @throws {ServiceRefusal} `case_differs`, `no_such_mother`, `no_such_father` */
  drawNumber(request: NumberRequest): { status: number; json: { caseId: string; personalNumber: string } };
  /** Older versions than the one held change nothing.
   *  @throws {ServiceRefusal} `no_such_person` */
  correct(correction: Correction): Person;
}

export function population(house: House): Population {
  const { database } = house;
  database.exec(TABLES);
  const seed = database.prepare(
    `INSERT OR IGNORE INTO persons (personal_number, name, born_on, sex, ethnicity, nationality, native_place)
     VALUES (@personalNumber, @name, @bornOn, @sex, @ethnicity, @nationality, @nativePlace)`,
  );
  for (const person of [MOTHER, FATHER]) seed.run(person);
  const find = database.prepare<[string], Person>(`SELECT ${PERSON} FROM persons WHERE personal_number = ?`);

  /** 9, province, sex and century, year, six digits drawn. The last six tell nothing and follow no order. */
  const draw = (request: NumberRequest): string => {
    const year = Number(request.bornOn.slice(0, 4));
    const century = (Math.floor(year / 100) - 19) * 2 + (request.sex === 'female' ? 1 : 0);
    for (let attempt = 0; attempt < DRAWS_MAX; attempt += 1) {
      const tail = String(house.randomBelow(1_000_000)).padStart(6, '0');
      const number = `9${request.provinceCode}${century}${request.bornOn.slice(2, 4)}${tail}`;
      if (find.get(number) === undefined) return number;
    }
    throw new ServiceRefusal(503, 'numbers_exhausted', 'No free number was found');
  };

  return {
    find: (personalNumber) => find.get(personalNumber),
    parentsOf: (personalNumber) => {
      const row = database
        .prepare<[string], { mother_number: string | null; father_number: string | null }>(
          'SELECT mother_number, father_number FROM persons WHERE personal_number = ?',
        )
        .get(personalNumber);
      return [row?.mother_number, row?.father_number].filter((one) => typeof one === 'string');
    },
    drawNumber: (request) =>
      database.transaction(() => {
        const known = database
          .prepare<[string], { personal_number: string; request: string }>(
            'SELECT personal_number, request FROM persons WHERE case_id = ?',
          )
          .get(request.caseId);
        const content = JSON.stringify(Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1)));
        if (known !== undefined) {
          if (known.request !== content)
            throw new ServiceRefusal(
              409,
              'case_differs',
              'A number was drawn for this case with other values',
            );
          return { status: 200, json: { caseId: request.caseId, personalNumber: known.personal_number } };
        }
        if (find.get(request.motherNumber)?.sex !== 'female')
          throw new ServiceRefusal(422, 'no_such_mother', 'The mother is not in the population database');
        if (request.fatherNumber !== undefined && find.get(request.fatherNumber)?.sex !== 'male')
          throw new ServiceRefusal(422, 'no_such_father', 'The father is not in the population database');
        const personalNumber = draw(request);
        database
          .prepare(
            `INSERT INTO persons (personal_number, name, born_on, sex, ethnicity, nationality, native_place,
               mother_number, father_number, case_id, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          )
          .run(
            personalNumber,
            request.childName,
            request.bornOn,
            request.sex,
            request.ethnicity,
            request.nationality,
            request.nativePlace,
            request.motherNumber,
            request.fatherNumber ?? null,
            request.caseId,
            content,
          );
        return { status: 201, json: { caseId: request.caseId, personalNumber } };
      })(),
    correct: (correction) => {
      database
        .prepare(
          `UPDATE persons SET name = @childName, name_version = @version
           WHERE personal_number = @personalNumber AND case_id = @caseId AND name_version < @version`,
        )
        .run(correction);
      const person = database
        .prepare<[string, string], Person>(
          `SELECT ${PERSON} FROM persons WHERE personal_number = ? AND case_id = ?`,
        )
        .get(correction.personalNumber, correction.caseId);
      if (person === undefined)
        throw new ServiceRefusal(404, 'no_such_person', 'No person has this number from this case');
      return person;
    },
  };
}
