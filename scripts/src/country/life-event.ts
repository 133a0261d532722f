// A birth, from the hospital to the statistics: drives Health's and the Portal's desks as people would, and says which
// exchanges each step took. What it tells is read from the agencies' own books afterwards.
import { SERVICES } from './agencies/directory.js';
import type { Names } from './agencies/directory.js';
import { CLINICS, FACILITIES, MOTHER } from './agencies/persons.js';
import { agreementOf, exchangesOf } from './agency-books.js';
import type { AgencyDatabases, BookedExchange, Finding } from './agency-books.js';

export interface LifeEventOptions {
  /** Addresses of the two desks. */
  readonly desks: { readonly health: string; readonly portal: string };
  readonly databases: AgencyDatabases;
  /** Another one for each birth. */
  readonly hospitalRecord: string;
  readonly childName: string;
  /** YYYY-MM-DD, not in the future. */
  readonly bornOn: string;
  readonly clock: () => number;
}

export interface LifeEventStep {
  readonly title: Names;
  readonly ok: boolean;
  readonly seconds: number;
  /** Message ids of the requests. */
  readonly messages: readonly string[];
}

export interface LifeEvent {
  readonly caseId: string;
  readonly personalNumber: string;
  readonly steps: readonly LifeEventStep[];
  readonly exchanges: readonly BookedExchange[];
  readonly agreement: readonly Finding[];
}

/** Which exchanges belong to a step, by the service that ends it. */
const STEPS: readonly { readonly title: Names; readonly services: readonly string[] }[] = [
  {
    title: {
      en: 'Health notifies the birth, the parent is told',
      vi: 'Y tế báo sinh, cha mẹ được thông báo',
    },
    services: [SERVICES.notices.id],
  },
  {
    title: { en: 'The form fills itself from the authorities', vi: 'Biểu mẫu tự điền từ các cơ quan' },
    services: [],
  },
  {
    title: {
      en: 'Justice registers the birth, Public Security gives the number, Statistics counts',
      vi: 'Tư pháp đăng ký khai sinh, Công an cấp số định danh, Thống kê ghi nhận',
    },
    services: [SERVICES.personalNumbers.id, SERVICES.birthRecords.id, SERVICES.births.id],
  },
  {
    title: { en: 'Public Security registers the residence', vi: 'Công an đăng ký thường trú' },
    services: [SERVICES.residenceRegistrations.id],
  },
  {
    title: { en: 'Social Security issues the card', vi: 'Bảo hiểm xã hội cấp thẻ' },
    services: [SERVICES.cards.id],
  },
];

async function post<T>(desk: string, path: string, body: object): Promise<T> {
  const answer = await fetch(new URL(path, desk), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path} at the desk: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}

/** The step an exchange belongs to: agencies that ask on behalf of a step (`as`) belong to it. */
function stepOf(exchange: BookedExchange): number {
  if (exchange.agency === 'justice') return 2;
  if (exchange.agency === 'public-security') return 3;
  if (exchange.agency === 'social-security') return 4;
  const ending = STEPS.findIndex(({ services }) => services.includes(exchange.service));
  return ending === -1 ? 1 : ending;
}

/** Plays the whole life event.
 *  @throws {Error} a desk that did not do what it was asked, with its answer */
export async function playBirth(options: LifeEventOptions): Promise<LifeEvent> {
  const { desks, databases, clock } = options;
  const began = clock();
  const { number } = await post<{ number: string }>(desks.health, '/notifications', {
    hospitalRecord: options.hospitalRecord,
    facilityCode: FACILITIES[0].code,
    bornOn: options.bornOn,
    bornAt: '06:42',
    sex: 'female',
    weightG: 3217,
    children: 1,
    motherNumber: MOTHER.personalNumber,
    intendedName: options.childName,
  });
  const { caseId } = await post<{ caseId: string }>(desks.portal, '/dossiers', {
    parentNumber: MOTHER.personalNumber,
    notificationNumber: number,
  });
  const done = await post<{ state: string; certificate?: { personalNumber: string | null } }>(
    desks.portal,
    `/dossiers/${caseId}/submission`,
    {
      relation: 'mother',
      childName: options.childName,
      copies: 2,
      relationToHead: 'con',
      residenceOf: 'father',
      clinicCode: CLINICS[0].code,
    },
  );
  const personalNumber = done.certificate?.personalNumber;
  if (done.state !== 'done' || typeof personalNumber !== 'string')
    throw new Error(`the life event stopped at ${done.state}`);

  const exchanges = exchangesOf(databases, [number, caseId]);
  let before = began;
  const steps = STEPS.map(({ title }, index): LifeEventStep => {
    const own = exchanges.filter((exchange) => stepOf(exchange) === index);
    const end = Math.max(before, ...own.map(({ at }) => at));
    const seconds = (end - before) / 1000;
    before = end;
    return {
      title,
      ok: own.length > 0 && own.every(({ result }) => /^2\d\d$/.test(result)),
      seconds,
      messages: own.flatMap(({ messageId }) => (messageId === null ? [] : [messageId])),
    };
  });
  return { caseId, personalNumber, steps, exchanges, agreement: agreementOf(databases, caseId) };
}
