import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import * as asn1js from 'asn1js';
import fc from 'fast-check';
import * as pkijs from 'pkijs';
import { timeStampRequest, verifyTimeStamp, type TimeStampOptions } from '../../src/verify/time-stamp.js';
import { OpensslFolder, PROFILE, type Issued } from './openssl.js';

const folder = new OpensslFolder();
afterAll(() => {
  folder.remove();
});

const POLICY = '1.3.6.1.4.1.99999.1';
const root = folder.issue('root', PROFILE.ca);
const issuing = folder.issue('issuing', PROFILE.ca, root);
const stranger = folder.issue('stranger', PROFILE.ca);
const tsa = folder.issue('tsa', PROFILE.timeStamping, issuing);
const rsaTsa = folder.issue('tsa-rsa', PROFILE.timeStamping, issuing, { key: 'RSA-2048' });
const otherTsa = folder.issue('tsa-other', PROFILE.timeStamping, issuing);
const strangeTsa = folder.issue('tsa-strange', PROFILE.timeStamping, stranger);
const member = folder.issue('member', PROFILE.signing, issuing);
const notCritical = folder.issue('not-critical', 'extendedKeyUsage=timeStamping', issuing);

const data = Buffer.from('checkpoint\n');
const nonce = randomBytes(16);
nonce[0] = 0xff; // would read as a negative number, were it not made positive

/** openssl as authority. */
function reply(request: Uint8Array, signer: Issued = tsa, settings = 'ess_cert_id_alg=sha256'): Buffer {
  folder.write('request.tsq', request);
  folder.write('serial', '0A0B\n'); // openssl counts up, then stamps
  const lines = ['serial=serial', `signer_cert=${signer.certificate}`, `signer_key=${signer.key}`];
  const rest = ['signer_digest=sha256', `default_policy=${POLICY}`, 'digests=sha1,sha256,sha512'];
  folder.write('ts.cnf', ['[tsa]', 'default_tsa=t', '[t]', ...lines, ...rest, settings].join('\n'));
  folder.run(
    'ts',
    '-reply',
    '-config',
    'ts.cnf',
    '-section',
    't',
    '-queryfile',
    'request.tsq',
    '-out',
    'reply.tsr',
  );
  return folder.read('reply.tsr');
}

interface Forged {
  signer?: Issued;
  named?: Issued;
  genTime?: Date;
  /** Changes what is signed, or the attributes over it. */
  info?: (info: pkijs.TSTInfo) => void;
  attributes?: (attributes: pkijs.Attribute[]) => pkijs.Attribute[];
  contentType?: string;
}

/** What openssl refuses to make. With no options the token is good. */
async function forge(options: Forged = {}): Promise<Buffer> {
  const { signer = tsa, named = signer, genTime = new Date(Date.now() + 1000), contentType } = options;
  const octets = (value: Uint8Array) => new asn1js.OctetString({ valueHex: Uint8Array.from(value).buffer });
  const sha256 = (value: Uint8Array): Buffer => createHash('sha256').update(value).digest();
  const hashAlgorithm = new pkijs.AlgorithmIdentifier({ algorithmId: '2.16.840.1.101.3.4.2.1' });
  const messageImprint = new pkijs.MessageImprint({ hashAlgorithm, hashedMessage: octets(sha256(data)) });
  const serialNumber = new asn1js.Integer({ value: 7 });
  const info = new pkijs.TSTInfo({ version: 1, policy: POLICY, messageImprint, serialNumber, genTime });
  options.info?.(info);
  const content = Buffer.from(info.toSchema().toBER());
  const certificate = pkijs.Certificate.fromBER(Uint8Array.from(signer.der).buffer);
  const { issuer, serialNumber: number } = certificate;
  const sequence = (value: asn1js.AsnType) => new asn1js.Sequence({ value: [value] });
  const type = contentType ?? '1.2.840.113549.1.9.16.1.4';
  const attributes = [
    new pkijs.Attribute({
      type: '1.2.840.113549.1.9.3',
      values: [new asn1js.ObjectIdentifier({ value: type })],
    }),
    new pkijs.Attribute({ type: '1.2.840.113549.1.9.4', values: [octets(sha256(content))] }),
    new pkijs.Attribute({
      type: '1.2.840.113549.1.9.16.2.47',
      values: [sequence(sequence(sequence(octets(sha256(named.der)))))],
    }),
  ];
  const signedAttrs = new pkijs.SignedAndUnsignedAttributes({
    type: 0,
    attributes: options.attributes?.(attributes) ?? attributes,
  });
  const sid = new pkijs.IssuerAndSerialNumber({ issuer, serialNumber: number });
  const signed = new pkijs.SignedData({
    version: 3,
    encapContentInfo: new pkijs.EncapsulatedContentInfo({ eContentType: type, eContent: octets(content) }),
    certificates: [certificate],
    signerInfos: [new pkijs.SignerInfo({ version: 1, sid, signedAttrs })],
  });
  const pkcs8 = createPrivateKey(folder.read(`${signer.name}.key`)).export({ type: 'pkcs8', format: 'der' });
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']);
  await signed.sign(key, 0, 'SHA-256');
  const contentInfo = { contentType: pkijs.ContentInfo.SIGNED_DATA, content: signed.toSchema(true) };
  return Buffer.from(new pkijs.ContentInfo(contentInfo).toSchema().toBER());
}

const by = (authority: Issued, options: Partial<TimeStampOptions> = {}): TimeStampOptions => ({
  data,
  authority: authority.der,
  authorities: [root.der, issuing.der],
  ...options,
});
const invalid = { code: 'time_stamp_invalid' };
const request = await timeStampRequest(data, nonce);
const response = reply(request);

describe('requests', () => {
  test('are read by openssl', () => {
    folder.write('shown.tsq', request);
    const shown = folder.run('ts', '-query', '-in', 'shown.tsq', '-text');
    expect(shown).toContain('Hash Algorithm: sha256');
    expect(shown).toContain('Certificate required: yes');
    expect(shown.toLowerCase()).toContain(`nonce: 0x${nonce.toString('hex')}`);
  });
});

describe('a time-stamp of openssl', () => {
  test('is taken as response and as token, which openssl verifies', async () => {
    const options = by(tsa, { nonce, policies: [POLICY] });
    const verified = await verifyTimeStamp(response, options);
    expect(verified).toMatchObject({ serial: '0a0c', policy: POLICY });
    expect(Math.abs(verified.genTimeMs - Date.now())).toBeLessThan(60_000);
    expect(await verifyTimeStamp(verified.token, options)).toEqual(verified);
    folder.write('token.der', verified.token);
    folder.write('data', data);
    const trust = ['-CAfile', root.certificate, '-untrusted', issuing.certificate];
    expect(folder.run('ts', '-verify', '-in', 'token.der', '-token_in', '-data', 'data', ...trust)).toContain(
      'OK',
    );
  });
  test('is taken of an RSA key, and with digests and ESSCertIDv2 by SHA-512', async () => {
    await expect(verifyTimeStamp(reply(request, rsaTsa), by(rsaTsa, { nonce }))).resolves.toBeDefined();
    folder.write('data', data);
    folder.run('ts', '-query', '-data', 'data', '-sha512', '-out', 'sha512.tsq');
    const der = reply(folder.read('sha512.tsq'), tsa, 'ess_cert_id_alg=sha512');
    await expect(verifyTimeStamp(der, by(tsa))).resolves.toBeDefined();
  });
  test('is taken without the certificate of the authority in it', async () => {
    folder.write('data', data);
    folder.run('ts', '-query', '-data', 'data', '-sha256', '-out', 'bare.tsq');
    const der = reply(folder.read('bare.tsq'));
    expect(der.includes(tsa.der)).toBe(false);
    await expect(verifyTimeStamp(der, by(tsa))).resolves.toBeDefined();
  });
});

test('the forger makes good tokens where nothing is forged, so that each refusal below has one reason', async () => {
  const genTime = new Date(Date.now() + 1000);
  const verified = await verifyTimeStamp(await forge({ genTime }), by(tsa));
  expect(verified).toMatchObject({ serial: '07', genTimeMs: genTime.getTime() });
});

describe('refuses a time-stamp', () => {
  test.each<[string, TimeStampOptions]>([
    ['over other data', by(tsa, { data: Buffer.from('checkpoint') })],
    ['with another nonce', by(tsa, { nonce: randomBytes(16) })],
    ['under a policy that is not accepted', by(tsa, { policies: ['1.2.3'] })],
    ['of another authority than the approved one', by(otherTsa)],
    ['whose authority is below no approved root', by(tsa, { authorities: [stranger.der] })],
    ['against garbage for an authority', by(tsa, { authority: Buffer.from('garbage') })],
  ])('%s', async (_, options) => {
    await expect(verifyTimeStamp(response, options)).rejects.toMatchObject(invalid);
  });

  test.each<[string, Forged, Issued?]>([
    ['of a certificate that is not for time-stamping', { signer: member }, member],
    ['of a certificate whose purpose is not critical', { signer: notCritical }, notCritical],
    ['of an authority that is not approved', { signer: strangeTsa }, strangeTsa],
    ['signed by another key under the name of the authority', { signer: otherTsa, named: tsa }],
    ['signed by the authority under the name of another', { named: otherTsa }],
    ['dated before its certificate', { genTime: new Date(Date.now() - 86_400_000) }],
    ['dated after its certificate', { genTime: new Date(Date.now() + 31 * 86_400_000) }],
    ['whose content is no time-stamp', { contentType: '1.2.840.113549.1.7.1' }],
    ['without the type of content signed', { attributes: (all) => all.slice(1) }],
    ['without the digest signed', { attributes: (all) => all.toSpliced(1, 1) }],
    ['without the certificate signed', { attributes: (all) => all.slice(0, 2) }],
    ['with an attribute twice', { attributes: (all) => [...all, all[1] as pkijs.Attribute] }],
    [
      'with the digest of other content',
      {
        attributes: (all) =>
          all.with(
            1,
            new pkijs.Attribute({
              type: '1.2.840.113549.1.9.4',
              values: [new asn1js.OctetString({ valueHex: new ArrayBuffer(32) })],
            }),
          ),
      },
    ],
    ['of version 2', { info: (info) => (info.version = 2) }],
    [
      'with a critical extension',
      {
        info: (info) =>
          (info.extensions = [
            new pkijs.Extension({ extnID: '1.2.3', critical: true, extnValue: new ArrayBuffer(2) }),
          ]),
      },
    ],
    [
      'with an imprint that is a prefix',
      {
        info: (info) =>
          (info.messageImprint.hashedMessage = new asn1js.OctetString({
            valueHex: Uint8Array.from(createHash('sha256').update(data).digest().subarray(0, 16)).buffer,
          })),
      },
    ],
  ])('%s', async (_, forged, authority = tsa) => {
    await expect(verifyTimeStamp(await forge(forged), by(authority))).rejects.toMatchObject(invalid);
  });

  test('without the nonce that was sent', async () => {
    await expect(verifyTimeStamp(await forge(), by(tsa, { nonce }))).rejects.toMatchObject(invalid);
  });
  test('by SHA-1, in imprint or certificate', async () => {
    folder.write('data', data);
    folder.run('ts', '-query', '-data', 'data', '-sha1', '-cert', '-out', 'sha1.tsq');
    await expect(verifyTimeStamp(reply(folder.read('sha1.tsq')), by(tsa))).rejects.toMatchObject(invalid);
    const ess = reply(request, tsa, 'ess_cert_id_alg=sha1');
    await expect(verifyTimeStamp(ess, by(tsa))).rejects.toMatchObject(invalid);
  });
  test('that was not granted', async () => {
    folder.write('data', data);
    folder.run('ts', '-query', '-data', 'data', '-sha384', '-cert', '-out', 'sha384.tsq');
    const rejected = reply(folder.read('sha384.tsq'));
    await expect(verifyTimeStamp(rejected, by(tsa))).rejects.toMatchObject(invalid);
    const { token } = await verifyTimeStamp(response, by(tsa));
    const waiting = new asn1js.Sequence({
      value: [
        new pkijs.PKIStatusInfo({ status: pkijs.PKIStatus.waiting }).toSchema(),
        asn1js.fromBER(Uint8Array.from(token).buffer).result,
      ],
    });
    await expect(verifyTimeStamp(Buffer.from(waiting.toBER()), by(tsa))).rejects.toMatchObject(invalid);
  });
  test('that is signed but no time-stamp, or no signed data at all', async () => {
    folder.write('data', data);
    const signer = ['-signer', tsa.certificate, '-inkey', tsa.key];
    folder.run(
      'cms',
      '-sign',
      '-binary',
      '-nodetach',
      '-in',
      'data',
      ...signer,
      '-outform',
      'DER',
      '-out',
      'signed.der',
    );
    for (const bad of [folder.read('signed.der'), new X509Certificate(tsa.der).raw])
      await expect(verifyTimeStamp(bad, by(tsa))).rejects.toMatchObject(invalid);
  });
  test.each<[string, Uint8Array]>([
    ['with an octet after it', Buffer.concat([response, Buffer.of(0)])],
    ['cut short', response.subarray(0, -1)],
    ['cut in half', response.subarray(0, response.length / 2)],
    ['of nothing', Buffer.of()],
    ['of garbage', Buffer.from('garbage')],
    ['of 100 KB of garbage', Buffer.alloc(100_000, 'g')],
    ['of 32 KiB of open brackets', Buffer.alloc(32 * 1024, Buffer.of(0x30, 0x80))],
    ['of an empty sequence', Buffer.of(0x30, 0)],
  ])('%s', async (_, bad) => {
    await expect(verifyTimeStamp(bad, by(tsa))).rejects.toMatchObject(invalid);
  });
  test('with any changed octet that would change what it says', async () => {
    const { token, ...said } = await verifyTimeStamp(response, by(tsa, { nonce }));
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: token.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, mask) => {
          const changed = Buffer.from(token);
          changed[at] = (changed[at] as number) ^ mask;
          // The certificate that lies in the token is signed by nobody here: the approved one counts.
          const outcome = await verifyTimeStamp(changed, by(tsa, { nonce })).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toMatchObject(invalid);
          else expect(outcome).toMatchObject(said);
        },
      ),
      { numRuns: 150 },
    );
  });
});
