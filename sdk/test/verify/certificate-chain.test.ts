import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { verifyChain, type CertificateUsage } from '../../src/verify/certificate-chain.js';
import { OpensslFolder, PROFILE, type Issued } from './openssl.js';

const folder = new OpensslFolder();
afterAll(() => {
  folder.remove();
});

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const nowMs = Date.now();
const root = folder.issue('root', PROFILE.ca, undefined, { days: 300 });
const issuing = folder.issue('issuing', `${PROFILE.ca}\n`.replace('CA:TRUE', 'CA:TRUE,pathlen:0'), root, {
  days: 100,
});
const authorities = [root.der, issuing.der];
const leaf = {
  authentication: folder.issue('authentication', PROFILE.authentication, issuing),
  signing: folder.issue('signing', PROFILE.signing, issuing),
  ocsp: folder.issue('ocsp', PROFILE.ocsp, issuing),
  'time-stamping': folder.issue('tsa', PROFILE.timeStamping, issuing),
} satisfies Record<CertificateUsage, Issued>;
const usages = Object.keys(leaf) as CertificateUsage[];

const verify = (
  certificate: Issued | Uint8Array,
  usage: CertificateUsage,
  { given = authorities, atMs = nowMs + HOUR_MS }: { given?: Uint8Array[]; atMs?: number } = {},
) => verifyChain('der' in certificate ? certificate.der : certificate, { authorities: given, atMs, usage });
const invalid = { code: 'certificate_invalid' };

describe('accepts', () => {
  test.each(usages)('a certificate for %s, and gives its chain, leaf first', async (usage) => {
    const { certificate, chain } = await verify(leaf[usage], usage);
    expect(certificate.raw).toEqual(leaf[usage].der);
    expect(chain).toEqual([leaf[usage].der, issuing.der, root.der]);
    expect(
      folder.run(
        'verify',
        '-CAfile',
        root.certificate,
        '-untrusted',
        issuing.certificate,
        leaf[usage].certificate,
      ),
    ).toMatch(/OK/);
  });
  test('an RSA root and leaf, and an Ed25519 leaf', async () => {
    const rsa = folder.issue('root-rsa', PROFILE.ca, undefined, { key: 'RSA-2048' });
    for (const key of ['RSA-2048', 'ed25519'] as const) {
      const end = folder.issue(`leaf-${key}`, PROFILE.signing, rsa, { key });
      expect((await verify(end, 'signing', { given: [rsa.der] })).chain).toHaveLength(2);
    }
  });
  test('digitalSignature beside nonRepudiation, as national authorities issue them', async () => {
    const both = folder.issue(
      'both',
      'keyUsage=digitalSignature,nonRepudiation\nextendedKeyUsage=emailProtection',
      issuing,
    );
    await expect(verify(both, 'signing')).resolves.toBeDefined();
  });
  test('an issuing authority as the root that is trusted', async () => {
    await expect(verify(leaf.signing, 'signing', { given: [issuing.der] })).resolves.toBeDefined();
  });
});

describe('refuses', () => {
  test.each(
    usages.flatMap((usage) =>
      usages.filter((other) => other !== usage).map((other) => [other, usage] as const),
    ),
  )('a certificate for %s put to %s', async (made, usage) => {
    await expect(verify(leaf[made], usage)).rejects.toMatchObject(invalid);
  });

  test.each<[string, CertificateUsage, string]>([
    [
      'for authentication without clientAuth',
      'authentication',
      'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth',
    ],
    [
      'for authentication without serverAuth',
      'authentication',
      'keyUsage=digitalSignature\nextendedKeyUsage=clientAuth',
    ],
    [
      'for authentication without digitalSignature',
      'authentication',
      'keyUsage=keyAgreement\nextendedKeyUsage=serverAuth,clientAuth',
    ],
    ['for authentication without any key usage', 'authentication', 'extendedKeyUsage=serverAuth,clientAuth'],
    [
      'for signing that also opens connections',
      'signing',
      'keyUsage=nonRepudiation,digitalSignature\nextendedKeyUsage=clientAuth',
    ],
    [
      'for signing with any purpose',
      'signing',
      'keyUsage=nonRepudiation\nextendedKeyUsage=anyExtendedKeyUsage',
    ],
    ['for signing with digitalSignature alone', 'signing', 'keyUsage=digitalSignature'],
    ['for signing without any key usage', 'signing', 'subjectKeyIdentifier=hash'],
    ['for time-stamping whose purpose is not critical', 'time-stamping', 'extendedKeyUsage=timeStamping'],
    [
      'for time-stamping and something else',
      'time-stamping',
      'extendedKeyUsage=critical,timeStamping,OCSPSigning',
    ],
    [
      'for time-stamping with another key usage',
      'time-stamping',
      'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=critical,timeStamping',
    ],
    ['for OCSP that may not sign', 'ocsp', 'keyUsage=keyAgreement\nextendedKeyUsage=OCSPSigning'],
    [
      'with an unknown critical extension',
      'signing',
      'keyUsage=nonRepudiation\n1.3.6.1.4.1.99999.7=critical,ASN1:NULL',
    ],
    [
      'that is an authority itself',
      'signing',
      'basicConstraints=CA:TRUE\nkeyUsage=nonRepudiation,keyCertSign',
    ],
    ['of version 1', 'signing', ''],
  ])('one %s', async (name, usage, profile) => {
    const bad = folder.issue(name.replaceAll(' ', '-'), profile, issuing);
    await expect(verify(bad, usage)).rejects.toMatchObject(invalid);
  });

  test.each(['RSA-1024', 'secp256k1'] as const)('a key of kind %s', async (key) => {
    await expect(
      verify(folder.issue(`weak-${key}`, PROFILE.signing, issuing, { key }), 'signing'),
    ).rejects.toMatchObject(invalid);
  });
  test('a signature by SHA-1', async () => {
    const bad = folder.issue('sha1', PROFILE.signing, issuing, { digest: 'sha1' });
    await expect(verify(bad, 'signing')).rejects.toMatchObject(invalid);
  });

  test('one expired, not yet valid, and one whose authority is expired', async () => {
    const short = folder.issue('short', PROFILE.ca, root, { days: 1 });
    const long = folder.issue('long', PROFILE.signing, short, { days: 60 });
    const given = [root.der, short.der];
    await expect(verify(long, 'signing', { given })).resolves.toBeDefined();
    await expect(verify(long, 'signing', { given, atMs: nowMs + 2 * DAY_MS })).rejects.toMatchObject(invalid);
    await expect(verify(leaf.signing, 'signing', { atMs: nowMs + 31 * DAY_MS })).rejects.toMatchObject(
      invalid,
    );
    await expect(verify(leaf.signing, 'signing', { atMs: nowMs - DAY_MS })).rejects.toMatchObject(invalid);
  });

  test('a leaf that acts as authority, listed or not', async () => {
    const rogue = folder.issue('rogue', PROFILE.signing, leaf.signing);
    await expect(verify(rogue, 'signing')).rejects.toMatchObject(invalid);
    await expect(
      verify(rogue, 'signing', { given: [...authorities, leaf.signing.der] }),
    ).rejects.toMatchObject(invalid);
    await expect(verify(rogue, 'signing', { given: [leaf.signing.der] })).rejects.toMatchObject(invalid);
  });
  test.each([
    ['without keyCertSign', 'basicConstraints=CA:TRUE\nkeyUsage=cRLSign'],
    ['without key usage', 'basicConstraints=CA:TRUE'],
    ['without basic constraints', 'keyUsage=cRLSign'],
    ['of version 1', ''],
  ])('an authority %s', async (name, profile) => {
    const bad = folder.issue(`ca-${name.replaceAll(' ', '-')}`, profile, root);
    const end = folder.issue(`leaf-of-${bad.name}`, PROFILE.signing, bad);
    await expect(verify(end, 'signing', { given: [root.der, bad.der] })).rejects.toMatchObject(invalid);
  });
  test('an authority below one that may have none', async () => {
    const below = folder.issue('below', PROFILE.ca, issuing);
    const end = folder.issue('leaf-of-below', PROFILE.signing, below);
    await expect(verify(end, 'signing', { given: [...authorities, below.der] })).rejects.toMatchObject(
      invalid,
    );
  });
  test('a chain of five certificates, and takes one of four', async () => {
    const given = [root.der];
    let above = root;
    for (const name of ['first', 'second', 'third']) {
      above = folder.issue(name, PROFILE.ca, above);
      given.push(above.der);
      const end = folder.issue(`leaf-of-${name}`, PROFILE.signing, above);
      if (name === 'third') await expect(verify(end, 'signing', { given })).rejects.toMatchObject(invalid);
      else await expect(verify(end, 'signing', { given })).resolves.toBeDefined();
    }
  });
  test('a name outside what its authority may issue for', async () => {
    const bound = folder.issue(
      'bound',
      `${PROFILE.ca}\nnameConstraints=critical,permitted;DNS:gov.example`,
      root,
    );
    const given = [root.der, bound.der];
    const inside = folder.issue(
      'inside',
      `${PROFILE.authentication}\nsubjectAltName=DNS:a.gov.example`,
      bound,
    );
    const outside = folder.issue(
      'outside',
      `${PROFILE.authentication}\nsubjectAltName=DNS:a.evil.example`,
      bound,
    );
    await expect(verify(inside, 'authentication', { given })).resolves.toBeDefined();
    await expect(verify(outside, 'authentication', { given })).rejects.toMatchObject(invalid);
  });
  test('one of a stranger, also one that bears the name of an approved authority', async () => {
    const twin = folder.issue('twin', PROFILE.ca, undefined, { subject: '/CN=issuing' });
    const end = folder.issue('leaf-of-twin', PROFILE.signing, twin);
    await expect(verify(end, 'signing')).rejects.toMatchObject(invalid);
    await expect(verify(leaf.signing, 'signing', { given: [twin.der] })).rejects.toMatchObject(invalid);
    await expect(verify(leaf.signing, 'signing', { given: [root.der] })).rejects.toMatchObject(invalid);
    await expect(verify(leaf.signing, 'signing', { given: [] })).rejects.toMatchObject(invalid);
  });
  test('a self-signed leaf, also when it is given as the authority', async () => {
    const self = folder.issue('self', PROFILE.signing);
    await expect(verify(self, 'signing')).rejects.toMatchObject(invalid);
    await expect(verify(self, 'signing', { given: [self.der] })).rejects.toMatchObject(invalid);
    await expect(verify(issuing, 'signing')).rejects.toMatchObject(invalid);
  });

  const { der } = leaf.signing;
  test.each<[string, Uint8Array]>([
    ['PEM', folder.read('signing.pem')],
    ['a certificate and an octet', Buffer.concat([der, Buffer.of(0)])],
    ['a certificate cut short', der.subarray(0, -1)],
    ['half a certificate', der.subarray(0, der.length / 2)],
    ['nothing', Buffer.of()],
    ['garbage', Buffer.from('garbage')],
    ['100 KB of garbage', Buffer.alloc(100_000, 'g')],
    ['16 KiB of open brackets', Buffer.alloc(16 * 1024, Buffer.of(0x30, 0x80))],
    ['no certificate but DER', Buffer.of(0x30, 3, 2, 1, 5)],
  ])('%s', async (_, bad) => {
    await expect(verify(bad, 'signing')).rejects.toMatchObject(invalid);
    await expect(verify(leaf.signing, 'signing', { given: [root.der, bad] })).rejects.toMatchObject(invalid);
  });
  test('a signature that is said to end within an octet', async () => {
    let even = der;
    for (let i = 0; (even.at(-1) ?? 1) % 2 === 1; i++)
      even = folder.issue(`even-${i}`, PROFILE.signing, issuing).der;
    await expect(verify(even, 'signing')).resolves.toBeDefined();
    const changed = Buffer.from(even);
    // BIT STRING, length, unused bits, then the signature: a SEQUENCE of two INTEGERs (RFC 5758 §3.2).
    const bits = changed.lastIndexOf(Buffer.from('2a8648ce3d040302', 'hex')) + 8;
    expect(changed.subarray(bits)).toMatchObject({ 0: 0x03, 2: 0, 3: 0x30 });
    changed[bits + 2] = 1;
    await expect(verify(changed, 'signing')).rejects.toMatchObject(invalid);
  });
  test('a signature whose length does not fit what it holds', async () => {
    const changed = Buffer.from(der);
    const bits = changed.lastIndexOf(Buffer.from('2a8648ce3d040302', 'hex')) + 8;
    expect(changed.subarray(bits)).toMatchObject({ 0: 0x03, 2: 0, 3: 0x30 });
    for (let length = 0; length < 256; length++) {
      if (length === der[bits + 4]) continue;
      changed[bits + 4] = length;
      await expect(verify(changed, 'signing')).rejects.toMatchObject(invalid);
    }
  });
  test('any changed octet', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: der.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] as number) ^ by;
        await expect(verify(changed, 'signing')).rejects.toMatchObject(invalid);
      }),
      { numRuns: 300 },
    );
  });
});
