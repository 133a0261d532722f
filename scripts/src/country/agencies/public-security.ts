// Ministry of Public Security: the population database, which gives each child its number once, and the residence
// database. Two datasets, two subsystems, one house.
import { ServiceRefusal } from '@onceway/sdk/provider';
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { SERVICES } from './directory.js';
import { population } from './population.js';
import type { Correction, NumberRequest, ResidenceRequest } from './records.js';
import { residence } from './residence.js';
import {
  CASE_ID,
  COMMUNE,
  CORRECTION,
  DATE,
  NAME,
  NUMBER,
  object,
  pattern,
  service,
  SEX,
  SUBJECT,
  subjectOf,
  text,
} from './service.js';

const PERSON = {
  name: NAME,
  bornOn: DATE,
  sex: SEX,
  ethnicity: text(60),
  nationality: text(60),
  nativePlace: COMMUNE,
};
const NUMBER_REQUEST = object(
  {
    caseId: CASE_ID,
    childName: NAME,
    bornOn: DATE,
    sex: SEX,
    ethnicity: text(60),
    nationality: text(60),
    nativePlace: COMMUNE,
    provinceCode: pattern('[0-9]{2}'),
    motherNumber: NUMBER,
    fatherNumber: NUMBER,
  },
  ['fatherNumber'],
);
const HOUSEHOLD = object({
  householdCode: text(40),
  headName: NAME,
  headNumber: NUMBER,
  communeCode: COMMUNE,
  address: text(200),
});

export const publicSecurity: AgencyOf = (house): Agency => {
  const persons = population(house);
  const households = residence(house, persons);
  return {
    desk: {},
    services: [
      service(SERVICES.persons, {
        'GET /person': {
          summary: { en: 'What the population database holds of a person', vi: 'Thông tin công dân' },
          subject: SUBJECT,
          answer: object({ personalNumber: NUMBER, ...PERSON }),
          handle: ({ caller }) => {
            const person = persons.find(subjectOf(caller.subject));
            if (person === undefined)
              throw new ServiceRefusal(404, 'no_such_person', 'Nobody has this number');
            return { json: person };
          },
        },
      }),
      service(SERVICES.personalNumbers, {
        'POST /numbers': {
          summary: { en: 'Gives a newborn its number, once for each case', vi: 'Cấp số định danh cho trẻ' },
          body: NUMBER_REQUEST,
          answer: object({ caseId: CASE_ID, personalNumber: NUMBER }),
          handle: ({ body }) => persons.drawNumber(body as NumberRequest),
        },
      }),
      service(SERVICES.populationCorrections, {
        'POST /corrections': {
          summary: { en: 'Takes over a correction of civil status', vi: 'Cập nhật cải chính hộ tịch' },
          body: CORRECTION,
          answer: object({ personalNumber: NUMBER, ...PERSON }),
          handle: ({ body }) => ({ json: persons.correct(body as Correction) }),
        },
      }),
      service(SERVICES.households, {
        'GET /household': {
          summary: { en: 'The household in which a person lives', vi: 'Hộ gia đình của công dân' },
          subject: SUBJECT,
          answer: HOUSEHOLD,
          handle: ({ caller }) => {
            const household = households.householdOf(subjectOf(caller.subject));
            if (household === undefined)
              throw new ServiceRefusal(404, 'no_such_household', 'This person is registered in no household');
            return { json: household };
          },
        },
      }),
      service(SERVICES.residenceRegistrations, {
        'POST /registrations': {
          summary: { en: 'Registers where a child lives', vi: 'Đăng ký thường trú cho trẻ' },
          body: object({
            caseId: CASE_ID,
            personalNumber: NUMBER,
            parentNumber: NUMBER,
            relationToHead: text(60),
          }),
          answer: HOUSEHOLD,
          handle: async ({ body }) => ({ json: await households.register(body as ResidenceRequest) }),
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, publicSecurity);
