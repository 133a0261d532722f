// Viet Nam Social Security: health insurance of children under six. The name comes from Justice, the household from
// Public Security: nobody types it again.
import { ServiceRefusal } from '@onceway/sdk/provider';
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { SERVICES, SUBSYSTEMS } from './directory.js';
import type { House } from './house.js';
import { CLINICS } from './persons.js';
import type { BirthCertificate, Card, CardRequest, Correction, Household } from './records.js';
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
  text,
} from './service.js';

const TABLES = `CREATE TABLE IF NOT EXISTS cards (
  case_id TEXT PRIMARY KEY, card_code TEXT NOT NULL UNIQUE, personal_number TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  name_version INTEGER NOT NULL, born_on TEXT NOT NULL, sex TEXT NOT NULL, clinic_code TEXT NOT NULL,
  household_code TEXT NOT NULL) STRICT;`;

const FIELDS = `card_code AS cardCode, personal_number AS personalNumber, name, born_on AS validFrom,
  clinic_code AS clinicCode, household_code AS householdCode`;

async function issue(house: House, request: CardRequest): Promise<{ status: number; json: Card }> {
  const { caseId, personalNumber, clinicCode } = request;
  const find = house.database.prepare<[string], Card>(`SELECT ${FIELDS} FROM cards WHERE case_id = ?`);
  if (!CLINICS.some(({ code }) => code === clinicCode))
    throw new ServiceRefusal(422, 'no_such_clinic', 'No such clinic');
  return house.alone(caseId, async () => {
    const known = find.get(caseId);
    if (known !== undefined) {
      if (known.personalNumber !== personalNumber || known.clinicCode !== clinicCode)
        throw new ServiceRefusal(409, 'case_differs', 'A card was issued for this case with other values');
      return { status: 200, json: known };
    }
    const insured = house.database
      .prepare('SELECT 1 FROM cards WHERE personal_number = ?')
      .get(personalNumber);
    if (insured !== undefined) throw new ServiceRefusal(409, 'already_insured', 'This child has a card');
    const certificate = await house.ask<BirthCertificate>(SUBSYSTEMS.healthInsurance, {
      title: {
        en: 'Insurance reads the birth certificate at Justice',
        vi: 'Bảo hiểm đọc giấy khai sinh từ Tư pháp',
      },
      service: SERVICES.births.id,
      caseId,
      path: `/births/${caseId}`,
    });
    const child = certificate.json();
    if (child.personalNumber !== personalNumber)
      throw new ServiceRefusal(422, 'number_differs', 'The birth certificate names another number');
    const household = await house.ask<Household>(SUBSYSTEMS.healthInsurance, {
      title: {
        en: 'Insurance reads the household at Public Security',
        vi: 'Bảo hiểm đọc hộ gia đình từ Công an',
      },
      service: SERVICES.households.id,
      caseId,
      path: '/household',
      subject: `person:${personalNumber}`,
    });
    house.database
      .prepare('INSERT INTO cards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
      // TE: a child under six. The identification number is the insurance number since August 2025.
      .run(
        caseId,
        `TE1${personalNumber}`,
        personalNumber,
        child.childName,
        child.version,
        child.bornOn,
        child.sex,
        clinicCode,
        household.json().householdCode,
      );
    return { status: 201, json: find.get(caseId) as Card };
  });
}

function correct(house: House, correction: Correction): Card {
  house.database
    .prepare(
      `UPDATE cards SET name = @childName, name_version = @version
       WHERE case_id = @caseId AND personal_number = @personalNumber AND name_version < @version`,
    )
    .run(correction);
  const card = house.database
    .prepare<[string, string], Card>(`SELECT ${FIELDS} FROM cards WHERE case_id = ? AND personal_number = ?`)
    .get(correction.caseId, correction.personalNumber);
  if (card === undefined) throw new ServiceRefusal(404, 'no_such_card', 'No card was issued to this child');
  return card;
}

const CARD = object({
  cardCode: text(20),
  personalNumber: NUMBER,
  name: NAME,
  validFrom: DATE,
  clinicCode: text(20),
  householdCode: text(40),
});

export const socialSecurity: AgencyOf = (house): Agency => {
  house.database.exec(TABLES);
  return {
    desk: {},
    services: [
      service(SERVICES.clinics, {
        'GET /clinics': {
          summary: { en: 'First-contact clinics of a commune', vi: 'Cơ sở khám chữa bệnh ban đầu của xã' },
          query: { commune: COMMUNE },
          answer: { type: 'array', items: object({ code: text(20), name: NAME, communeCode: COMMUNE }) },
          handle: ({ query }) => ({
            json: CLINICS.filter(({ communeCode }) => communeCode === query['commune']),
          }),
        },
      }),
      service(SERVICES.cards, {
        'POST /cards': {
          summary: {
            en: 'Issues the card of a child under six',
            vi: 'Cấp thẻ bảo hiểm y tế cho trẻ dưới 6 tuổi',
          },
          body: object({ caseId: CASE_ID, personalNumber: NUMBER, clinicCode: pattern('TYT-[0-9]{3}') }),
          answer: CARD,
          handle: ({ body }) => issue(house, body as CardRequest),
        },
      }),
      service(SERVICES.cardCorrections, {
        'POST /corrections': {
          summary: { en: 'Takes over a correction of civil status', vi: 'Cập nhật cải chính hộ tịch' },
          body: CORRECTION,
          answer: CARD,
          handle: ({ body }) => ({ json: correct(house, body as Correction) }),
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, socialSecurity);
