// What fails beside an exchange, where nobody waits for it, is told to the operator: once a minute of a kind, with how often.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { keepCertificateStatusFresh } from '@onceway/security-server/jobs/refresh-certificate-status';
import { OwnCertificates } from '@onceway/security-server/trust/own-certificates';
import { call, openRoad, until, type Road } from './fault-road.js';
import { Federation, TestClock } from './federation.js';

let federation: Federation;
let road: Road;
const clock = new TestClock();
const MINUTE_MS = 60_000;

beforeAll(async () => {
  federation = await Federation.start({}, 3_600, clock);
  road = await openRoad(federation, { consumer: { limits: { refusalReportsMs: MINUTE_MS } } });
}, 30_000);
afterAll(() => federation.stop());

const told = (what: string) =>
  road.consumer.events.filter((event) => event['event'] === 'failed_beside' && event['what'] === what);

test('a round for the status of the own certificates', async () => {
  const { exchange } = road.consumer.running;
  const own = new OwnCertificates(() => road.consumer.running.enrolment.token.keys());
  const rounds = async (count: number): Promise<void> => {
    const end = new AbortController();
    let left = count;
    const pause = (): Promise<void> => Promise.resolve(--left > 0 ? undefined : end.abort());
    await keepCertificateStatusFresh(exchange, own, pause, end.signal);
  };
  await rounds(1);
  expect(told('certificate-status')).toEqual([]);
  clock.offsetMs += 2 * 3_600_000;
  await rounds(3);
  expect(told('certificate-status')).toMatchObject([{ code: 'configuration_expired', unreported: 0 }]);
  clock.offsetMs += MINUTE_MS;
  await rounds(1);
  expect(told('certificate-status')).toMatchObject([{ unreported: 0 }, { unreported: 2 }]);
  clock.offsetMs = 0;
});

test('the entry of an outcome that could not be made', async () => {
  expect(await call(road)).toMatchObject({ status: 200 });
  const { log } = road.consumer.running.exchange;
  road.service.handler = (_request, response) => void log.close().then(() => response.end('secret'));
  const { status, body, id } = await call(road);
  expect(status).toBe(503);
  expect(body).not.toContain('secret');
  await until('it is told', () => told('outcome').length > 0);
  expect(told('outcome')).toMatchObject([{ message: id, why: expect.any(String) }]);
  expect(JSON.stringify(told('outcome'))).not.toContain('secret');
});
