// National Public Service Portal: a parent signs in, sees one form that is nearly full, gives six answers, and the
// agencies do the rest. Sign-in is the demo's: the desk is on loopback and takes a number for granted.
import type { Agency, AgencyOf } from './agency.js';
import { runAsProgram } from './agency.js';
import { SERVICES } from './directory.js';
import { dossiers } from './dossiers.js';
import type { Typed } from './dossiers.js';
import { NOTIFICATION, NUMBER, object, service } from './service.js';

interface Notice {
  readonly notificationNumber: string;
  readonly parentNumber: string;
}

export const portal: AgencyOf = (house): Agency => {
  const cases = dossiers(house);
  const notice = object({ notificationNumber: NOTIFICATION, parentNumber: NUMBER });
  const person = /^9\d{11}$/;
  return {
    desk: {
      'GET /parents/:number/notices': {
        handle: async (_body, { number = '' }) => ({ notices: cases.noticesOf(number) }),
      },
      'POST /dossiers': {
        body: { parentNumber: person, notificationNumber: /^GCS-\d{4}-\d{6}$/ },
        handle: (body) => {
          const { parentNumber, notificationNumber } = body as Notice;
          return cases.open(parentNumber, notificationNumber);
        },
      },
      'POST /dossiers/:caseId/submission': {
        body: {
          relation: /^(?:mother|father)$/,
          childName: /^\S.{0,119}$/u,
          copies: [0, 20],
          relationToHead: /^\S.{0,59}$/u,
          residenceOf: /^(?:mother|father)$/,
          clinicCode: /^TYT-\d{3}$/,
        },
        handle: (body, { caseId = '' }) => cases.submit(caseId, body as Typed),
      },
      'GET /dossiers/:caseId': {
        handle: async (_body, { caseId = '' }) => cases.progress(caseId),
      },
    },
    services: [
      service(SERVICES.notices, {
        'POST /notices': {
          summary: { en: 'Tells a parent of a birth', vi: 'Báo cho cha mẹ về trẻ mới sinh' },
          body: notice,
          answer: notice,
          handle: ({ body }) => {
            const { notificationNumber, parentNumber } = body as Notice;
            cases.notice(notificationNumber, parentNumber);
            return { json: { notificationNumber, parentNumber } };
          },
        },
      }),
    ],
  };
};

await runAsProgram(import.meta.url, portal);
