// Ministry of Justice: civil status. The commune's officer registers a birth: asks Health whether it happened, draws
// the number from Public Security during this step, tells Statistics. A birth is registered even if the number follows.
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { ServiceRefusal } from '@onceway/sdk/provider';
import { birthRegister } from './birth-register.js';
import { SERVICES } from './directory.js';
import { MARRIAGE } from './persons.js';
import type { BirthDossier } from './records.js';
import {
  CASE_ID,
  COMMUNE,
  DATE,
  NAME,
  NOTIFICATION,
  NUMBER,
  object,
  service,
  SEX,
  SUBJECT,
  subjectOf,
  text,
} from './service.js';

const MARRIAGES = `CREATE TABLE IF NOT EXISTS marriages (
  certificate_number TEXT PRIMARY KEY, wife_number TEXT NOT NULL UNIQUE, husband_number TEXT NOT NULL UNIQUE) STRICT;`;

const DOSSIER = object(
  {
    caseId: CASE_ID,
    notificationNumber: NOTIFICATION,
    childName: NAME,
    relation: { enum: ['mother', 'father'] },
    declarantNumber: NUMBER,
    motherNumber: NUMBER,
    fatherNumber: NUMBER,
    ethnicity: text(60),
    nationality: text(60),
    nativePlace: COMMUNE,
    copies: { type: 'integer', minimum: 0, maximum: 20 },
  },
  ['fatherNumber'],
);

const orNull = (schema: object) => ({ anyOf: [schema, { type: 'null' }] });
const CERTIFICATE = object({
  caseId: CASE_ID,
  certificateNumber: text(40),
  version: { type: 'integer', minimum: 1 },
  registeredOn: DATE,
  childName: NAME,
  bornOn: DATE,
  sex: SEX,
  ethnicity: text(60),
  nationality: text(60),
  communeCode: COMMUNE,
  motherNumber: NUMBER,
  fatherNumber: orNull(NUMBER),
  personalNumber: orNull(NUMBER),
});

export const justice: AgencyOf = (house): Agency => {
  house.database.exec(MARRIAGES);
  house.database
    .prepare('INSERT OR IGNORE INTO marriages VALUES (?, ?, ?)')
    .run(MARRIAGE.certificateNumber, MARRIAGE.wifeNumber, MARRIAGE.husbandNumber);
  const register = birthRegister(house);
  return {
    desk: {
      // The officer's own act; a certificate is never changed, a new version follows it.
      'POST /births/:caseId/corrections': {
        body: { childName: /^\S.{0,119}$/u, reason: /^\S.{0,199}$/u },
        handle: (body, { caseId = '' }) => {
          const { childName, reason } = body as { childName: string; reason: string };
          return register.correct(caseId, childName, reason);
        },
      },
    },
    services: [
      service(SERVICES.births, {
        'POST /births': {
          summary: { en: 'Registers a birth', vi: 'Đăng ký khai sinh' },
          body: DOSSIER,
          answer: CERTIFICATE,
          handle: async ({ body, caller }) => ({
            json: await register.register(body as BirthDossier, caller.userId),
          }),
        },
        'GET /births/{caseId}': {
          summary: { en: 'The birth certificate of a case', vi: 'Giấy khai sinh của hồ sơ' },
          path: { caseId: CASE_ID },
          answer: CERTIFICATE,
          handle: ({ params }) => ({ json: register.certificate(String(params['caseId'])) }),
        },
      }),
      service(SERVICES.marriages, {
        'GET /marriage': {
          summary: { en: 'The marriage of a person', vi: 'Quan hệ hôn nhân' },
          subject: SUBJECT,
          answer: object({ certificateNumber: text(40), wifeNumber: NUMBER, husbandNumber: NUMBER }),
          handle: ({ caller }) => {
            const number = subjectOf(caller.subject);
            const marriage = house.database
              .prepare(
                `SELECT certificate_number AS certificateNumber, wife_number AS wifeNumber,
                   husband_number AS husbandNumber FROM marriages WHERE wife_number = ? OR husband_number = ?`,
              )
              .get(number, number);
            if (marriage === undefined)
              throw new ServiceRefusal(404, 'no_such_marriage', 'No marriage is registered');
            return { json: marriage };
          },
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, justice);
