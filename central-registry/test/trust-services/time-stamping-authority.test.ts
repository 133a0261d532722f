import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Integer, OctetString, Sequence } from 'asn1js';
import { AlgorithmIdentifier, MessageImprint, SignedData, TimeStampReq, TimeStampResp, TSTInfo } from 'pkijs';
import { readServiceCredential } from '../../src/trust-services/certification-authority.js';
import {
  createTimeStampListener,
  PILOT_TIME_STAMP_POLICY,
  type TimeStampListener,
} from '../../src/trust-services/time-stamping-authority.js';
import { createPilot, openssl, type Pilot } from './pilot.js';

let pilot: Pilot, url: string, listener: TimeStampListener, data: string;
beforeAll(async () => {
  pilot = await createPilot();
  data = join(pilot.folder, 'data');
  writeFileSync(data, 'checkpoint');
  listener = await createListener('stamps.db');
  url = await pilot.serve(listener);
});
afterAll(async () => {
  listener.close();
  await pilot.end();
});

function createListener(stateFile: string, report = pilot.report): Promise<TimeStampListener> {
  return createTimeStampListener({
    authority: readServiceCredential(pilot.folder, 'time-stamping'),
    issuers: [pilot.authority.issuing],
    policy: PILOT_TIME_STAMP_POLICY,
    stateFile: join(pilot.folder, stateFile),
    clock: pilot.clock,
    report,
  });
}

function query(...args: string[]): Buffer {
  const file = join(pilot.folder, 'query.tsq');
  openssl('ts', '-query', '-data', data, '-out', file, ...args);
  return readFileSync(file);
}

async function post(
  body: Uint8Array,
  address = url,
  contentType = 'application/timestamp-query',
): Promise<Buffer> {
  const answer = await fetch(address, { method: 'POST', headers: { 'content-type': contentType }, body });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/timestamp-reply');
  return Buffer.from(await answer.arrayBuffer());
}

function verify(asked: Uint8Array, answer: Uint8Array, ...args: string[]): string {
  const [asking, answering] = [join(pilot.folder, 'asked.tsq'), join(pilot.folder, 'answer.tsr')];
  writeFileSync(asking, asked);
  writeFileSync(answering, answer);
  return openssl('ts', '-verify', '-queryfile', asking, '-in', answering, '-CAfile', pilot.root, ...args);
}

function signedDataOf(answer: Uint8Array): SignedData {
  return new SignedData({ schema: TimeStampResp.fromBER(answer).timeStampToken?.content });
}

function infoOf(answer: Uint8Array): { info: TSTInfo; der: Buffer } {
  const content = signedDataOf(answer).encapContentInfo.eContent?.valueBlock.valueHexView ?? new Uint8Array();
  return { info: TSTInfo.fromBER(content), der: Buffer.from(content) };
}

function failureOf(answer: Uint8Array): number | undefined {
  const { status, timeStampToken } = TimeStampResp.fromBER(answer);
  expect(status.status).toBe(2);
  expect(timeStampToken).toBeUndefined();
  const bits = status.failInfo?.valueBlock;
  const octets = Buffer.from(bits?.valueHexView ?? []);
  const set = [...octets].flatMap((octet, index) =>
    [...Array(8).keys()].filter((bit) => octet & (0x80 >> bit)).map((bit) => index * 8 + bit),
  );
  expect(set).toHaveLength(1);
  expect(octets.length * 8 - (bits?.unusedBits ?? 0)).toBe((set[0] ?? 0) + 1); // DER: no zeros behind
  return set[0];
}

interface Wanted {
  version?: number;
  algorithm?: string;
  imprintBytes?: number;
  nonceBytes?: number;
  policy?: string;
}
function encodeQuery({
  version = 1,
  algorithm = '2.16.840.1.101.3.4.2.1',
  imprintBytes = 32,
  ...rest
}: Wanted): Buffer {
  const request = new TimeStampReq({
    version,
    messageImprint: new MessageImprint({
      hashAlgorithm: new AlgorithmIdentifier({ algorithmId: algorithm }),
      hashedMessage: new OctetString({ valueHex: new Uint8Array(imprintBytes) }),
    }),
    ...(rest.policy === undefined ? {} : { reqPolicy: rest.policy }),
    ...(rest.nonceBytes === undefined
      ? {}
      : { nonce: new Integer({ valueHex: new Uint8Array(rest.nonceBytes).fill(0x55) }) }),
  });
  return Buffer.from(request.toSchema().toBER());
}

describe('stamps that openssl verifies', () => {
  test.each(['-sha256', '-sha384', '-sha512'])('over a %s imprint, with certificates', async (hash) => {
    const asked = query(hash, '-cert');
    expect(verify(asked, await post(asked))).toMatch(/Verification: OK/);
  });

  test('without nonce, and with our policy asked for', async () => {
    const asked = query('-sha256', '-cert', '-no_nonce', '-tspolicy', PILOT_TIME_STAMP_POLICY);
    const answer = await post(asked);
    expect(verify(asked, answer)).toMatch(/Verification: OK/);
    expect(infoOf(answer).info.nonce).toBeUndefined();
  });

  test('without certificates where none were asked for', async () => {
    const asked = query('-sha256');
    const answer = await post(asked);
    expect(signedDataOf(answer).certificates).toBeUndefined();
    const authority = pilot.file(
      'time-stamping',
      readServiceCredential(pilot.folder, 'time-stamping').certificate,
    );
    const untrusted = join(pilot.folder, 'untrusted.pem');
    writeFileSync(untrusted, readFileSync(authority, 'utf8') + readFileSync(pilot.issuing, 'utf8'));
    expect(verify(asked, answer, '-untrusted', untrusted)).toMatch(/Verification: OK/);
    expect(() => verify(asked, answer)).toThrow();
  });

  test('but not over other data', async () => {
    const asked = query('-sha256', '-cert');
    const answer = await post(asked);
    const nonce = asked.length - 4;
    asked[nonce] = (asked[nonce] ?? 0) ^ 1;
    expect(() => verify(asked, answer)).toThrow(/nonce/i);
    expect(() => verify(query('-sha384', '-cert', '-no_nonce'), answer)).toThrow();
  });
});

test('the time is the clock’s to the millisecond, without zeros at its end', async () => {
  const second = Date.UTC(2026, 10, 21, 12, 0, 7);
  for (const [ms, text] of [
    [0, '20261121120007Z'],
    [100, '20261121120007.1Z'],
    [120, '20261121120007.12Z'],
    [123, '20261121120007.123Z'],
    [7, '20261121120007.007Z'],
  ] as const) {
    pilot.clockMs = second + ms;
    const { info, der } = infoOf(await post(query('-sha256')));
    expect(der.toString('latin1')).toContain(text);
    expect(info.genTime.getTime()).toBe(pilot.clockMs);
    expect(info.accuracy?.seconds).toBe(1);
    expect(info.policy).toBe(PILOT_TIME_STAMP_POLICY);
  }
  pilot.clockMs = Date.UTC(2026, 10, 21, 12, 0, 0);
  expect(infoOf(await post(query('-sha256'))).der.toString('latin1')).toContain('20261121120000Z');
  pilot.clockMs = Date.now();
});

test('signed attributes stand in the order of DER', async () => {
  const [signer] = signedDataOf(await post(query('-sha256'))).signerInfos;
  const attributes =
    signer?.signedAttrs?.attributes.map((attribute) => Buffer.from(attribute.toSchema().toBER())) ?? [];
  expect(attributes).toHaveLength(3);
  expect(attributes).toEqual([...attributes].sort((a, b) => Buffer.compare(a, b)));
});

describe('serials', () => {
  const serialOf = (answer: Buffer): bigint => infoOf(answer).info.serialNumber.toBigInt();

  test('of 40 stamps at once all differ and grow', async () => {
    const asked = query('-sha256');
    const serials = (await Promise.all(Array.from({ length: 40 }, () => post(asked)))).map(serialOf);
    expect(new Set(serials).size).toBe(40);
    expect(new Set(serials.map((serial) => serial >> 64n)).size).toBe(40);
    expect(serials.every((serial) => serial > 0n)).toBe(true);
  });

  test('are positive when the count passes an octet, and DER', async () => {
    const short = await createListener('octet.db');
    const address = await pilot.serve(short);
    const { default: Database } = await import('better-sqlite3');
    const state = new Database(join(pilot.folder, 'octet.db'));
    state.exec('UPDATE stamps SET count = 127');
    state.close();
    const asked = query('-sha256', '-cert');
    const answer = await post(asked, address);
    expect(serialOf(answer) >> 64n).toBe(128n);
    expect(verify(asked, answer)).toMatch(/Verification: OK/);
    short.close();
  });

  test('go on after a restart, and do not repeat on an older state file', async () => {
    const first = await createListener('restored.db');
    const asked = query('-sha256');
    const before = serialOf(await post(asked, await pilot.serve(first)));
    first.close();
    copyFileSync(join(pilot.folder, 'restored.db'), join(pilot.folder, 'copy.db'));
    const second = await createListener('restored.db');
    const after = serialOf(await post(asked, await pilot.serve(second)));
    second.close();
    expect(after >> 64n).toBe((before >> 64n) + 1n);
    for (const suffix of ['-wal', '-shm'])
      rmSync(join(pilot.folder, `restored.db${suffix}`), { force: true });
    copyFileSync(join(pilot.folder, 'copy.db'), join(pilot.folder, 'restored.db'));
    const third = await createListener('restored.db');
    expect(serialOf(await post(asked, await pilot.serve(third)))).not.toBe(after);
    third.close();
  });
});

describe('rejects', () => {
  const BAD_ALG = 0;
  const BAD_REQUEST = 2;
  const BAD_DATA_FORMAT = 5;
  const UNACCEPTED_POLICY = 15;
  const UNACCEPTED_EXTENSION = 16;
  const SYSTEM_FAILURE = 25;

  test.each(['-sha1', '-md5', '-sha224', '-sha3-256'])('a %s imprint: badAlg', async (hash) => {
    const asked = query(hash);
    const answer = await post(asked);
    expect(failureOf(answer)).toBe(BAD_ALG);
    expect(() => verify(asked, answer)).toThrow();
  });

  test('another policy: unacceptedPolicy', async () => {
    expect(failureOf(await post(query('-sha256', '-tspolicy', '1.2.3.4')))).toBe(UNACCEPTED_POLICY);
  });

  test.each([
    ['an imprint of another length', { imprintBytes: 31 }, BAD_DATA_FORMAT],
    ['an empty imprint', { imprintBytes: 0 }, BAD_DATA_FORMAT],
    ['another version', { version: 2 }, BAD_REQUEST],
    ['a nonce of more than 256 bits', { nonceBytes: 34 }, BAD_REQUEST],
  ])('%s', async (_, wanted, failure) => {
    expect(failureOf(await post(encodeQuery(wanted)))).toBe(failure);
  });

  test('but not a nonce of 256 bits, which comes back', async () => {
    const { info } = infoOf(await post(encodeQuery({ nonceBytes: 33 })));
    expect(Buffer.from(info.nonce?.valueBlock.valueHexView ?? []).toString('hex')).toBe('55'.repeat(33));
  });

  test('an extension: unacceptedExtension', async () => {
    const extension = Buffer.from('a00d300b06032a03040404deadbeef', 'hex');
    const plain = encodeQuery({});
    const asked = Buffer.concat([plain, extension]);
    asked[1] = (asked[1] ?? 0) + extension.length;
    expect(failureOf(await post(asked))).toBe(UNACCEPTED_EXTENSION);
  });

  test('garbage, an empty body, another structure, octets behind the request, and too many of them', async () => {
    const asked = query('-sha256');
    for (const body of [
      Buffer.from('garbage'),
      Buffer.alloc(0),
      Buffer.from(new Sequence({ value: [new Integer({ value: 1 })] }).toBER()),
      Buffer.concat([asked, Buffer.of(0)]),
      asked.subarray(0, -1),
      Buffer.alloc(16 * 1024 + 1, 0x30),
    ])
      expect(failureOf(await post(body))).toBe(BAD_DATA_FORMAT);
    expect(pilot.reported).toEqual([]);
  });

  test('everything once its count can not be written, and says no more than systemFailure', async () => {
    const reported: unknown[] = [];
    const broken = await createListener('broken.db', (error) => void reported.push(error));
    const address = await pilot.serve(broken);
    broken.close();
    expect(failureOf(await post(query('-sha256'), address))).toBe(SYSTEM_FAILURE);
    expect(reported).toHaveLength(1);
  });
});

test('one altered octet breaks nothing inside', async () => {
  const request = query('-sha256', '-cert');
  for (const index of request.keys()) {
    const altered = Buffer.from(request);
    altered[index] = (altered[index] ?? 0) ^ (index % 2 ? 0x80 : 0x01);
    await post(altered);
  }
  expect(pilot.reported).toEqual([]);
});

test('other methods and media types are refused', async () => {
  const got = await fetch(url);
  expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  const typed = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: query('-sha256'),
  });
  expect(typed.status).toBe(415);
});
