import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCertificateListener } from '../../src/trust-services/certificate-listener.js';
import { createPilot, type Pilot } from './pilot.js';

let pilot: Pilot, url: string;
beforeAll(async () => {
  pilot = await createPilot();
  url = await pilot.serve(createCertificateListener(pilot.authority));
});
afterAll(() => pilot.end());

test.each(['issuing', 'root'] as const)('serves the %s certificate in DER', async (name) => {
  const answer = await fetch(`${url}/${name}.cer`);
  expect(answer.headers.get('content-type')).toBe('application/pkix-cert');
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(pilot.authority[name]);
});

test('serves nothing else', async () => {
  for (const path of ['/', '/issuing.pem', '/../issuing.pem', '/toString'])
    expect((await fetch(url + path)).status).toBe(404);
  const posted = await fetch(`${url}/root.cer`, { method: 'POST' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET']);
});
