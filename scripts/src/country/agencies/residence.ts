// The residence database: households and who lives in them. A child joins the household of a parent that the
// population database names, on a certificate that Justice confirms.
import { ServiceRefusal } from '@onceway/sdk/provider';
import { SERVICES, SUBSYSTEMS } from './directory.js';
import type { House } from './house.js';
import { HOUSEHOLD } from './persons.js';
import type { Population } from './population.js';
import type { BirthCertificate, Household, ResidenceRequest } from './records.js';

const TABLES = `CREATE TABLE IF NOT EXISTS households (
  household_code TEXT PRIMARY KEY, head_name TEXT NOT NULL, head_number TEXT NOT NULL, commune_code TEXT NOT NULL,
  address TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS residents (
  personal_number TEXT PRIMARY KEY, household_code TEXT NOT NULL REFERENCES households,
  relation_to_head TEXT NOT NULL, case_id TEXT UNIQUE) STRICT;`;

export interface Residence {
  householdOf(personalNumber: string): Household | undefined;
  /** Asked again for a case, it answers the same.
   *  @throws {ServiceRefusal} `case_differs`, `not_a_parent`, `parent_has_no_household`, `number_differs` */
  register(request: ResidenceRequest): Promise<Household>;
}

export function residence(house: House, population: Population): Residence {
  const { database } = house;
  database.exec(TABLES);
  const { householdCode, headName, headNumber, communeCode, address, members } = HOUSEHOLD;
  database
    .prepare('INSERT OR IGNORE INTO households VALUES (?, ?, ?, ?, ?)')
    .run(householdCode, headName, headNumber, communeCode, address);
  const join = database.prepare('INSERT OR IGNORE INTO residents VALUES (?, ?, ?, ?)');
  for (const member of members)
    join.run(member, householdCode, member === headNumber ? 'head' : 'spouse', null);

  const householdOf = (personalNumber: string): Household | undefined =>
    database
      .prepare<[string], Household>(
        `SELECT household_code AS householdCode, head_name AS headName, head_number AS headNumber,
           commune_code AS communeCode, address
         FROM residents JOIN households USING (household_code) WHERE personal_number = ?`,
      )
      .get(personalNumber);

  return {
    householdOf,
    register: (request) =>
      house.alone(request.caseId, async () => {
        const { caseId, personalNumber, parentNumber, relationToHead } = request;
        const home = householdOf(parentNumber);
        if (!population.parentsOf(personalNumber).includes(parentNumber))
          throw new ServiceRefusal(422, 'not_a_parent', 'The population database names other parents');
        if (home === undefined)
          throw new ServiceRefusal(
            422,
            'parent_has_no_household',
            'This parent is registered in no household',
          );
        const known = database
          .prepare<[string, string], { household_code: string; relation_to_head: string; case_id: string }>(
            'SELECT * FROM residents WHERE case_id = ? OR personal_number = ?',
          )
          .get(caseId, personalNumber);
        if (known !== undefined) {
          const same =
            known.case_id === caseId &&
            known.household_code === home.householdCode &&
            known.relation_to_head === relationToHead;
          if (!same)
            throw new ServiceRefusal(409, 'case_differs', 'The residence was registered with other values');
          return home;
        }
        const certificate = await house.ask<BirthCertificate>(SUBSYSTEMS.residence, {
          title: {
            en: 'Residence reads the birth certificate at Justice',
            vi: 'Cư trú đọc giấy khai sinh từ Tư pháp',
          },
          service: SERVICES.births.id,
          caseId,
          path: `/births/${caseId}`,
        });
        if (certificate.json().personalNumber !== personalNumber)
          throw new ServiceRefusal(422, 'number_differs', 'The birth certificate names another number');
        join.run(personalNumber, home.householdCode, relationToHead, caseId);
        return home;
      }),
  };
}
