// What the trust services make, judged by the verifier that security servers and auditors use.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { MemberId } from '@onceway/schemas';
import {
  ocspRequest,
  timeStampRequest,
  verifyChain,
  verifyOcspAnswer,
  verifyTimeStamp,
} from '@onceway/sdk/verify';
import { readServiceCredential } from '../../src/trust-services/certification-authority.js';
import type { IssuedCertificate } from '../../src/trust-services/issued-certificates.js';
import { createOcspListener } from '../../src/trust-services/ocsp-responder.js';
import {
  createTimeStampListener,
  PILOT_TIME_STAMP_POLICY,
} from '../../src/trust-services/time-stamping-authority.js';
import { createPilot, MEMBER, SERVER, signingRequest, type Pilot } from './pilot.js';

let pilot: Pilot, authorities: Buffer[], signing: IssuedCertificate, authentication: IssuedCertificate;
beforeAll(async () => {
  pilot = await createPilot();
  authorities = [pilot.authority.root, pilot.authority.issuing];
  const order = { member: MEMBER, memberName: 'Bộ Tư pháp' };
  signing = await pilot.authority.issue({ ...order, profile: 'signing', csr: signingRequest(pilot.folder) });
  authentication = await pilot.authority.issue({
    ...order,
    profile: 'authentication',
    server: SERVER,
    hosts: ['127.0.0.1'],
    csr: signingRequest(pilot.folder, 'rsa2048'),
  });
});
afterAll(() => pilot.end());

async function post(url: string, type: string, body: Uint8Array): Promise<Buffer> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(body),
  });
  return Buffer.from(await answer.arrayBuffer());
}

describe('chains', () => {
  test('each certificate is for its use and for no other', async () => {
    const uses = ['authentication', 'signing', 'ocsp', 'time-stamping'] as const;
    const certificates = {
      authentication: authentication.certificate,
      signing: signing.certificate,
      ocsp: readServiceCredential(pilot.folder, 'ocsp').certificate,
      'time-stamping': readServiceCredential(pilot.folder, 'time-stamping').certificate,
    };
    for (const profile of uses)
      for (const usage of uses) {
        const verdict = verifyChain(certificates[profile], { authorities, atMs: pilot.clockMs, usage });
        if (profile === usage)
          expect((await verdict).chain).toEqual([certificates[profile], ...authorities.toReversed()]);
        else await expect(verdict).rejects.toMatchObject({ code: 'certificate_invalid' });
      }
  });

  test('end with the certificate, and do not lead to another authority', async () => {
    const [usage, invalid] = ['signing' as const, { code: 'certificate_invalid' }];
    const atMs = signing.notAfterMs + 1000;
    await expect(verifyChain(signing.certificate, { authorities, atMs, usage })).rejects.toMatchObject(
      invalid,
    );
    const early = { authorities, atMs: signing.notBeforeMs - 1000, usage };
    await expect(verifyChain(signing.certificate, early)).rejects.toMatchObject(invalid);
    const other = await createPilot();
    const foreign = {
      authorities: [other.authority.root, other.authority.issuing],
      atMs: pilot.clockMs,
      usage,
    };
    await expect(verifyChain(signing.certificate, foreign)).rejects.toMatchObject(invalid);
    await other.end();
  });
});

test('an OCSP answer is believed: good, then revoked since this second, and unknown', async () => {
  const url = await pilot.serve(
    await createOcspListener({
      issuer: pilot.authority.issuing,
      responder: readServiceCredential(pilot.folder, 'ocsp'),
      statusOf: (serial) => pilot.authority.status(serial),
      clock: pilot.clock,
      validityMs: 60_000,
      report: pilot.report,
    }),
  );
  const ask = async (of: Uint8Array) => {
    const nonce = randomBytes(32);
    const question = await ocspRequest(of, pilot.authority.issuing, nonce);
    const answer = await post(url, 'application/ocsp-request', question);
    const options = {
      certificate: of,
      issuer: pilot.authority.issuing,
      authorities,
      nowMs: pilot.clockMs,
      skewMs: 0,
      nonce,
    };
    return verifyOcspAnswer(answer, options);
  };
  const { serial, certificate } = await pilot.authority.issue({
    profile: 'signing',
    csr: signingRequest(pilot.folder),
    member: 'VN/GOV/MOH' as MemberId,
    memberName: 'Bộ Y tế',
  });
  expect(await ask(certificate)).toMatchObject({ status: 'good' });
  pilot.clockMs += 3000;
  pilot.authority.revoke(serial, 'keyCompromise');
  const revokedAtMs = Math.floor(pilot.clockMs / 1000) * 1000;
  expect(await ask(certificate)).toMatchObject({ status: 'revoked', revokedAtMs, thisUpdateMs: revokedAtMs });
});

test('a time-stamp is believed, at the very millisecond', async () => {
  const listener = await createTimeStampListener({
    authority: readServiceCredential(pilot.folder, 'time-stamping'),
    issuers: [pilot.authority.issuing],
    policy: PILOT_TIME_STAMP_POLICY,
    stateFile: join(pilot.folder, 'stamps.db'),
    clock: pilot.clock,
    report: pilot.report,
  });
  const url = await pilot.serve(listener);
  const data = Buffer.from('checkpoint');
  const nonce = Buffer.alloc(32, 0xff);
  const answer = await post(url, 'application/timestamp-query', await timeStampRequest(data, nonce));
  const options = {
    data,
    nonce,
    authority: readServiceCredential(pilot.folder, 'time-stamping').certificate,
    authorities,
    policies: [PILOT_TIME_STAMP_POLICY],
  };
  expect(await verifyTimeStamp(answer, options)).toMatchObject({ genTimeMs: pilot.clockMs });
  for (const wrong of [
    { ...options, data: Buffer.from('other') },
    { ...options, nonce: Buffer.alloc(32, 0xfe) },
    { ...options, authority: readServiceCredential(pilot.folder, 'ocsp').certificate },
    { ...options, policies: ['1.2.3'] },
  ])
    await expect(verifyTimeStamp(answer, wrong)).rejects.toMatchObject({ code: 'time_stamp_invalid' });
  listener.close();
});
