import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '@onceway/sdk/client';
import { SERVICES, SUBSYSTEMS } from '../../src/country/agencies/directory.js';
import type { Subsystem } from '../../src/country/agencies/directory.js';
import { CLINICS, FATHER, MOTHER } from '../../src/country/agencies/persons.js';
import { parseSettings } from '../../src/country/agencies/settings.js';
import { atDesk, startSmallCountry } from './small-country.js';
import type { SmallCountry } from './small-country.js';

let country: SmallCountry;
beforeAll(async () => {
  country = await startSmallCountry();
});
afterAll(() => country.close());

async function ask(
  as: Subsystem,
  service: string,
  options: { path: string; json?: object; subject?: string; query?: Record<string, string | number> },
): Promise<{ status: number; json: Record<string, unknown> }> {
  const client = createClient({ server: country.road.server, client: as });
  try {
    const answer = await client.call<Record<string, unknown>>(service, options);
    return { status: answer.status, json: answer.json() };
  } finally {
    await client.close();
  }
}
const refused = (status: number, reason: string) => ({ status, json: { reason } });

const entry = {
  hospitalRecord: 'H-1',
  facilityCode: 'BV-001',
  bornOn: '2026-11-20',
  bornAt: '06:42',
  sex: 'male',
  weightG: 3000,
  children: 1,
  motherNumber: MOTHER.personalNumber,
  intendedName: 'Nguyễn Thí Dụ Cường',
};
const notify = async (hospitalRecord: string): Promise<string> =>
  String((await atDesk(country.desks.health, '/notifications', { ...entry, hospitalRecord })).json['number']);

const dossier = {
  notificationNumber: '',
  childName: 'Nguyễn Thí Dụ Cường',
  relation: 'mother',
  declarantNumber: MOTHER.personalNumber,
  motherNumber: MOTHER.personalNumber,
  fatherNumber: FATHER.personalNumber,
  ethnicity: 'Kinh',
  nationality: 'Việt Nam',
  nativePlace: '00004',
  copies: 1,
};
const register = (caseId: string, changes: object = {}) =>
  ask(SUBSYSTEMS.lifeEvents, SERVICES.births.id, {
    path: '/births',
    json: { caseId, ...dossier, ...changes },
  });

const number = {
  caseId: 'HS-2026-700001',
  childName: 'Nguyễn Thí Dụ Dũng',
  bornOn: '2026-11-20',
  sex: 'male',
  ethnicity: 'Kinh',
  nationality: 'Việt Nam',
  nativePlace: '00004',
  provinceCode: '01',
  motherNumber: MOTHER.personalNumber,
};
const draw = (changes: object = {}) =>
  ask(SUBSYSTEMS.commune, SERVICES.personalNumbers.id, { path: '/numbers', json: { ...number, ...changes } });

describe('Health', () => {
  test('a hospital record gives one notification; other values under it are refused', async () => {
    const first = await notify('H-1');
    expect(first).toMatch(/^GCS-2026-\d{6}$/);
    expect(await notify('H-1')).toBe(first);
    expect(await atDesk(country.desks.health, '/notifications', { ...entry, weightG: 3001 })).toMatchObject(
      refused(409, 'record_differs'),
    );
  });
  test('refuses what can not be', async () => {
    for (const wrong of [
      { weightG: 100 },
      { bornAt: '25:00' },
      { bornOn: '2026-13-01' },
      { sex: 'x' },
      { more: 1 },
    ])
      expect(
        await atDesk(country.desks.health, '/notifications', { ...entry, hospitalRecord: 'H-x', ...wrong }),
      ).toMatchObject(refused(400, 'request_invalid'));
    expect(
      await atDesk(country.desks.health, '/notifications', {
        ...entry,
        hospitalRecord: 'H-x',
        bornOn: '2026-11-30',
      }),
    ).toMatchObject(refused(422, 'not_yet_born'));
    expect(
      await atDesk(country.desks.health, '/notifications', {
        ...entry,
        hospitalRecord: 'H-x',
        facilityCode: 'BV-999',
      }),
    ).toMatchObject(refused(422, 'no_such_facility'));
    expect((await atDesk(country.desks.health, '/elsewhere')).status).toBe(404);
  });
  test('gives a notification without weight, hour and number of children', async () => {
    const path = `/notifications/${await notify('H-2')}`;
    const answer = await ask(SUBSYSTEMS.civilStatus, SERVICES.notifications.id, { path });
    expect(Object.keys(answer.json).sort()).toEqual(
      ['bornOn', 'communeCode', 'facility', 'intendedName', 'motherNumber', 'number', 'sex'].sort(),
    );
    expect(
      await ask(SUBSYSTEMS.civilStatus, SERVICES.notifications.id, {
        path: '/notifications/GCS-2026-900000',
      }),
    ).toMatchObject(refused(404, 'no_such_notification'));
    expect(
      await ask(SUBSYSTEMS.civilStatus, SERVICES.notifications.id, { path: '/notifications/7' }),
    ).toMatchObject(refused(400, 'request_invalid'));
  });
});

describe('Justice', () => {
  test('registers a notified birth once, whatever case asks', async () => {
    const notificationNumber = await notify('J-1');
    const first = await register('HS-2026-800001', { notificationNumber });
    expect(first).toMatchObject({ status: 200, json: { version: 1, sex: 'male', bornOn: '2026-11-20' } });
    expect(await register('HS-2026-800001', { notificationNumber })).toEqual(first);
    expect(await register('HS-2026-800001', { notificationNumber, copies: 2 })).toMatchObject(
      refused(409, 'dossier_differs'),
    );
    expect(await register('HS-2026-800002', { notificationNumber })).toMatchObject(
      refused(409, 'already_registered'),
    );
  });
  test('refuses a birth that Health does not know, or of another mother', async () => {
    expect(await register('HS-2026-800003', { notificationNumber: 'GCS-2026-900000' })).toMatchObject(
      refused(422, 'notification_unknown'),
    );
    const notificationNumber = await notify('J-2');
    expect(
      await register('HS-2026-800004', { notificationNumber, motherNumber: FATHER.personalNumber }),
    ).toMatchObject(refused(422, 'mother_differs'));
  });
  test('refuses a dossier that is not as described, the weight among it', async () => {
    for (const wrong of [{ childName: '' }, { caseId: 'x' }, { weightG: 3000 }, { fatherNumber: '001' }])
      expect(
        await register('HS-2026-800005', { notificationNumber: 'GCS-2026-000001', ...wrong }),
      ).toMatchObject(refused(400, 'request_invalid'));
  });
  test('gives certificates and marriages to those who ask for one that exists', async () => {
    const path = '/births/HS-2026-900000';
    expect(await ask(SUBSYSTEMS.residence, SERVICES.births.id, { path })).toMatchObject(
      refused(404, 'no_such_birth'),
    );
    const marriage = (subject: string) =>
      ask(SUBSYSTEMS.lifeEvents, SERVICES.marriages.id, { path: '/marriage', subject });
    expect(await marriage(`person:${MOTHER.personalNumber}`)).toMatchObject({
      json: { husbandNumber: FATHER.personalNumber },
    });
    expect(await marriage('person:901199000009')).toMatchObject(refused(404, 'no_such_marriage'));
    expect(await marriage('person:1')).toMatchObject(refused(400, 'request_invalid'));
  });
});

describe('Public Security', () => {
  test('draws one number for a case: 9, province, sex and century, year, six digits', async () => {
    const first = await draw();
    expect(first).toMatchObject({
      status: 201,
      json: { personalNumber: expect.stringMatching(/^901226\d{6}$/) },
    });
    expect(await draw()).toEqual({ status: 200, json: first.json });
    expect(await draw({ childName: 'Nguyễn Thí Dụ Đạt' })).toMatchObject(refused(409, 'case_differs'));
    const other = await draw({ caseId: 'HS-2026-700002', sex: 'female' });
    expect(other.json['personalNumber']).toMatch(/^901326/);
  });
  test('draws none for parents it does not know', async () => {
    const caseId = 'HS-2026-700003';
    expect(await draw({ caseId, motherNumber: '901199000009' })).toMatchObject(
      refused(422, 'no_such_mother'),
    );
    expect(await draw({ caseId, motherNumber: FATHER.personalNumber })).toMatchObject(
      refused(422, 'no_such_mother'),
    );
    expect(await draw({ caseId, fatherNumber: MOTHER.personalNumber })).toMatchObject(
      refused(422, 'no_such_father'),
    );
  });
  test('takes a correction once, ignores an older one, refuses one for a stranger', async () => {
    const caseId = 'HS-2026-700004';
    const drawn = await draw({ caseId });
    const personalNumber = String(drawn.json['personalNumber']);
    const correct = (changes: object) =>
      ask(SUBSYSTEMS.civilStatus, SERVICES.populationCorrections.id, {
        path: '/corrections',
        json: { caseId, personalNumber, version: 3, childName: 'Nguyễn Thí Dụ Em', ...changes },
      });
    expect(await correct({})).toMatchObject({ status: 200, json: { name: 'Nguyễn Thí Dụ Em' } });
    expect(await correct({ version: 2, childName: 'cũ' })).toMatchObject({
      json: { name: 'Nguyễn Thí Dụ Em' },
    });
    expect(await correct({ caseId: 'HS-2026-700009' })).toMatchObject(refused(404, 'no_such_person'));
    expect(await correct({ version: 1 })).toMatchObject(refused(400, 'request_invalid'));
  });
  test('registers a child at a parent of its own, on the certificate of Justice', async () => {
    const caseId = 'HS-2026-800010';
    const child = await register(caseId, { notificationNumber: await notify('R-1') });
    const personalNumber = String(child.json['personalNumber']);
    const move = (changes: object = {}) =>
      ask(SUBSYSTEMS.lifeEvents, SERVICES.residenceRegistrations.id, {
        path: '/registrations',
        json: {
          caseId,
          personalNumber,
          parentNumber: FATHER.personalNumber,
          relationToHead: 'con',
          ...changes,
        },
      });
    expect(await move({ parentNumber: '901199000009' })).toMatchObject(refused(422, 'not_a_parent'));
    const another = await register('HS-2026-800011', { notificationNumber: await notify('R-2') });
    expect(await move({ personalNumber: another.json['personalNumber'] })).toMatchObject(
      refused(422, 'number_differs'),
    );
    expect(await move({ caseId: 'HS-2026-900000' })).toMatchObject(refused(422, 'no_such_birth'));
    const first = await move();
    expect(first).toMatchObject({ status: 200, json: { householdCode: 'HGD-000001' } });
    expect(await move()).toEqual(first);
    expect(await move({ relationToHead: 'cháu' })).toMatchObject(refused(409, 'case_differs'));
    const home = await ask(SUBSYSTEMS.healthInsurance, SERVICES.households.id, {
      path: '/household',
      subject: `person:${personalNumber}`,
    });
    expect(home).toEqual(first);
  });
  test('gives persons and households only by their number', async () => {
    const subject = 'person:901199000009';
    expect(await ask(SUBSYSTEMS.lifeEvents, SERVICES.persons.id, { path: '/person', subject })).toMatchObject(
      refused(404, 'no_such_person'),
    );
    expect(
      await ask(SUBSYSTEMS.lifeEvents, SERVICES.households.id, { path: '/household', subject }),
    ).toMatchObject(refused(404, 'no_such_household'));
    expect(await ask(SUBSYSTEMS.lifeEvents, SERVICES.persons.id, { path: '/person' })).toMatchObject(
      refused(400, 'request_invalid'),
    );
  });
});

describe('Social Security', () => {
  test('issues one card for a case, from the certificate and the household', async () => {
    const caseId = 'HS-2026-800020';
    const child = await register(caseId, { notificationNumber: await notify('S-1') });
    const personalNumber = String(child.json['personalNumber']);
    const issue = (changes: object = {}) =>
      ask(SUBSYSTEMS.lifeEvents, SERVICES.cards.id, {
        path: '/cards',
        json: { caseId, personalNumber, clinicCode: CLINICS[0].code, ...changes },
      });
    expect(await issue({ clinicCode: 'TYT-999' })).toMatchObject(refused(422, 'no_such_clinic'));
    expect(await issue({ personalNumber: '901226999999' })).toMatchObject(refused(422, 'number_differs'));
    expect(await issue()).toMatchObject(refused(422, 'no_such_household'));
    await ask(SUBSYSTEMS.lifeEvents, SERVICES.residenceRegistrations.id, {
      path: '/registrations',
      json: { caseId, personalNumber, parentNumber: MOTHER.personalNumber, relationToHead: 'con' },
    });
    const first = await issue();
    expect(first).toMatchObject({
      status: 201,
      json: { cardCode: `TE1${personalNumber}`, name: dossier.childName, validFrom: '2026-11-20' },
    });
    expect(await issue()).toEqual({ status: 200, json: first.json });
    expect(await issue({ clinicCode: CLINICS[1].code })).toMatchObject(refused(409, 'case_differs'));
    expect(await issue({ caseId: 'HS-2026-900000' })).toMatchObject(refused(409, 'already_insured'));
    const correction = { caseId: 'HS-2026-900000', personalNumber, version: 2, childName: 'Ai' };
    expect(
      await ask(SUBSYSTEMS.civilStatus, SERVICES.cardCorrections.id, {
        path: '/corrections',
        json: correction,
      }),
    ).toMatchObject(refused(404, 'no_such_card'));
  });
});

describe('Statistics', () => {
  const record = {
    recordId: '11111111-2222-3333-4444-555555555555',
    month: '2026-11',
    sex: 'male',
    provinceCode: '01',
    communeCode: '00004',
  };
  const tell = (changes: object = {}) =>
    ask(SUBSYSTEMS.civilStatus, SERVICES.birthRecords.id, {
      path: '/records',
      json: { ...record, ...changes },
    });
  test('counts a birth once', async () => {
    expect(await tell()).toEqual({ status: 201, json: record });
    expect(await tell()).toEqual({ status: 200, json: record });
    expect(await tell({ sex: 'female' })).toMatchObject(refused(409, 'record_differs'));
  });
  test('takes no person: name, number and day are refused', async () => {
    for (const more of [{ name: 'Ai' }, { personalNumber: '901226000001' }, { month: '2026-11-20' }])
      expect(await tell(more)).toMatchObject(refused(400, 'request_invalid'));
  });
  test('gives units by page and by code, no page over 350', async () => {
    const read = (path: string, query: Record<string, string | number> = {}) =>
      ask(SUBSYSTEMS.lifeEvents, SERVICES.communes.id, { path, query });
    const page = await read('/records', { after: 3300 });
    expect(page.json).toMatchObject({ total: 3321, next: null });
    expect(page.json['records']).toHaveLength(21);
    expect(await read('/records', { limit: 351 })).toMatchObject(refused(400, 'request_invalid'));
    expect(await read('/records/00004')).toMatchObject({
      json: { name: 'Phường Ba Đình', province_code: '01' },
    });
    expect(await read('/records/99999')).toMatchObject(refused(404, 'no_such_unit'));
  });
});

describe('an agency as a program', () => {
  const settings = {
    server: 'http://127.0.0.1:8080',
    services: 'http://127.0.0.1:0',
    desk: 'http://127.0.0.1:0',
    database: ':memory:',
  };
  test('says all mistakes of its settings at once', () => {
    expect(parseSettings(JSON.stringify(settings))).toEqual(settings);
    const wrong = { ...settings, server: 'ftp://x', database: '', more: 1, publish: { management: 'x' } };
    for (const name of ['server', 'database', 'more', 'publish.management', 'publish.apiKeyFile'])
      expect(() => parseSettings(JSON.stringify(wrong))).toThrow(name);
    expect(() => parseSettings('null')).toThrow(TypeError);
  });
  test('prints one line of JSON when it is ready, and ends when asked to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onceway-agency-'));
    const file = join(folder, 'settings.json');
    writeFileSync(file, JSON.stringify(settings));
    const program = fileURLToPath(new URL('../../src/country/agencies/health.js', import.meta.url));
    const child = spawn(process.execPath, [program, '--settings', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let line = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      line += chunk.toString();
      if (line.endsWith('\n')) break;
    }
    child.kill('SIGTERM');
    expect(JSON.parse(line)).toEqual({
      ready: true,
      addresses: {
        desk: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        services: {
          [SERVICES.notifications.id]: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/notifications$/),
        },
      },
    });
    expect(await ended).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  });
});
