import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ocspRequest, verifyOcspAnswer, type OcspOptions } from '../../src/verify/certificate-status.js';
import { OpensslFolder, PROFILE, type Issued } from './openssl.js';

const folder = new OpensslFolder();
afterAll(() => {
  folder.remove();
});

const HOUR_MS = 3_600_000;
const root = folder.issue('root', PROFILE.ca);
const issuing = folder.issue('issuing', PROFILE.ca, root);
const twin = folder.issue('twin', PROFILE.ca, undefined, { subject: '/CN=issuing' });
const delegate = folder.issue('ocsp', PROFILE.ocsp, issuing);
const rsaDelegate = folder.issue('ocsp-rsa', PROFILE.ocsp, issuing, { key: 'RSA-2048' });
const member = folder.issue('member', PROFILE.authentication, issuing);
const good = folder.issue('good', PROFILE.signing, issuing);
const revoked = folder.issue('revoked', PROFILE.signing, issuing);
const unlisted = folder.issue('unlisted', PROFILE.signing, issuing);
const ofTwin = folder.issue('of-twin', PROFILE.signing, twin, { serial: parseInt(good.serial, 16) });

const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`;
const revokedAtMs = Math.floor(Date.now() / 1000) * 1000 - 5000;
folder.write(
  'index.txt',
  `V\t${stamp(Date.now() + 1e9)}\t\t${good.serial}\tunknown\t/CN=good\n` +
    `R\t${stamp(Date.now() + 1e9)}\t${stamp(revokedAtMs)}\t${revoked.serial}\tunknown\t/CN=revoked\n`,
);

/** openssl as responder: reads our request, answers for a day. */
function answer(request: Uint8Array, signer: Issued, more: readonly string[] = ['-ndays', '1']): Buffer {
  folder.write('request.der', request);
  const responder = ['-index', 'index.txt', '-CA', issuing.certificate, '-rsigner', signer.certificate];
  folder.run(
    'ocsp',
    ...responder,
    '-rkey',
    signer.key,
    '-reqin',
    'request.der',
    '-respout',
    'answer.der',
    ...more,
  );
  return folder.read('answer.der');
}

const nonce = randomBytes(16);
const about = (certificate: Issued, options: Partial<OcspOptions> = {}): OcspOptions => ({
  certificate: certificate.der,
  issuer: issuing.der,
  authorities: [root.der, issuing.der],
  nowMs: Date.now(),
  skewMs: 2000,
  ...options,
});
const unknown = { code: 'certificate_status_unknown' };
const goodRequest = await ocspRequest(good.der, issuing.der, nonce);
const bareRequest = await ocspRequest(good.der, issuing.der);
const goodAnswer = answer(goodRequest, delegate);

describe('requests', () => {
  test('are read by openssl, by SHA-256 and with the nonce', () => {
    folder.write('shown.der', goodRequest);
    const shown = folder.run('ocsp', '-reqin', 'shown.der', '-req_text');
    expect(shown).toContain('Hash Algorithm: sha256');
    expect(shown).toContain(`Serial Number: ${good.serial}`);
    expect(shown.replace(/[^0-9A-F]/g, '')).toContain(nonce.toString('hex').toUpperCase());
  });
  test('without nonce carry none', async () => {
    folder.write('shown.der', await ocspRequest(good.der, issuing.der));
    expect(folder.run('ocsp', '-reqin', 'shown.der', '-req_text')).not.toContain('Nonce');
  });
  test('are refused about garbage', async () => {
    await expect(ocspRequest(Buffer.from('garbage'), issuing.der)).rejects.toMatchObject({
      code: 'certificate_invalid',
    });
  });
});

describe('an answer of openssl', () => {
  test('says good, with its times', async () => {
    const status = await verifyOcspAnswer(goodAnswer, about(good, { nonce }));
    expect(status.status).toBe('good');
    expect(status.nextUpdateMs).toBe(status.thisUpdateMs + 24 * HOUR_MS);
    expect(Math.abs(status.producedAtMs - Date.now())).toBeLessThan(HOUR_MS);
    expect(status).not.toHaveProperty('revokedAtMs');
  });
  test('says revoked, and since when', async () => {
    const der = answer(await ocspRequest(revoked.der, issuing.der), delegate);
    expect(await verifyOcspAnswer(der, about(revoked))).toMatchObject({ status: 'revoked', revokedAtMs });
  });
  test('says unknown', async () => {
    const der = answer(await ocspRequest(unlisted.der, issuing.der), delegate);
    expect(await verifyOcspAnswer(der, about(unlisted))).toMatchObject({ status: 'unknown' });
  });
  test.each<[string, Issued, string[]]>([
    ['of the issuer itself', issuing, ['-ndays', '1']],
    ['of a delegate named by its key', delegate, ['-ndays', '1', '-resp_key_id']],
    ['of a delegate with an RSA key', rsaDelegate, ['-ndays', '1']],
    ['signed by RSA-PSS', rsaDelegate, ['-ndays', '1', '-rsigopt', 'rsa_padding_mode:pss']],
    ['without end, whose freshness is then the policy of the caller', delegate, []],
  ])('is taken %s', async (_, signer, more) => {
    const der = answer(goodRequest, signer, more);
    await expect(verifyOcspAnswer(der, about(good, { nonce }))).resolves.toMatchObject({ status: 'good' });
  });
  test('is taken by a request of openssl, which names the certificate by SHA-1', async () => {
    folder.run(
      'ocsp',
      '-issuer',
      issuing.certificate,
      '-cert',
      good.certificate,
      '-reqout',
      'sha1.der',
      '-no_nonce',
    );
    const der = answer(folder.read('sha1.der'), delegate);
    await expect(verifyOcspAnswer(der, about(good))).resolves.toMatchObject({ status: 'good' });
  });
  test('is taken up to nextUpdate, the skew, and the grace', async () => {
    const { nextUpdateMs } = await verifyOcspAnswer(goodAnswer, about(good));
    const end = (nextUpdateMs as number) + 2000;
    for (const options of [{ nowMs: end }, { nowMs: end + HOUR_MS, graceMs: HOUR_MS }])
      await expect(verifyOcspAnswer(goodAnswer, about(good, options))).resolves.toBeDefined();
    for (const options of [{ nowMs: end + 1 }, { nowMs: end + HOUR_MS + 1, graceMs: HOUR_MS }])
      await expect(verifyOcspAnswer(goodAnswer, about(good, options))).rejects.toMatchObject(unknown);
  });
});

describe('refuses an answer', () => {
  const der = goodAnswer;
  test.each<[string, Uint8Array, OcspOptions]>([
    ['by a certificate of the same authority that is no responder', answer(goodRequest, member), about(good)],
    ['by the authority above', answer(goodRequest, root), about(good)],
    ['by another authority of the same name', answer(goodRequest, twin), about(good)],
    [
      'by a delegate of another authority',
      answer(goodRequest, folder.issue('ocsp-of-root', PROFILE.ocsp, root)),
      about(good),
    ],
    [
      'by a delegate whose certificate is not sent',
      answer(goodRequest, delegate, ['-ndays', '1', '-resp_no_certs']),
      about(good),
    ],
    ['about another certificate', der, about(revoked)],
    [
      'about the same number of another authority',
      der,
      about(ofTwin, { issuer: twin.der, authorities: [twin.der] }),
    ],
    ['under an issuer that is not approved', der, about(good, { authorities: [root.der] })],
    ['with another nonce', der, about(good, { nonce: randomBytes(16) })],
    ['without the nonce that was sent', answer(bareRequest, delegate), about(good, { nonce })],
    ['from the future', answer(goodRequest, issuing), about(good, { nowMs: Date.now() - HOUR_MS })],
    ['that is stale', der, about(good, { nowMs: Date.now() + 25 * HOUR_MS })],
    [
      'by a delegate that is expired',
      der,
      about(good, { nowMs: Date.now() + 31 * 24 * HOUR_MS, graceMs: 1e12 }),
    ],
    ['that says to try later', Buffer.of(0x30, 3, 0x0a, 1, 3), about(good)],
    ['with an octet after it', Buffer.concat([der, Buffer.of(0)]), about(good)],
    ['cut short', der.subarray(0, -1), about(good)],
    ['cut in half', der.subarray(0, der.length / 2), about(good)],
    ['of nothing', Buffer.of(), about(good)],
    ['of garbage', Buffer.from('garbage'), about(good)],
    ['of 100 KB of garbage', Buffer.alloc(100_000, 'g'), about(good)],
    ['of 32 KiB of open brackets', Buffer.alloc(32 * 1024, Buffer.of(0x30, 0x80)), about(good)],
    ['that is a certificate', good.der, about(good)],
    ['about garbage', der, about(good, { certificate: Buffer.from('garbage') })],
  ])('%s', async (_, bad, options) => {
    await expect(verifyOcspAnswer(bad, options)).rejects.toMatchObject(unknown);
  });
  test('with any changed octet that would change what it says', async () => {
    const nowMs = Date.now();
    const said = await verifyOcspAnswer(der, about(good, { nonce, nowMs }));
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: der.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] as number) ^ by;
        // What no signature covers, such as the encoding of a NULL, may change; what is said may not.
        const outcome = await verifyOcspAnswer(changed, about(good, { nonce, nowMs })).catch(
          (error: unknown) => error,
        );
        if (outcome instanceof Error) expect(outcome).toMatchObject(unknown);
        else expect(outcome).toEqual(said);
      }),
      { numRuns: 150 },
    );
  });
});
