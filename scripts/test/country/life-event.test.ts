import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { SERVICES, SUBSYSTEMS } from '../../src/country/agencies/directory.js';
import { CLINICS, FATHER, MOTHER } from '../../src/country/agencies/persons.js';
import { agreementOf, exchangesOf } from '../../src/country/agency-books.js';
import { playBirth } from '../../src/country/life-event.js';
import type { LifeEvent } from '../../src/country/life-event.js';
import { MEMBERS, SERVERS } from '../../src/country/members.js';
import { readUnits } from '../../src/country/read-units.js';
import { atDesk, startSmallCountry } from './small-country.js';
import type { SmallCountry } from './small-country.js';

let country: SmallCountry;
beforeAll(async () => {
  country = await startSmallCountry();
});
afterAll(() => country.close());

const birth = (hospitalRecord: string) => ({
  hospitalRecord,
  facilityCode: 'BV-001',
  bornOn: '2026-11-20',
  bornAt: '06:42',
  sex: 'female',
  weightG: 3217,
  children: 1,
  motherNumber: MOTHER.personalNumber,
  intendedName: 'Nguyễn Thí Dụ An',
});
const typed = {
  relation: 'mother',
  childName: 'Nguyễn Thí Dụ An',
  copies: 2,
  relationToHead: 'con',
  residenceOf: 'father',
  clinicCode: CLINICS[0].code,
};
async function openCase(hospitalRecord: string): Promise<string> {
  const entered = await atDesk(country.desks.health, '/notifications', birth(hospitalRecord));
  const opened = await atDesk(country.desks.portal, '/dossiers', {
    parentNumber: MOTHER.personalNumber,
    notificationNumber: entered.json['number'],
  });
  return String(opened.json['caseId']);
}
const submit = (caseId: string, answers: object = typed) =>
  atDesk(country.desks.portal, `/dossiers/${caseId}/submission`, answers);

const rows = (database: keyof SmallCountry['databases'], sql: string, ...values: string[]): unknown[] => {
  const opened = new Database(country.databases[database], { readonly: true });
  try {
    return opened.prepare<unknown[]>(sql).all(...values);
  } finally {
    opened.close();
  }
};

describe('a birth', () => {
  let event: LifeEvent;
  beforeAll(async () => {
    event = await playBirth({
      desks: country.desks,
      databases: country.databases,
      hospitalRecord: 'first',
      childName: 'Nguyễn Thí Dụ Bình',
      bornOn: '2026-11-20',
      clock: () => country.now,
    });
  });

  test('goes from Health to Statistics, each step with its exchanges', () => {
    expect(event.steps.map(({ ok, messages }) => [ok, messages.length])).toEqual([
      [true, 1],
      [true, 7],
      [true, 5],
      [true, 2],
      [true, 3],
    ]);
    const carried = new Set(country.road.carried.map(({ messageId }) => messageId));
    for (const id of event.steps.flatMap(({ messages }) => messages)) expect(carried.has(id)).toBe(true);
  });
  test('takes at least 10 exchanges between 6 members, none within one security server', () => {
    expect(event.exchanges.length).toBeGreaterThanOrEqual(10);
    const member = (id: string): string => id.split('/').slice(0, 3).join('/');
    const server = (id: string) => SERVERS.find(({ hosts }) => hosts.includes(member(id)))?.id;
    const members = new Set(
      event.exchanges.flatMap(({ client, service }) => [member(client), member(service)]),
    );
    expect(members.size).toBe(6);
    for (const { client, service } of event.exchanges) expect(server(client)).not.toBe(server(service));
    expect(
      new Set(event.exchanges.flatMap(({ client, service }) => [server(client), server(service)])).size,
    ).toBe(4);
  });
  test('leaves all agencies agreeing, and what is private where it was', () => {
    expect(event.agreement).toHaveLength(6);
    expect(event.agreement.filter(({ ok }) => !ok)).toEqual([]);
    expect(event.personalNumber).toMatch(/^901326\d{6}$/);
  });
  test('a difference between two agencies is found', () => {
    const copy = new Database(country.databases['social-security']);
    copy.prepare('UPDATE cards SET name = ? WHERE case_id = ?').run('Ai đó', event.caseId);
    expect(agreementOf(country.databases, event.caseId).filter(({ ok }) => !ok)).toEqual([
      { title: 'Social Security and Justice agree', ok: false },
    ]);
    copy.prepare('UPDATE cards SET name = ? WHERE case_id = ?').run('Nguyễn Thí Dụ Bình', event.caseId);
    copy.close();
    expect(agreementOf(country.databases, 'HS-2026-999999')).toEqual([
      { title: 'Justice holds the birth', ok: false },
    ]);
  });
  test('submitted again, it answers the same and exchanges nothing', async () => {
    const before = country.road.carried.length;
    const again = await submit(event.caseId, { ...typed, childName: 'Nguyễn Thí Dụ Bình' });
    expect(again).toMatchObject({ status: 200, json: { state: 'done' } });
    expect(country.road.carried).toHaveLength(before);
  });
});

describe('the form', () => {
  test('asks six fields of the parent and has the others from their authorities', async () => {
    const entered = await atDesk(country.desks.health, '/notifications', birth('form'));
    const notices = await atDesk(country.desks.portal, `/parents/${MOTHER.personalNumber}/notices`);
    expect(notices.json['notices']).toContain(entered.json['number']);
    const opened = await atDesk(country.desks.portal, '/dossiers', {
      parentNumber: MOTHER.personalNumber,
      notificationNumber: entered.json['number'],
    });
    const fields = opened.json['fields'] as { id: string; mode: string; value?: string; names: object }[];
    expect(fields.filter(({ mode }) => mode === 'ask').map(({ id }) => id)).toEqual([
      'A4',
      'A5',
      'A24',
      'B8',
      'B10',
      'C12',
    ]);
    expect(fields.filter(({ mode }) => mode === 'follows').map(({ id }) => id)).toEqual(['B4']);
    expect(fields.find(({ id }) => id === 'A18')).toMatchObject({ value: FATHER.name, mode: 'readonly' });
    for (const { mode, value } of fields)
      if (mode === 'readonly' || mode === 'editable') expect(value).toEqual(expect.stringMatching(/./));
  });
  test('opens only for a birth that the parent was told of', async () => {
    for (const parentNumber of [MOTHER.personalNumber, FATHER.personalNumber])
      expect(
        await atDesk(country.desks.portal, '/dossiers', {
          parentNumber,
          notificationNumber: 'GCS-2026-900000',
        }),
      ).toMatchObject({ status: 404, json: { reason: 'no_such_notice' } });
  });
  test('refuses answers that do not fit, an unknown dossier, and a second content', async () => {
    const caseId = await openCase('answers');
    for (const wrong of [{ copies: -1 }, { relation: 'aunt' }, { childName: '' }, { weightG: 3217 }])
      expect(await submit(caseId, { ...typed, ...wrong })).toMatchObject({ status: 400 });
    expect(await submit('HS-2026-900000')).toMatchObject({
      status: 404,
      json: { reason: 'no_such_dossier' },
    });
    expect(await submit(caseId)).toMatchObject({ json: { state: 'done' } });
    expect(await submit(caseId, { ...typed, copies: 3 })).toMatchObject({
      status: 409,
      json: { reason: 'submission_differs' },
    });
  });
  test('what an authority does not give is named, and asked for again', async () => {
    country.road.troubles.set(SERVICES.clinics.id, 'away');
    const entered = await atDesk(country.desks.health, '/notifications', birth('clinics'));
    const open = () =>
      atDesk(country.desks.portal, '/dossiers', {
        parentNumber: MOTHER.personalNumber,
        notificationNumber: entered.json['number'],
      });
    expect(await open()).toMatchObject({
      status: 503,
      json: { reason: 'authority_unavailable', title: expect.stringContaining(SERVICES.clinics.id) },
    });
    country.road.troubles.clear();
    expect(await open()).toMatchObject({ status: 200 });
  });
});

describe('when something goes wrong on the way', () => {
  test('population away: registered today, the number follows and the rest completes', async () => {
    const caseId = await openCase('number');
    country.road.troubles.set(SERVICES.personalNumbers.id, 'away');
    expect(await submit(caseId)).toMatchObject({
      status: 200,
      json: { state: 'number_follows', certificate: { personalNumber: null, version: 1 } },
    });
    country.road.troubles.clear();
    expect(await submit(caseId)).toMatchObject({ json: { state: 'done' } });
    expect(agreementOf(country.databases, caseId).filter(({ ok }) => !ok)).toEqual([]);
  });
  test.each([
    ['registration', SERVICES.births.id],
    ['residence', SERVICES.residenceRegistrations.id],
    ['card', SERVICES.cards.id],
  ])('answer of the %s lost: asked again, it is the same one, once', async (name, service) => {
    const caseId = await openCase(`lost-${name}`);
    country.road.troubles.set(service, 'answer_lost');
    expect(await submit(caseId)).toMatchObject({ status: 503, json: { reason: 'authority_unavailable' } });
    country.road.troubles.clear();
    expect(await submit(caseId)).toMatchObject({ json: { state: 'done' } });
    expect(agreementOf(country.databases, caseId).filter(({ ok }) => !ok)).toEqual([]);
    const results = exchangesOf(country.databases, [caseId])
      .filter((exchange) => exchange.service === service && exchange.client === SUBSYSTEMS.lifeEvents)
      .map(({ result }) => result);
    expect(results).toEqual(['outcome_unknown', expect.stringMatching(/^20[01]$/)]);
  });
  test('answer of the number lost: one number, given when asked again', async () => {
    const caseId = await openCase('lost-number');
    country.road.troubles.set(SERVICES.personalNumbers.id, 'answer_lost');
    expect(await submit(caseId)).toMatchObject({ json: { state: 'number_follows' } });
    const drawn = rows('public-security', 'SELECT personal_number FROM persons WHERE case_id = ?', caseId);
    country.road.troubles.clear();
    const done = await submit(caseId);
    expect([
      { personal_number: (done.json['certificate'] as { personalNumber: string }).personalNumber },
    ]).toEqual(drawn);
  });
  test('statistics away: the certificate is not held up, and the birth is counted later, once', async () => {
    const caseId = await openCase('statistics');
    country.road.troubles.set(SERVICES.birthRecords.id, 'away');
    country.road.troubles.set(SERVICES.personalNumbers.id, 'away');
    expect(await submit(caseId)).toMatchObject({ json: { state: 'number_follows' } });
    country.road.troubles.clear();
    expect(await submit(caseId)).toMatchObject({ json: { state: 'done' } });
    expect(agreementOf(country.databases, caseId).filter(({ ok }) => !ok)).toEqual([]);
  });
  test('the parent could not be told: the notification stands, and entering it again tells', async () => {
    country.road.troubles.set(SERVICES.notices.id, 'away');
    expect(await atDesk(country.desks.health, '/notifications', birth('untold'))).toMatchObject({
      status: 503,
    });
    country.road.troubles.clear();
    const again = await atDesk(country.desks.health, '/notifications', birth('untold'));
    expect(again).toMatchObject({ status: 200, json: { told: true } });
    expect(rows('health', 'SELECT 1 FROM notifications WHERE hospital_record = ?', 'untold')).toHaveLength(1);
  });
  test('an agency that restarts knows its cases', async () => {
    const caseId = await openCase('restart');
    country.road.troubles.set(SERVICES.cards.id, 'away');
    expect(await submit(caseId)).toMatchObject({ status: 503 });
    country.road.troubles.clear();
    for (const name of ['portal', 'justice', 'public-security'] as const) await country.restart(name);
    expect(await submit(caseId)).toMatchObject({ json: { state: 'done' } });
  });
  test('ten submissions at once register one birth', async () => {
    const caseId = await openCase('at-once');
    const all = await Promise.all(Array.from({ length: 10 }, () => submit(caseId)));
    expect(all.every(({ status }) => status === 200)).toBe(true);
    expect(rows('justice', 'SELECT 1 FROM births WHERE case_id = ?', caseId)).toHaveLength(1);
    expect(rows('public-security', 'SELECT 1 FROM persons WHERE case_id = ?', caseId)).toHaveLength(1);
  });
});

describe('a correction', () => {
  const correct = (caseId: string, childName: string) =>
    atDesk(country.desks.justice, `/births/${caseId}/corrections`, { childName, reason: 'misspelt' });

  test('makes a new version, the old one stays, and three registers agree', async () => {
    const caseId = await openCase('correction');
    await submit(caseId);
    expect(await correct(caseId, 'Nguyễn Thí Dụ Ân')).toMatchObject({ json: { version: 2 } });
    expect(agreementOf(country.databases, caseId).filter(({ ok }) => !ok)).toEqual([]);
    expect(
      rows('justice', 'SELECT child_name AS name FROM versions WHERE case_id = ? ORDER BY version', caseId),
    ).toEqual([{ name: 'Nguyễn Thí Dụ An' }, { name: 'Nguyễn Thí Dụ Ân' }]);
    expect(await correct(caseId, 'Nguyễn Thí Dụ Ân')).toMatchObject({
      status: 409,
      json: { reason: 'nothing_to_correct' },
    });
  });
  test('that could not be told everywhere is told again, as the same version', async () => {
    const caseId = await openCase('correction-away');
    await submit(caseId);
    country.road.troubles.set(SERVICES.cardCorrections.id, 'answer_lost');
    expect(await correct(caseId, 'Nguyễn Thí Dụ Yên')).toMatchObject({ status: 503 });
    country.road.troubles.clear();
    expect(await correct(caseId, 'Nguyễn Thí Dụ Yên')).toMatchObject({ json: { version: 2 } });
    expect(agreementOf(country.databases, caseId).filter(({ ok }) => !ok)).toEqual([]);
  });
  test('needs a registered birth with its number', async () => {
    expect(await correct('HS-2026-900000', 'Ai')).toMatchObject({
      status: 404,
      json: { reason: 'no_such_birth' },
    });
    const caseId = await openCase('correction-early');
    country.road.troubles.set(SERVICES.personalNumbers.id, 'away');
    await submit(caseId);
    country.road.troubles.clear();
    expect(await correct(caseId, 'Ai')).toMatchObject({ status: 409, json: { reason: 'number_follows' } });
  });
});

test('a consumer reads all 14,332 units in 43 pages, and each record is the one of the package', async () => {
  const read = await readUnits(country.road.server);
  expect(read).toMatchObject({ records: 34 + 3321 + 10_977, differences: [] });
  expect(new Set(read.messages).size).toBe(1 + 10 + 32);
  await expect(readUnits(country.road.server, SUBSYSTEMS.audit)).rejects.toMatchObject({
    code: 'access_denied',
  });
});

test('the country is seven members on four servers, and every subsystem belongs to a hosted member', () => {
  expect(MEMBERS).toHaveLength(7);
  expect(SERVERS).toHaveLength(4);
  expect(SERVERS.flatMap(({ hosts }) => hosts).sort()).toEqual(MEMBERS.map(({ id }) => id).sort());
  for (const { id, owner, hosts } of SERVERS)
    expect([id.startsWith(`${owner}/`), hosts[0]]).toEqual([true, owner]);
  const subsystems = MEMBERS.flatMap((member) =>
    member.subsystems.map((one) => one.startsWith(`${member.id}/`)),
  );
  expect(subsystems).toHaveLength(Object.keys(SUBSYSTEMS).length);
  expect(subsystems.every(Boolean)).toBe(true);
  const offered = new Set(country.road.services.keys());
  expect(offered).toEqual(new Set(Object.values(SERVICES).map(({ id }) => id)));
});
