// Keys that come from elsewhere, made by openssl: PEM in all its forms, PKCS#12 modern and legacy.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { importPem, parseCertificates } from '../../src/keys/import-pem.js';
import { importPkcs12, PKCS12_BYTES_MAX } from '../../src/keys/import-pkcs12.js';
import { folder, selfSigned, type Folder } from './openssl.js';

let dir: Folder;
const text = (name: string): string => readFileSync(dir.file(name), 'utf8');

beforeAll(() => {
  dir = folder();
  for (const key of ['ec', 'rsa', 'p384', 'rsa1024'] as const) selfSigned(dir, key, key);
});
afterAll(() => dir.remove());

describe('PEM', () => {
  test.each(['ec', 'rsa'])('takes PKCS#8 in clear: %s', async (name) => {
    const { key, certificate, chain } = await importPem(text(`${name}.pem`) + text(`${name}.key`));
    expect(key.asymmetricKeyType).toBe(name);
    expect(certificate.subject).toContain(`CN=${name}`);
    expect(chain).toHaveLength(0);
  });

  test('takes PKCS#1 and SEC1', async () => {
    dir.openssl('rsa', '-in', 'rsa.key', '-traditional', '-out', 'pkcs1.key');
    dir.openssl('ec', '-in', 'ec.key', '-out', 'sec1.key');
    expect(text('pkcs1.key')).toContain('BEGIN RSA PRIVATE KEY');
    expect(text('sec1.key')).toContain('BEGIN EC PRIVATE KEY');
    await expect(importPem(text('pkcs1.key') + text('rsa.pem'))).resolves.toHaveProperty('key');
    await expect(importPem(text('sec1.key') + text('ec.pem'))).resolves.toHaveProperty('key');
  });

  test('finds the certificate of the key among others', async () => {
    const { certificate, chain } = await importPem(text('rsa.pem') + text('ec.pem') + text('ec.key'));
    expect(certificate.subject).toContain('CN=ec');
    expect(chain.map((each) => each.subject)).toEqual([expect.stringContaining('CN=rsa')]);
  });

  describe.each([
    ['PKCS#8 under AES', ['pkcs8', '-topk8', '-v2', 'aes256']],
    ['PKCS#8 under 3DES', ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-3DES']],
    [
      'PKCS#8 under RC2',
      ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-RC2-40', '-provider', 'legacy', '-provider', 'default'],
    ],
    ['SEC1 under AES', ['ec', '-aes128']],
  ])('%s', (_name, args) => {
    beforeAll(() => {
      dir.openssl(...args, '-in', 'ec.key', '-passout', 'pass:secret', '-out', 'sealed.key');
    });
    test('opens with its passphrase', async () => {
      await expect(importPem(text('sealed.key') + text('ec.pem'), 'secret')).resolves.toHaveProperty('key');
    });
    test('refuses a wrong passphrase, and none', async () => {
      const pem = text('sealed.key') + text('ec.pem');
      await expect(importPem(pem, 'other')).rejects.toMatchObject({ code: 'pin_incorrect' });
      await expect(importPem(pem)).rejects.toMatchObject({ code: 'pin_incorrect' });
    });
  });

  test('refuses P-384, short RSA, another key, no key, two keys, no certificate, garbage, too much', async () => {
    const wrong = [
      text('p384.key') + text('p384.pem'),
      text('rsa1024.key') + text('rsa1024.pem'),
      text('ec.key') + text('rsa.pem'),
      text('ec.pem'),
      text('ec.key') + text('rsa.key') + text('ec.pem'),
      text('ec.key'),
      text('ec.key').replace('MIG', 'AAA') + text('ec.pem'),
      text('ec.key') + text('ec.pem').replace('MII', 'AAA'),
      text('ec.key') + text('ec.pem').repeat(9),
      text('ec.key') + text('ec.pem') + ' '.repeat(200_000),
      '',
    ];
    for (const pem of wrong) await expect(importPem(pem)).rejects.toMatchObject({ code: 'key_invalid' });
    expect(() => parseCertificates('')).toThrow(expect.objectContaining({ code: 'key_invalid' }));
  });
});

describe('PKCS#12', () => {
  const make = (name: string, ...more: readonly string[]): Buffer => {
    dir.openssl(
      ...['pkcs12', '-export', ...more, '-inkey', `${name}.key`, '-in', `${name}.pem`],
      ...['-passout', 'pass:mật khẩu', '-out', 'file.p12'],
    );
    return readFileSync(dir.file('file.p12'));
  };

  describe.each([
    ['RSA, modern', 'rsa', []],
    ['RSA, legacy', 'rsa', ['-legacy']],
    ['EC, modern', 'ec', []],
    ['EC, legacy', 'ec', ['-legacy']],
  ])('%s', (_name, key, more) => {
    test('opens with its password, and refuses another', async () => {
      const file = make(key, ...more);
      const opened = await importPkcs12(file, 'mật khẩu');
      expect(opened.key.asymmetricKeyType).toBe(key);
      expect(opened.certificate.checkPrivateKey(opened.key)).toBe(true);
      await expect(importPkcs12(file, 'other')).rejects.toMatchObject({ code: 'pin_incorrect' });
    });
    test('refuses any octet changed', async () => {
      const file = make(key, ...more);
      for (let at = 0; at < file.length; at += 97) {
        const altered = Buffer.from(file);
        altered.writeUInt8(altered.readUInt8(at) ^ 1, at);
        await importPkcs12(altered, 'mật khẩu').then(
          // The friendly name of a bag and the like lie under the MAC too: nothing may pass.
          () => expect(at).toBe('refused'),
          (error: unknown) =>
            expect(error).toMatchObject({ code: expect.stringMatching(/^(key_invalid|pin_incorrect)$/) }),
        );
      }
    });
  });

  test('keeps the chain', async () => {
    const { chain } = await importPkcs12(make('ec', '-certfile', 'rsa.pem'), 'mật khẩu');
    expect(chain.map((each) => each.subject)).toEqual([expect.stringContaining('CN=rsa')]);
  });

  test('refuses a file without MAC, without key, of a weak key, with too many rounds, too large, or none at all', async () => {
    const wrong = [
      make('ec', '-nomac'),
      make('ec', '-nokeys'),
      make('rsa1024'),
      make('ec', '-iter', '600000', '-maciter'),
      Buffer.alloc(PKCS12_BYTES_MAX + 1),
      Buffer.from('not a file'),
      Buffer.alloc(0),
    ];
    for (const file of wrong)
      await expect(importPkcs12(file, 'mật khẩu')).rejects.toMatchObject({ code: 'key_invalid' });
  });
});
