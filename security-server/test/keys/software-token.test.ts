// The software token: what it keeps, what it refuses, and what a crash or a stranger's hand leaves of it.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPublicKey, generateKeyPairSync, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { parseMemberId } from '@onceway/sdk/protocol';
import { importPem } from '../../src/keys/import-pem.js';
import type { KeyInfo } from '../../src/keys/key-info.js';
import { SoftwareToken } from '../../src/keys/software-token.js';
import { folder, selfSigned, type Folder } from './openssl.js';

const PIN = 'mã-pin-2718';
const health = parseMemberId('VN/GOV/10006');
const justice = parseMemberId('VN/GOV/10007');
let dir: Folder;
let file: string;
let token: SoftwareToken;

beforeEach(() => {
  dir = folder();
  file = dir.file('token.json');
  token = SoftwareToken.create(file, PIN);
});
afterEach(() => dir.remove());

const reopen = (): SoftwareToken => SoftwareToken.open(file, PIN);

/** A certificate for a key of the token, signed by a throw-away authority of openssl. */
async function certify(info: KeyInfo, days = 30): Promise<Buffer> {
  writeFileSync(dir.file('a.csr'), await token.certificateRequest(info.id, { subject: { CN: 'a' } }));
  try {
    statSync(dir.file('ca.pem'));
  } catch {
    selfSigned(dir, 'ca', 'ec');
  }
  dir.openssl(
    'x509',
    '-req',
    '-in',
    'a.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-days',
    `${days}`,
    '-out',
    'a.pem',
  );
  return new X509Certificate(readFileSync(dir.file('a.pem'))).raw;
}

const verifies = (key: KeyObject, signature: Uint8Array, options: object = {}): boolean =>
  verify('sha256', Buffer.from('message'), { key, ...options }, signature);

describe('signing keys', () => {
  test('sign under the certificate, also after the token was opened again', async () => {
    token.addCertificate(await certify(token.generateKey({ usage: 'signing', member: health })));
    for (const each of [token, reopen()]) {
      const signing = each.signingKey(health);
      expect(signing).toMatchObject({ alg: 'ES256', member: health });
      const signature = (await signing.sign(Buffer.from('message'))) as Buffer;
      expect(signature).toHaveLength(64);
      expect(verifies(signing.certificate.publicKey, signature, { dsaEncoding: 'ieee-p1363' })).toBe(true);
    }
  });

  test('may be RSA', async () => {
    token.addCertificate(
      await certify(token.generateKey({ usage: 'signing', member: health, alg: 'RS256' })),
    );
    const signing = token.signingKey(health);
    expect(verifies(signing.certificate.publicKey, await signing.sign(Buffer.from('message')))).toBe(true);
  });

  test('are not there for a member without one, nor while no certificate is active', async () => {
    const info = token.generateKey({ usage: 'signing', member: health });
    const unavailable = expect.objectContaining({ code: 'signing_key_unavailable' });
    expect(() => token.signingKey(health)).toThrow(unavailable);
    const added = token.addCertificate(await certify(info));
    token.signingKey(health);
    expect(() => token.signingKey(justice)).toThrow(unavailable);
    expect(() => token.authentication()).toThrow(unavailable);
    token.setActive(added.certificates[0]!.digest, false);
    expect(() => token.signingKey(health)).toThrow(unavailable);
    expect(() => reopen().signingKey(health)).toThrow(unavailable);
  });

  test('renewed: the second certificate waits until it is made active, then the newest signs', async () => {
    const first = token.addCertificate(
      await certify(token.generateKey({ usage: 'signing', member: health })),
    );
    const before = token.signingKey(health).certificateDigest;
    expect(before).toBe(first.certificates[0]!.digest);
    const second = token.addCertificate(
      await certify(token.generateKey({ usage: 'signing', member: health })),
    );
    expect(second.certificates[0]!.active).toBe(false);
    expect(token.signingKey(health).certificateDigest).toBe(before);
    token.setActive(second.certificates[0]!.digest, true);
    expect(token.signingKey(health).certificateDigest).toBe(second.certificates[0]!.digest);
  });

  test('refuse an algorithm that authorities do not certify', () => {
    expect(() => token.generateKey({ usage: 'signing', member: health, alg: 'EdDSA' })).toThrow(
      expect.objectContaining({ code: 'key_invalid' }),
    );
  });
});

describe('certificates', () => {
  test('are matched by their key; added twice they stay one', async () => {
    const der = await certify(token.generateKey({ usage: 'authentication' }));
    token.addCertificate(der);
    expect(token.addCertificate(der).certificates).toHaveLength(1);
    expect(token.authentication().certificate.raw).toEqual(der);
  });

  test('of another key, or no certificate at all, are refused', () => {
    selfSigned(dir, 'other', 'ec');
    const invalid = expect.objectContaining({ code: 'key_invalid' });
    const other = new X509Certificate(readFileSync(dir.file('other.pem')));
    expect(() => token.addCertificate(other.raw)).toThrow(invalid);
    expect(() => token.addCertificate(Buffer.from('none'))).toThrow(invalid);
    expect(() => token.setActive('AAAA' as never, true)).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
  });
});

describe('certificate requests', () => {
  test.each(['ES256', 'RS256', 'PS256'] as const)('of %s keys are verified by openssl', async (alg) => {
    const { id } = token.generateKey({ usage: 'authentication', alg });
    const pem = await token.certificateRequest(id, {
      subject: { CN: 'ss1', O: 'VN/GOV/10,006', C: 'VN', '2.5.4.97': 'NTRVN-10006' },
      dns: ['ss1.health.test', '127.0.0.1'],
    });
    writeFileSync(dir.file('ss1.csr'), pem);
    const shown = dir.openssl('req', '-in', 'ss1.csr', '-noout', '-verify', '-text');
    expect(shown).toContain('VN/GOV/10,006');
    expect(shown).toContain('DNS:ss1.health.test, IP Address:127.0.0.1');
    if (alg === 'ES256') {
      writeFileSync(dir.file('altered.csr'), pem.replace(/A(?=[^A]*$)/, 'B'));
      expect(() => dir.openssl('req', '-in', 'altered.csr', '-noout', '-verify')).toThrow();
    }
  });

  test('are refused for log keys, unknown keys and malformed names', async () => {
    const log = token.generateKey({ usage: 'log', name: 'server' });
    const { id } = token.generateKey({ usage: 'authentication' });
    const names = { subject: { CN: 'a' } };
    await expect(token.certificateRequest(log.id, names)).rejects.toMatchObject({ code: 'key_invalid' });
    await expect(token.certificateRequest('none', names)).rejects.toMatchObject({ code: 'not_found' });
    const wrong = [
      { subject: {} },
      { subject: { CN: ' ' } },
      { subject: { 'no type': 'a' } },
      { subject: { C: 'Viet Nam' } },
      { subject: { CN: 'a' }, dns: ['sở-y-tế.vn'] },
    ];
    for (const each of wrong)
      await expect(token.certificateRequest(id, each)).rejects.toMatchObject({ code: 'request_invalid' });
  });
});

describe('imported keys', () => {
  test('sign; the same key twice is one key', async () => {
    selfSigned(dir, 'in', 'ec');
    const { key, certificate } = await importPem(
      readFileSync(dir.file('in.key'), 'utf8') + readFileSync(dir.file('in.pem'), 'utf8'),
    );
    const info = token.importKey(key, { usage: 'signing', member: health }, certificate);
    expect(token.importKey(key, { usage: 'signing', member: health }, certificate)).toEqual(info);
    expect(reopen().signingKey(health).certificate.raw).toEqual(certificate.raw);
    // One key in two roles would let a TLS peer obtain signatures of the member.
    expect(() => token.importKey(key, { usage: 'authentication' })).toThrow(
      expect.objectContaining({ code: 'key_invalid' }),
    );
  });

  test('that are weak, of another curve, or not of their certificate are refused', () => {
    selfSigned(dir, 'in', 'ec');
    const certificate = new X509Certificate(readFileSync(dir.file('in.pem')));
    for (const key of [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
      generateKeyPairSync('ed25519').privateKey,
    ])
      expect(() => token.importKey(key, { usage: 'signing', member: health })).toThrow(
        expect.objectContaining({ code: 'key_invalid' }),
      );
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => token.importKey(privateKey, { usage: 'signing', member: health }, certificate)).toThrow(
      expect.objectContaining({ code: 'key_invalid' }),
    );
  });
});

describe('log, pseudonym and content keys', () => {
  test('a log has one key, by name', () => {
    token.generateKey({ usage: 'log', name: 'server' });
    const key = token.logKey('server');
    expect(key.asymmetricKeyType).toBe('ed25519');
    const spki = (each: KeyObject): unknown => createPublicKey(each).export({ format: 'jwk' });
    expect(spki(reopen().logKey('server'))).toEqual(spki(key));
    expect(() => token.logKey('lane-0')).toThrow(
      expect.objectContaining({ code: 'signing_key_unavailable' }),
    );
    expect(() => token.generateKey({ usage: 'log', name: 'server' })).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  test('pseudonym keys are durable when they are returned, and of one member and quarter', () => {
    const key = token.pseudonymKey(health, '2025-Q3');
    expect(key).toHaveLength(32);
    expect(token.pseudonymKey(health, '2025-Q3')).toBe(key);
    expect(reopen().pseudonymKey(health, '2025-Q3')).toEqual(key);
    expect(token.pseudonymKey(justice, '2025-Q3')).not.toEqual(key);
    expect(token.pseudonymKey(health, '2025-Q4')).not.toEqual(key);
    expect(() => token.pseudonymKey(health, '2025')).toThrow(TypeError);
  });

  test('content keys wrap and unwrap, also after a restart; what was not wrapped here is refused', () => {
    const raw = Buffer.alloc(32, 7);
    const wrapped = token.wrapContentKey(raw);
    expect(wrapped).toHaveLength(40);
    expect(reopen().unwrapContentKey(wrapped)).toEqual(raw);
    const altered = Buffer.from(wrapped);
    altered.writeUInt8(altered.readUInt8(3) ^ 1, 3);
    const other = SoftwareToken.create(dir.file('other.json'), PIN).wrapContentKey(raw);
    for (const wrong of [altered, other, wrapped.subarray(8), Buffer.alloc(0), Buffer.alloc(40)])
      expect(() => token.unwrapContentKey(wrong)).toThrow(expect.objectContaining({ code: 'key_invalid' }));
    expect(() => token.wrapContentKey(Buffer.alloc(16))).toThrow(TypeError);
  });
});

describe('the file', () => {
  test('is readable by its owner only, and holds no secret in clear', async () => {
    token.addCertificate(await certify(token.generateKey({ usage: 'signing', member: health })));
    const pseudonym = token.pseudonymKey(health, '2025-Q3');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain(pseudonym.toString('base64'));
    expect(text).not.toContain(PIN);
    expect(token.keys().every((key) => !('sealed' in key))).toBe(true);
  });

  test('opens with its PIN only, in any Unicode form of it', () => {
    expect(() => SoftwareToken.open(file, 'another-pin')).toThrow(
      expect.objectContaining({ code: 'pin_incorrect' }),
    );
    SoftwareToken.open(file, PIN.normalize('NFD'));
  });

  test('is never made over another, never without a PIN worth the name, and must be there to be opened', () => {
    expect(() => SoftwareToken.create(file, PIN)).toThrow(expect.objectContaining({ code: 'conflict' }));
    expect(() => SoftwareToken.create(dir.file('b.json'), '1234567')).toThrow(
      expect.objectContaining({ code: 'request_invalid' }),
    );
    expect(() => SoftwareToken.open(dir.file('b.json'), PIN)).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
  });

  test('changed by another process is not written over', () => {
    reopen().generateKey({ usage: 'authentication' });
    expect(() => token.generateKey({ usage: 'authentication' })).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
    expect(
      reopen()
        .keys()
        .filter((key) => key.usage === 'authentication'),
    ).toHaveLength(1);
  });

  test('a write that never reached its rename leaves the keys as they were', () => {
    writeFileSync(`${file}.new`, 'torn');
    reopen().generateKey({ usage: 'log', name: 'server' });
    reopen().logKey('server');
  });

  test('with any octet changed, cut or added is refused', () => {
    token.generateKey({ usage: 'log', name: 'server' });
    const octets = readFileSync(file);
    const refused = (altered: Buffer): void => {
      writeFileSync(file, altered);
      expect(() => reopen()).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(pin_incorrect|key_invalid)$/) }),
      );
    };
    // Every octet before the keys (cheap refusals and one derivation each), then a sample.
    const keysAt = octets.indexOf('"keys"');
    for (let at = 0; at < octets.length; at += at < keysAt ? 5 : 23) {
      const altered = Buffer.from(octets);
      altered.writeUInt8(altered.readUInt8(at) ^ (1 << (at % 8)), at);
      refused(altered);
    }
    for (const altered of [
      octets.subarray(0, -1),
      Buffer.concat([octets, Buffer.from('\n')]),
      Buffer.alloc(0),
    ])
      refused(altered);
  }, 60_000);

  test('whose keys were exchanged for those of another token with the same PIN is refused', () => {
    const other = SoftwareToken.create(dir.file('other.json'), PIN);
    other.generateKey({ usage: 'log', name: 'server' });
    const mine = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const theirs = JSON.parse(readFileSync(dir.file('other.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...mine, keys: theirs['keys'] }));
    expect(() => reopen()).toThrow(expect.objectContaining({ code: 'key_invalid' }));
  });
});
