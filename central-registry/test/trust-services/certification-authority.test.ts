import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberId } from '@onceway/schemas';
import {
  createCertificationAuthority,
  openCertificationAuthority,
  readServiceCredential,
  type CertificateOrder,
} from '../../src/trust-services/certification-authority.js';
import { organizationOf } from '../../src/trust-services/certificate-signature.js';
import { readCertificateRequest } from '../../src/trust-services/certificate-request.js';
import {
  createPilot,
  LOCATIONS,
  MEMBER,
  openssl,
  requestFor,
  SERVER,
  signingRequest,
  temporaryFolder,
  type Pilot,
} from './pilot.js';

const DAY_MS = 24 * 3600 * 1000;
let pilot: Pilot;
beforeAll(async () => {
  pilot = await createPilot();
});
afterAll(() => pilot.end());

const signing = (csr: string): CertificateOrder => ({
  profile: 'signing',
  csr,
  member: MEMBER,
  memberName: 'Bộ Tư pháp',
});
const authentication = (csr: string, hosts = ['127.0.0.1']): CertificateOrder => ({
  profile: 'authentication',
  csr,
  member: MEMBER,
  memberName: 'Bộ Tư pháp',
  server: SERVER,
  hosts,
});

function verify(certificate: Uint8Array, purpose: string): string {
  return openssl(
    ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', pilot.root, '-untrusted', pilot.issuing],
    pilot.file('leaf', certificate),
  );
}

describe('certificates, judged by openssl', () => {
  test('an authentication certificate serves both ends of TLS and no signature', async () => {
    const { certificate } = await pilot.authority.issue(
      authentication(signingRequest(pilot.folder), ['127.0.0.1', '::1', 'ss1.moj.example']),
    );
    expect(verify(certificate, 'sslserver')).toMatch(/OK/);
    expect(verify(certificate, 'sslclient')).toMatch(/OK/);
    expect(() => verify(certificate, 'smimesign')).toThrow();
    const parsed = new X509Certificate(certificate);
    expect(parsed.subjectAltName).toBe(
      'IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:ss1.moj.example',
    );
    expect(parsed.infoAccess).toContain(LOCATIONS.ocsp);
    expect(parsed.infoAccess).toContain(LOCATIONS.issuer);
  });

  test('a signing certificate signs and can not be used for TLS', async () => {
    const { certificate } = await pilot.authority.issue(signing(signingRequest(pilot.folder)));
    expect(verify(certificate, 'smimesign')).toMatch(/OK/);
    expect(() => verify(certificate, 'sslserver')).toThrow();
    expect(() => verify(certificate, 'sslclient')).toThrow();
    expect(openssl('x509', '-in', pilot.file('leaf', certificate), '-noout', '-ext', 'keyUsage')).toMatch(
      /critical\s+Non Repudiation\s*$/,
    );
  });

  test('responder and time-stamping authority have one critical use each', () => {
    const ocsp = readServiceCredential(pilot.folder, 'ocsp').certificate;
    expect(verify(ocsp, 'ocsphelper')).toMatch(/OK/);
    const text = openssl('x509', '-in', pilot.file('ocsp', ocsp), '-noout', '-text');
    expect(text).toMatch(/Extended Key Usage: critical\s+OCSP Signing\n/);
    expect(text).toContain('OCSP No Check');
    const stamping = readServiceCredential(pilot.folder, 'time-stamping').certificate;
    expect(verify(stamping, 'timestampsign')).toMatch(/OK/);
    expect(() => verify(stamping, 'sslserver')).toThrow();
  });

  test('the name is the decision of the authority, whatever the request says', async () => {
    const csr = signingRequest(pilot.folder);
    const { certificate } = await pilot.authority.issue(authentication(csr, []));
    const text = openssl(
      'x509',
      '-in',
      pilot.file('leaf', certificate),
      '-noout',
      '-subject',
      '-nameopt',
      'utf8,sep_comma_plus',
    );
    expect(text.trim()).toBe('subject=O=Bộ Tư pháp,organizationIdentifier=VN/GOV/MOJ,CN=VN/GOV/MOJ/SS1');
    const parsed = new X509Certificate(certificate);
    expect(parsed.ca).toBe(false);
    expect(parsed.subjectAltName).toBeUndefined();
    expect((await readCertificateRequest(csr)).hosts).toEqual(['impostor.example']);
  });

  test('RSA of 2048 bits is certified', async () => {
    const { certificate } = await pilot.authority.issue(signing(signingRequest(pilot.folder, 'rsa2048')));
    expect(verify(certificate, 'smimesign')).toMatch(/OK/);
  });

  test('serials have 127 bits and never repeat; validity begins at this whole second', async () => {
    const csr = signingRequest(pilot.folder);
    pilot.clockMs = Math.floor(Date.now() / 1000) * 1000 + 789;
    const issued = await Promise.all(Array.from({ length: 8 }, () => pilot.authority.issue(signing(csr))));
    expect(new Set(issued.map(({ serial }) => serial)).size).toBe(8);
    for (const { serial, notBeforeMs, certificate } of issued) {
      const parsed = new X509Certificate(certificate);
      expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
      expect(parsed.serialNumber.toLowerCase()).toBe(serial);
      expect(notBeforeMs).toBe(pilot.clockMs - 789);
      expect(Date.parse(parsed.validFrom)).toBe(notBeforeMs);
    }
  });

  test('a name is NFC, without control characters, and cut to what X.509 allows', async () => {
    const order = { ...signing(signingRequest(pilot.folder)), memberName: `\t"${'e\u0302'.repeat(80)}` };
    const { certificate } = await pilot.authority.issue(order);
    expect(organizationOf(certificate)).toBe(` "${'ê'.repeat(62)}`);
  });
});

describe('keys at rest', () => {
  test('only their owner may read them', () => {
    for (const name of ['root-key.pem', 'issuing.pem', 'ocsp.pem', 'time-stamping.pem'])
      expect(statSync(join(pilot.folder, name)).mode & 0o777).toBe(0o600);
  });

  test('the root key is not needed once the authority exists', async () => {
    const { folder, remove } = temporaryFolder();
    await createCertificationAuthority({ folder, clock: Date.now, organization: 'Onceway' });
    rmSync(join(folder, 'root-key.pem'));
    const authority = openCertificationAuthority({ folder, clock: Date.now, locations: LOCATIONS });
    const renewed = await authority.renewService('ocsp');
    expect(readServiceCredential(folder, 'ocsp').certificate).toEqual(renewed.certificate);
    expect(authority.list().map(({ profile }) => profile)).toEqual(['ocsp', 'time-stamping', 'ocsp']);
    authority.close();
    remove();
  });

  test('refuses to create over an existing authority', async () => {
    await expect(
      createCertificationAuthority({ folder: pilot.folder, clock: Date.now, organization: 'X' }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });

  test('refuses to open what is missing, or a key that is not its certificate’s', async () => {
    const { folder, remove } = temporaryFolder();
    const open = () => openCertificationAuthority({ folder, clock: Date.now, locations: LOCATIONS });
    expect(open).toThrow(expect.objectContaining({ code: 'not_found' }));
    await createCertificationAuthority({ folder, clock: Date.now, organization: 'Onceway' });
    rmSync(join(folder, 'certificates.db'));
    expect(open).toThrow(expect.objectContaining({ code: 'not_found' }));
    const other = readFileSync(join(folder, 'ocsp.pem'), 'utf8').split(/(?=-----BEGIN CERT)/);
    const own = readFileSync(join(folder, 'issuing.pem'), 'utf8').split(/(?=-----BEGIN CERT)/);
    writeFileSync(join(folder, 'issuing.pem'), `${other[0]}${own[1]}`);
    expect(open).toThrow(expect.objectContaining({ code: 'key_invalid' }));
    writeFileSync(join(folder, 'issuing.pem'), 'nothing');
    expect(open).toThrow(expect.objectContaining({ code: 'key_invalid' }));
    remove();
  });
});

describe('refuses a signing request', () => {
  const issue = (csr: string) => pilot.authority.issue(signing(csr));

  test.each(['rsa1024', 'p384', 'k1', 'ed25519'] as const)('for a key of kind %s', async (kind) => {
    await expect(issue(signingRequest(pilot.folder, kind))).rejects.toMatchObject({ code: 'key_invalid' });
  });

  test('for RSA with exponent 3', async () => {
    const key = join(pilot.folder, 'e3.key');
    openssl(
      'genpkey',
      '-algorithm',
      'RSA',
      '-pkeyopt',
      'rsa_keygen_bits:2048',
      '-pkeyopt',
      'rsa_keygen_pubexp:3',
      '-out',
      key,
    );
    await expect(issue(requestFor(key))).rejects.toMatchObject({ code: 'key_invalid' });
  });

  test('without proof of possession', async () => {
    const der = derOf(signingRequest(pilot.folder));
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    await expect(issue(pemOfRequest(der))).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  test('whose key was exchanged after it was signed', async () => {
    const [mine, theirs] = [derOf(signingRequest(pilot.folder)), derOf(signingRequest(pilot.folder))];
    const point = Buffer.from('03420004', 'hex');
    theirs.copy(mine, mine.indexOf(point), theirs.indexOf(point), theirs.indexOf(point) + 68);
    await expect(issue(pemOfRequest(mine))).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  test('altered in any octet, always with a code', async () => {
    const der = derOf(signingRequest(pilot.folder));
    const codes = new Set<unknown>();
    for (const index of der.keys()) {
      const altered = Buffer.from(der);
      altered[index] = (altered[index] ?? 0) ^ 0x20;
      const outcome = readCertificateRequest(pemOfRequest(altered)).then(
        // What is left is laxity in outer lengths and tags: the signed octets are the same.
        ({ publicKey }) => publicKey.asymmetricKeyType,
        (error: unknown) => (error as { code?: unknown }).code,
      );
      codes.add(await outcome);
    }
    codes.delete('ec');
    expect([...codes].sort()).toEqual(['key_invalid', 'request_invalid', 'signature_invalid']);
  });

  test('signed with SHA-1', async () => {
    await expect(issue(signingRequest(pilot.folder, 'rsa2048', ['-sha1']))).rejects.toMatchObject({
      code: 'signature_invalid',
    });
  });

  test.each([
    ['empty', ''],
    ['not PEM', 'a signing request'],
    ['not PKCS#10', pemOfRequest(Buffer.from('3003020101', 'hex'))],
    ['not DER', pemOfRequest(Buffer.from('no DER at all'))],
    ['oversized', pemOfRequest(Buffer.alloc(17 * 1024, 0x30))],
  ])('that is %s', async (_, csr) => {
    await expect(issue(csr)).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('followed by another one', async () => {
    const csr = signingRequest(pilot.folder);
    await expect(issue(csr + csr)).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('for a key with another use, or of another member', async () => {
    const csr = signingRequest(pilot.folder);
    await issue(csr);
    await expect(pilot.authority.issue(authentication(csr))).rejects.toMatchObject({ code: 'key_invalid' });
    await expect(
      pilot.authority.issue({ ...signing(csr), member: 'VN/GOV/MOH' as MemberId }),
    ).rejects.toMatchObject({ code: 'key_invalid' });
    await issue(csr);
  });

  test.each([
    ['*.example.vn'],
    ['http://example.vn'],
    ['a..b'],
    ['[::1]'],
    ['-x.vn'],
    ['x'.repeat(64)],
    [''],
  ])('for the host %j', async (host) => {
    const order = authentication(signingRequest(pilot.folder), [host]);
    await expect(pilot.authority.issue(order)).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('for more names than a certificate may carry', async () => {
    const hosts = Array.from({ length: 9 }, (_, index) => `ss${index}.example.vn`);
    const order = authentication(signingRequest(pilot.folder), hosts);
    await expect(pilot.authority.issue(order)).rejects.toMatchObject({ code: 'request_invalid' });
    const csr = signingRequest(pilot.folder, 'p256', ['-addext', `nsComment=x`]);
    expect((await readCertificateRequest(csr)).hosts).toHaveLength(1);
    const many = requestWithNames(hosts);
    await expect(readCertificateRequest(many)).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('for an identifier that no common name can hold', async () => {
    const member = `VN/GOV/${'x'.repeat(58)}` as MemberId;
    await expect(
      pilot.authority.issue({ ...signing(signingRequest(pilot.folder)), member }),
    ).rejects.toMatchObject({ code: 'identifier_invalid' });
  });
});

describe('the life of a certificate', () => {
  test('it never outlives its authority, and an expired authority issues none', async () => {
    const { folder, remove } = temporaryFolder();
    await createCertificationAuthority({ folder, clock: () => 0, organization: 'Onceway' });
    let nowMs = 0;
    const authority = openCertificationAuthority({ folder, clock: () => nowMs, locations: LOCATIONS });
    const csr = signingRequest(folder);
    const endMs = Date.parse(new X509Certificate(authority.issuing).validTo);
    nowMs = endMs - DAY_MS;
    expect((await authority.issue(signing(csr))).notAfterMs).toBe(endMs);
    nowMs = endMs;
    await expect(authority.issue(signing(csr))).rejects.toMatchObject({ code: 'certificate_invalid' });
    authority.close();
    remove();
  });

  test('revocation is durable, with its second and reason, and never changes', async () => {
    const { serial, digest, status } = await pilot.authority.issue(signing(signingRequest(pilot.folder)));
    expect(status).toEqual({ state: 'good' });
    pilot.clockMs = Math.floor(Date.now() / 1000) * 1000 + 500;
    const revokedAtMs = pilot.clockMs - 500;
    pilot.authority.revoke(serial, 'keyCompromise');
    pilot.clockMs += 5000;
    expect(() => pilot.authority.revoke(serial, 'superseded')).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
    const again = openCertificationAuthority({
      folder: pilot.folder,
      clock: pilot.clock,
      locations: LOCATIONS,
    });
    const revoked = { state: 'revoked', revokedAtMs, reason: 'keyCompromise' };
    expect(again.status(serial)).toEqual(revoked);
    expect(again.find(digest)?.status).toEqual(revoked);
    again.close();
  });

  test('what was never issued is unknown and can not be revoked', () => {
    const serial = '4'.repeat(32);
    expect(pilot.authority.status(serial)).toEqual({ state: 'unknown' });
    expect(() => pilot.authority.revoke(serial, 'unspecified')).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
    expect(() => pilot.authority.revoke(serial, 'boredom' as 'unspecified')).toThrow(TypeError);
  });

  test('certificates are listed by member, oldest first', async () => {
    const member = 'VN/GOV/GSO' as MemberId;
    const csr = signingRequest(pilot.folder);
    const first = await pilot.authority.issue({ ...signing(csr), member });
    const second = await pilot.authority.issue({ ...signing(csr), member });
    expect(pilot.authority.list(member)).toEqual([first, second]);
    expect(pilot.authority.find(second.digest)).toEqual(second);
    expect(pilot.authority.list().length).toBeGreaterThan(2);
  });
});

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}

function pemOfRequest(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function requestWithNames(hosts: string[]): string {
  const key = join(pilot.folder, 'many.key');
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key);
  const names = hosts.map((host) => `DNS:${host}`).join(',');
  return openssl('req', '-new', '-key', key, '-subj', '/CN=x', '-addext', `subjectAltName=${names}`);
}
