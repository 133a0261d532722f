// Shapes of what is signed and is no message, and of the global configuration: one good, each mistake refused.
import { describe, expect, test } from '@jest/globals';
import {
  encodeEntry,
  parseAnchor,
  parseCapabilities,
  parseConfigurationBundle,
  parseConfigurationHead,
  parseConfigurationRecord,
  parseDelegation,
  parseDescription,
  parseEntry,
  parseManagementRequest,
  parseMessageHeader,
  parseRight,
  recordDigest,
  uuidV7,
  type MessageEntry,
  type MessageId,
  type SecurityServerId,
} from '../../src/protocol/index.js';

const digest = recordDigest(Buffer.from('x'));
const der = Buffer.from('certificate').toString('base64');
const jws = 'e30.e30.AA';
const key = `log.example+00000000+${'A'.repeat(44)}`;
const raw = { keys: [{ kid: digest, publicKey: der }], threshold: 1 };
const listed = { certificate: digest, from: 0, until: 9 };
const name = { en: 'Justice', vi: 'Tư pháp' };
const jti = uuidV7(1764000000000, Buffer.alloc(10, 7));
const request = { v: 1, jti, exp: 9, instance: 'VN', seq: 1, member: 'VN/GOV/G12', server: 'VN/GOV/G12/ss1' };
const server = {
  v: 1,
  type: 'security-server',
  id: 'VN/GOV/G12/ss1',
  address: 'https://127.0.0.1:5500',
  authentication: [listed],
  signing: [{ ...listed, member: 'VN/GOV/G12', alg: 'ES256' }],
  clients: ['VN/GOV/G12/civil-status'],
  logs: [{ origin: 'onceway.example/log/VN/GOV/G12/ss1', key }],
};
const right = {
  v: 1,
  id: jti,
  rev: 1,
  provider: 'VN/GOV/G12/civil-status',
  consumer: { client: 'VN/GOV/G05/portal' },
  service: 'VN/GOV/G12/civil-status/births',
  attributes: [],
  endpoints: [{ method: 'GET', path: '/births/*' }],
  purposes: [],
  from: 0,
  state: 'granted',
  reason: 'agreed',
  decidedBy: 'p1',
};

type Case = [string, (value: unknown) => unknown, string, object, readonly object[]];

const CASES: readonly Case[] = [
  [
    'configuration head',
    parseConfigurationHead,
    'configuration_invalid',
    { v: 1, instance: 'VN', seq: 1, issued: 1, expires: 2, root: digest },
    [{ v: 2 }, { seq: 0 }, { root: 'x' }, { prev: null }, { more: 1 }, { instance: 'V N' }],
  ],
  [
    'policy',
    parseConfigurationRecord,
    'configuration_invalid',
    {
      v: 1,
      type: 'policy',
      clockSkewMs: 5000,
      ocspFreshnessMs: 1,
      ocspGraceMs: 1,
      stampingBacklogMs: 1,
      witnessBacklogMs: 1,
      refreshMs: 60000,
      algorithms: [{ alg: 'ES256', from: 0 }],
    },
    [
      { clockSkewMs: 60_001 },
      { clockSkewMs: 0.5 },
      { algorithms: [{ alg: 'none', from: 0 }] },
      { type: 'other' },
    ],
  ],
  [
    'member',
    parseConfigurationRecord,
    'configuration_invalid',
    { v: 1, type: 'member', id: 'VN/GOV/G12', name, subsystems: [{ id: 'VN/GOV/G12/civil-status', name }] },
    [{ id: 'VN/GOV' }, { suspended: false }, { name: { en: 'x' } }, { subsystems: [{ id: 'VN/GOV/G12' }] }],
  ],
  [
    'security server',
    parseConfigurationRecord,
    'configuration_invalid',
    server,
    [
      { address: 'ftp://x' },
      { signing: [listed] },
      { logs: [{ origin: 'https://x/y', key }] },
      { clients: ['x'] },
    ],
  ],
  [
    'certification authority',
    parseConfigurationRecord,
    'configuration_invalid',
    {
      v: 1,
      type: 'certification-authority',
      name: 'CA',
      certificates: [der],
      ocsp: [{ url: 'http://127.0.0.1:1/' }],
    },
    [{ certificates: [] }, { certificates: ['-'] }, { ocsp: ['http://x'] }],
  ],
  [
    'time-stamping authority',
    parseConfigurationRecord,
    'configuration_invalid',
    { v: 1, type: 'time-stamping-authority', name: 'TSA', url: 'http://127.0.0.1:1/', certificate: der },
    [{ url: 'x' }, { certificate: null }],
  ],
  [
    'global group',
    parseConfigurationRecord,
    'configuration_invalid',
    { v: 1, type: 'global-group', code: 'communes', description: name, members: ['VN/GOV/G12/civil-status'] },
    [{ code: 'a b' }, { members: ['VN'] }, { description: 'x' }],
  ],
  [
    'delegation',
    parseDelegation,
    'configuration_invalid',
    { v: 1, instance: 'VN', seq: 1, issued: 1, configuration: raw, roots: raw },
    [{ configuration: { ...raw, threshold: 0 } }, { configuration: { ...raw, keys: [] } }, { roots: null }],
  ],
  [
    'anchor',
    parseAnchor,
    'configuration_invalid',
    {
      v: 1,
      instance: 'VN',
      roots: raw,
      witnesses: { witnesses: [{ key, url: 'http://127.0.0.1:1' }], threshold: 1 },
      log: { origin: 'onceway.example/log/registry', key },
      distribution: ['http://127.0.0.1:1'],
    },
    [{ distribution: [] }, { log: { origin: 'x', key } }, { witnesses: [] }, { secret: 1 }],
  ],
  [
    'bundle',
    parseConfigurationBundle,
    'configuration_invalid',
    { head: [jws], delegations: [[jws]], records: [digest], entry: '{}', proof: 'x' },
    [{ head: [] }, { head: ['x'] }, { delegations: [jws] }, { records: ['x'] }, { proof: null }],
  ],
  [
    'registration of a server',
    parseManagementRequest,
    'request_invalid',
    {
      ...request,
      type: 'register-server',
      address: 'https://x:1',
      authentication: der,
      signing: der,
      logs: server.logs,
    },
    [{ logs: [] }, { address: 'x' }, { seq: 0 }, { jti: 'x' }, { type: 'other' }],
  ],
  [
    'registration of a client',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'register-client', client: 'VN/GOV/G12/civil-status' },
    [{ client: 'VN' }, { signing: null }, { reason: 'x' }],
  ],
  [
    'removal of a client',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'remove-client', client: 'VN/GOV/G12/civil-status' },
    [{ client: null }, { type: 'register-server' }],
  ],
  [
    'registration of a certificate',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'register-certificate', usage: 'signing', certificate: der },
    [{ usage: 'ocsp' }, { certificate: digest }],
  ],
  [
    'removal of a certificate',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'remove-certificate', certificate: digest },
    [{ certificate: der }],
  ],
  [
    'change of address',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'change-address', address: 'https://x:1' },
    [{ address: '' }],
  ],
  [
    'suspension of the server',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'suspend-server', reason: 'stolen' },
    [{ reason: '' }],
  ],
  [
    'maintenance',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'start-maintenance', message: 'until noon' },
    [{ message: '' }],
  ],
  [
    'suspension of a member',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'suspend-member', subject: 'VN/GOV/G12' },
    [{ subject: 'VN' }],
  ],
  [
    'change of owner',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'change-owner', owner: 'VN/GOV/G05' },
    [{ owner: null }],
  ],
  [
    'succession',
    parseManagementRequest,
    'request_invalid',
    { ...request, type: 'succeed-member', successor: 'VN/GOV/G05' },
    [{ successor: null }],
  ],
  [
    'description',
    parseDescription,
    'request_invalid',
    { v: 1, service: 'VN/GOV/G12/civil-status/births', rev: 1, issued: 1, document: '{}' },
    [{ service: 'x' }, { rev: 0 }, { document: {} }],
  ],
  [
    'right',
    parseRight,
    'request_invalid',
    right,
    [
      { service: undefined },
      { dataset: 'vn.population' },
      { state: 'other' },
      { consumer: {} },
      { quota: 0 },
      { attributes: ['name'] },
      { consumer: { client: 'VN/GOV/G05/portal', group: 'x' } },
    ],
  ],
  [
    'capabilities',
    parseCapabilities,
    'request_invalid',
    { v: 1, server: 'VN/GOV/G12/ss1', issued: 1, expires: 2, batch: 64 },
    [{ batch: 1025 }, { server: 'x' }],
  ],
  [
    'header',
    parseMessageHeader,
    'envelope_invalid',
    { alg: 'ES256', typ: 'right+jws', 'x5t#S256': digest, iat: 1 },
    [{ kid: 'a' }, { typ: 'JWT' }, { iat: -1 }],
  ],
];

describe.each(CASES)('%s', (_name, parse, code, good, mistakes) => {
  test('is read', () => {
    expect(parse(good)).toBe(good);
  });
  test.each(mistakes.map((mistake) => [JSON.stringify(mistake), mistake] as const))(
    'is refused with %s',
    (_text, mistake) => {
      // A claim that is undefined is one that is missing.
      const bad = JSON.parse(JSON.stringify({ ...good, ...mistake })) as unknown;
      expect(() => parse(bad)).toThrow(expect.objectContaining({ code }));
    },
  );
  test.each([null, [], 'x', 1])('is refused as %j', (value) => {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code }));
  });
});

describe('entries', () => {
  const long = (length: number) =>
    ({ v: 1, type: 'material', at: 1, kind: 'record', digest, octets: 'x'.repeat(length) }) as const;
  test('are at most 65,535 octets', () => {
    const rest = encodeEntry(long(0)).length;
    const most = encodeEntry(long(65_535 - rest));
    expect(parseEntry(most)).toEqual(long(65_535 - rest));
    const tooLong = expect.objectContaining({ code: 'entry_invalid' });
    expect(() => encodeEntry(long(65_536 - rest))).toThrow(tooLong);
    expect(() => parseEntry(Buffer.concat([most, Buffer.from(' ')]))).toThrow(tooLong);
  });

  const message: MessageEntry = {
    v: 1,
    type: 'message',
    at: 1_800_000_000_123,
    dir: 'out',
    message: `${Buffer.from('{}').toString('base64url')}.e30.AA-_`,
    peer: 'VN/GOV/B/"ss 2" ü' as SecurityServerId,
    cfg: { seq: 7, digest },
    chain: [digest],
    about: [{ role: 'exchange', k: '2027-Q1', p: 'AAAAAAAAAAAAAAAAAAAAAA' }],
  };
  const whole: MessageEntry = {
    v: 1,
    type: 'message',
    at: 1,
    dir: 'in',
    message: message.message,
    batch: 'e30.e30.AA~1~',
    closing: 'e30.e30.AA',
    peer: message.peer,
    cfg: message.cfg,
    chain: [],
    ocsp: digest,
    rule: 'r"1',
    about: [],
  };
  test.each([
    ['without what may be missing', message],
    ['whole', whole],
  ])('of a message are JSON in the one form, %s', (_name, entry) => {
    expect(encodeEntry(entry).toString()).toBe(JSON.stringify(entry));
  });

  test('may be a part of a larger buffer', () => {
    const entry = {
      v: 1,
      type: 'outcome',
      at: 1,
      dir: 'in',
      re: digest as string as MessageId,
      outcome: 'unknown',
    } as const;
    const octets = encodeEntry(entry);
    const larger = new Uint8Array(Buffer.concat([Buffer.from('xx'), octets, Buffer.from('y')]));
    expect(parseEntry(larger.subarray(2, 2 + octets.length))).toEqual(entry);
  });
});

describe('UUIDv7', () => {
  test('holds the time and the randomness given, and needs enough of it', () => {
    expect(uuidV7(0x0123456789ab, Buffer.alloc(10, 0xff))).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
    expect(() => uuidV7(0, Buffer.alloc(9))).toThrow(TypeError);
    for (const time of [-1, 0.5, 2 ** 48, Number.NaN])
      expect(() => uuidV7(time, Buffer.alloc(10))).toThrow(TypeError);
  });
});
