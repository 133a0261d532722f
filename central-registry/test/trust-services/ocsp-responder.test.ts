import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { OctetString } from 'asn1js';
import { BasicOCSPResponse, Certificate, Extension, OCSPRequest, OCSPResponse } from 'pkijs';
import { readServiceCredential } from '../../src/trust-services/certification-authority.js';
import type { IssuedCertificate } from '../../src/trust-services/issued-certificates.js';
import { createOcspListener } from '../../src/trust-services/ocsp-responder.js';
import { readBody } from '../../src/trust-services/request-body.js';
import { createPilot, MEMBER, openssl, opensslLater, signingRequest, type Pilot } from './pilot.js';

let pilot: Pilot, url: string, certificate: IssuedCertificate, file: string;
beforeAll(async () => {
  pilot = await createPilot();
  certificate = await issue(pilot);
  file = pilot.file('leaf', certificate.certificate);
  url = await pilot.serve(
    await createOcspListener({
      issuer: pilot.authority.issuing,
      responder: readServiceCredential(pilot.folder, 'ocsp'),
      statusOf: (serial) => pilot.authority.status(serial),
      clock: pilot.clock,
      validityMs: 3600_000,
      report: pilot.report,
    }),
  );
});
afterAll(() => pilot.end());

function issue({ authority, folder }: Pilot): Promise<IssuedCertificate> {
  return authority.issue({
    profile: 'signing',
    csr: signingRequest(folder),
    member: MEMBER,
    memberName: 'Bộ Tư pháp',
  });
}

const ask = (...args: string[]): Promise<string> =>
  opensslLater('ocsp', '-issuer', pilot.issuing, '-CAfile', pilot.root, '-url', url, ...args);

async function post(body: Uint8Array, contentType = 'application/ocsp-request'): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': contentType }, body });
}

async function statusOf(answer: Response): Promise<number> {
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/ocsp-response');
  const { responseStatus } = OCSPResponse.fromBER(await answer.arrayBuffer());
  return responseStatus.valueBlock.valueDec;
}
const MALFORMED = 1;
const INTERNAL_ERROR = 2;
const UNAUTHORIZED = 6;

interface Wanted {
  nonce?: Uint8Array;
  extension?: Extension;
  times?: number;
  hashAlgorithm?: string;
  of?: Uint8Array;
  issuer?: Uint8Array;
}
async function encodeRequest(wanted: Wanted = {}): Promise<Buffer> {
  const { nonce, extension, times = 1, hashAlgorithm = 'SHA-256' } = wanted;
  const request = new OCSPRequest();
  await request.createForCertificate(Certificate.fromBER(wanted.of ?? certificate.certificate), {
    hashAlgorithm,
    issuerCertificate: Certificate.fromBER(wanted.issuer ?? pilot.authority.issuing),
  });
  const [one] = request.tbsRequest.requestList;
  request.tbsRequest.requestList = Array.from({ length: times }, () => one as NonNullable<typeof one>);
  const extensions = extension === undefined ? [] : [extension];
  if (nonce !== undefined)
    extensions.push(
      new Extension({
        extnID: '1.3.6.1.5.5.7.48.1.2',
        extnValue: new OctetString({ valueHex: nonce }).toBER(),
      }),
    );
  if (extensions.length > 0) request.tbsRequest.requestExtensions = extensions;
  return Buffer.from(request.toSchema(true).toBER());
}

async function basicOf(answer: Response): Promise<BasicOCSPResponse> {
  const { responseBytes } = OCSPResponse.fromBER(await answer.arrayBuffer());
  return BasicOCSPResponse.fromBER(responseBytes?.response.valueBlock.valueHexView ?? new Uint8Array());
}

describe('answers openssl over HTTP', () => {
  test.each([
    ['a nonce', []],
    ['no nonce', ['-no_nonce']],
    ['SHA-256 identifiers', ['-sha256']],
    ['SHA-1 identifiers', ['-sha1']],
  ])('with %s: good', async (_, args) => {
    const said = await ask(...args, '-cert', file);
    expect(said).toContain('Response verify OK');
    expect(said).toContain(`${file}: good`);
    expect(said).not.toMatch(/WARNING/);
  });

  test('with the revocation, its time and reason', async () => {
    const { serial, certificate: der } = await issue(pilot);
    pilot.clockMs = Math.floor(Date.now() / 1000) * 1000;
    pilot.authority.revoke(serial, 'keyCompromise');
    const said = await ask('-cert', pilot.file('revoked', der));
    expect(said).toMatch(/revoked.crt: revoked/);
    expect(said).toContain('Reason: keyCompromise');
    const at = /Revocation Time: (.*)/.exec(said)?.[1] ?? '';
    expect(Date.parse(at)).toBe(pilot.clockMs);
  });

  test('with unknown for a serial that was never issued, also a small or negative one', async () => {
    expect(await ask('-serial', '0x4444')).toMatch(/0x4444: unknown/);
    expect(await ask('-serial', '1')).toMatch(/1: unknown/);
  });

  test('about several certificates at once', async () => {
    const said = await ask('-cert', file, '-serial', '7');
    expect(said).toContain(`${file}: good`);
    expect(said).toMatch(/7: unknown/);
  });

  test('by GET with the request as path, with slashes of base64 as they are', async () => {
    const octets = readRequest('-no_nonce');
    for (const path of [octets.toString('base64'), encodeURIComponent(octets.toString('base64'))]) {
      const answer = await fetch(`${url}/${path}`);
      expect((await basicOf(answer)).tbsResponseData.responses).toHaveLength(1);
    }
  });
});

test('times are whole seconds and end after the validity set', async () => {
  pilot.clockMs = Math.floor(Date.now() / 1000) * 1000 + 987;
  const { tbsResponseData } = await basicOf(await post(await encodeRequest()));
  const [single] = tbsResponseData.responses;
  expect(tbsResponseData.producedAt.getTime()).toBe(pilot.clockMs - 987);
  expect(single?.thisUpdate.getTime()).toBe(pilot.clockMs - 987);
  expect(single?.nextUpdate?.getTime()).toBe(pilot.clockMs - 987 + 3600_000);
});

test.each([1, 16, 32])('a nonce of %i octets comes back', async (size) => {
  const nonce = createHash('sha256').update(String(size)).digest().subarray(0, size);
  const { tbsResponseData } = await basicOf(await post(await encodeRequest({ nonce })));
  const [extension] = tbsResponseData.responseExtensions ?? [];
  const expected = new OctetString({ valueHex: nonce }).toBER();
  expect(Buffer.from(extension?.extnValue.valueBlock.valueHexView ?? [])).toEqual(Buffer.from(expected));
});

test('no answer may be cached', async () => {
  expect((await post(await encodeRequest())).headers.get('cache-control')).toBe('no-store');
});

describe('refuses as malformed', () => {
  test.each([0, 33, 256])('a nonce of %i octets', async (size) => {
    expect(await statusOf(await post(await encodeRequest({ nonce: new Uint8Array(size) })))).toBe(MALFORMED);
  });

  test('a nonce that is no octet string', async () => {
    const extension = new Extension({
      extnID: '1.3.6.1.5.5.7.48.1.2',
      extnValue: Uint8Array.of(0x02, 0x01, 0x05).buffer,
    });
    expect(await statusOf(await post(await encodeRequest({ extension })))).toBe(MALFORMED);
  });

  test('two nonces', async () => {
    const extension = new Extension({
      extnID: '1.3.6.1.5.5.7.48.1.2',
      extnValue: Uint8Array.of(0x04, 0x01, 0x05).buffer,
    });
    expect(await statusOf(await post(await encodeRequest({ extension, nonce: Buffer.of(5) })))).toBe(
      MALFORMED,
    );
  });

  test('an unknown critical extension, but no other one', async () => {
    const extension = (critical: boolean) =>
      new Extension({ extnID: '1.2.3.4', critical, extnValue: Uint8Array.of(0x05, 0x00).buffer });
    expect(await statusOf(await post(await encodeRequest({ extension: extension(true) })))).toBe(MALFORMED);
    expect(await statusOf(await post(await encodeRequest({ extension: extension(false) })))).toBe(0);
  });

  test('no certificate, and more than 16', async () => {
    expect(await statusOf(await post(await encodeRequest({ times: 0 })))).toBe(MALFORMED);
    expect(await statusOf(await post(await encodeRequest({ times: 17 })))).toBe(MALFORMED);
    expect(await statusOf(await post(await encodeRequest({ times: 16 })))).toBe(0);
  });

  test('garbage, an empty body, deep nesting and octets behind the request', async () => {
    const request = await encodeRequest();
    for (const body of [
      Buffer.from('garbage'),
      Buffer.alloc(0),
      Buffer.from('3080'.repeat(4000), 'hex'),
      Buffer.concat([request, Buffer.of(0)]),
      request.subarray(0, -1),
    ])
      expect(await statusOf(await post(body))).toBe(MALFORMED);
  });

  test('more than 16 KiB', async () => {
    expect(await statusOf(await post(Buffer.alloc(16 * 1024 + 1)))).toBe(MALFORMED);
    expect(await statusOf(await post(Buffer.alloc(200 * 1024)))).toBe(MALFORMED);
    expect(pilot.reported).toEqual([]);
  });

  test('paths that are not base64', async () => {
    for (const path of ['', '%', '%ff', '!!!!', 'MEE=MEE=', '..%2f..'])
      expect(await statusOf(await fetch(`${url}/${path}`))).toBe(MALFORMED);
  });
});

test('another issuer’s certificate is unauthorized, also beside one of ours', async () => {
  const other = await createPilot();
  const foreign = await issue(other);
  const request = await encodeRequest({ of: foreign.certificate, issuer: other.authority.issuing });
  expect(await statusOf(await post(request))).toBe(UNAUTHORIZED);
  const mixed = OCSPRequest.fromBER(await encodeRequest());
  mixed.tbsRequest.requestList.push(...OCSPRequest.fromBER(request).tbsRequest.requestList);
  expect(await statusOf(await post(Buffer.from(mixed.toSchema(true).toBER())))).toBe(UNAUTHORIZED);
  expect(await statusOf(await post(await encodeRequest({ hashAlgorithm: 'SHA-384' })))).toBe(UNAUTHORIZED);
  await other.end();
});

test('openssl does not believe a responder whose certificate is for something else', async () => {
  const liar = await pilot.serve(
    await createOcspListener({
      issuer: pilot.authority.issuing,
      responder: readServiceCredential(pilot.folder, 'time-stamping'),
      statusOf: () => ({ state: 'good' }),
      clock: pilot.clock,
      validityMs: 1000,
      report: pilot.report,
    }),
  );
  await expect(
    opensslLater('ocsp', '-issuer', pilot.issuing, '-CAfile', pilot.root, '-url', liar, '-cert', file),
  ).rejects.toMatchObject({
    stderr: expect.stringMatching(/missing ocspsigning usage|Response Verify Failure/i),
  });
});

test('what breaks inside is reported, and the client learns only internalError', async () => {
  const reported: unknown[] = [];
  const broken = await pilot.serve(
    await createOcspListener({
      issuer: pilot.authority.issuing,
      responder: readServiceCredential(pilot.folder, 'ocsp'),
      statusOf: () => {
        throw new Error('secret');
      },
      clock: pilot.clock,
      validityMs: 1000,
      report: (error) => reported.push(error),
    }),
  );
  const headers = { 'content-type': 'application/ocsp-request' };
  const answer = await fetch(broken, { method: 'POST', headers, body: await encodeRequest() });
  expect(await statusOf(answer)).toBe(INTERNAL_ERROR);
  expect(reported).toEqual([expect.objectContaining({ message: 'secret' })]);
});

test('one altered octet breaks nothing inside', async () => {
  const request = await encodeRequest({ nonce: Buffer.alloc(16, 5) });
  for (const index of request.keys()) {
    const altered = Buffer.from(request);
    altered[index] = (altered[index] ?? 0) ^ (index % 2 ? 0x80 : 0x01);
    await post(altered);
  }
  expect(pilot.reported).toEqual([]);
});

test('other methods and media types are refused', async () => {
  const put = await fetch(url, { method: 'PUT', body: 'x' });
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST']);
  expect((await post(await encodeRequest(), 'text/plain')).status).toBe(415);
});

describe('a body', () => {
  async function readOne(head: string, body: Uint8Array): Promise<{ code: unknown; closed: boolean }> {
    let settle: (outcome: unknown) => void = () => undefined;
    const outcome = new Promise<unknown>((resolve) => (settle = resolve));
    const server = createServer((request) => settle(readBody(request, 200).catch((error: unknown) => error)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined); // a reset is what is wanted
    const closed = new Promise<boolean>((resolve) => socket.on('close', () => resolve(true)));
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
    socket.write(body);
    const { code } = (await outcome) as { code: unknown };
    const result = { code, closed: await closed };
    server.close();
    return result;
  }

  test('that does not arrive in time is cut off', async () => {
    expect(await readOne('Content-Length: 10', Buffer.from('12345'))).toEqual({
      code: 'request_invalid',
      closed: true,
    });
  });

  test('that goes on and on is cut off', async () => {
    const result = await readOne('Content-Length: 1000000000', Buffer.alloc(512 * 1024));
    expect(result).toEqual({ code: 'request_invalid', closed: true });
  });
});

function readRequest(...args: string[]): Buffer {
  const out = join(pilot.folder, 'request.der');
  openssl('ocsp', '-issuer', pilot.issuing, '-cert', file, '-reqout', out, ...args);
  expect(new X509Certificate(readFileSync(file)).serialNumber.toLowerCase()).toBe(certificate.serial);
  return readFileSync(out);
}
