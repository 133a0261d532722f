// The command line as people meet it: what it makes, what it asks of a running server, and how it says what is wrong.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { digestOf, parseMemberId, type LogOrigin } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { SoftwareToken } from '../../src/keys/software-token.js';
import { folder, selfSigned, type Folder } from '../keys/openssl.js';
import { PilotRegistry } from '../registration/pilot-registry.js';

const BIN = fileURLToPath(new URL('../../../bin/onceway-server.js', import.meta.url));
const PIN = 'pin-pin-pin';

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
let dir: Folder;

function run(args: readonly string[], env: Record<string, string> = { ONCEWAY_PIN: PIN }): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { cwd: dir.path, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

beforeEach(() => {
  dir = folder();
});
afterEach(() => dir.remove());

function writeAnchor(): void {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const origin = 'onceway.test/log/registry' as LogOrigin;
  const anchor = {
    ...{ v: 1, instance: 'VN' },
    roots: { keys: [{ kid: digestOf(spki), publicKey: spki.toString('base64') }], threshold: 1 },
    witnesses: {
      witnesses: [{ key: vkeyOf('onceway.test/witness', privateKey), url: 'http://127.0.0.1:1' }],
      threshold: 1,
    },
    log: { origin, key: vkeyOf(origin, privateKey) },
    distribution: ['http://127.0.0.1:1'],
  };
  writeFileSync(dir.file('anchor.json'), JSON.stringify(anchor));
  writeFileSync(dir.file('bad.json'), '{}');
}
const init = ['init', '--folder', 'ss1', '--id', 'VN/GOV/MOH/ss1', '--anchor', 'anchor.json'];

describe('init', () => {
  beforeEach(writeAnchor);

  test('makes token, log, state, settings and a key for each role, for their owner only', async () => {
    const { code, out } = await run(['--json', ...init, '--management', '127.0.0.1:0']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...{ server: 'VN/GOV/MOH/ss1', keys: 'ss1/keys' },
      anchor: expect.stringMatching(/^SHA-256 [0-9a-f]{64}$/),
    });
    for (const file of ['token.json', 'state.db', 'server.json', 'anchor.json', 'keys/api-key-auditor.txt'])
      expect(statSync(dir.file(`ss1/${file}`)).mode & 0o077).toBe(0);
    const token = SoftwareToken.open(dir.file('ss1/token.json'), PIN);
    expect(token.keys().flatMap(({ usage, name }) => (usage === 'log' ? [name] : []))).toEqual([
      'server',
      'lane-0',
    ]);
    expect(existsSync(dir.file('ss1/log'))).toBe(true);
  });

  test('makes a certificate for information systems, which openssl takes, where it shall listen for TLS', async () => {
    const tls = ['--client-tls', '127.0.0.1:0', '--dns', 'ss1.test.example', '--dns', '10.1.2.3'];
    expect((await run([...init, ...tls])).code).toBe(0);
    expect(JSON.parse(readFileSync(dir.file('ss1/server.json'), 'utf8'))).toMatchObject({
      listeners: { clientTls: { host: '127.0.0.1', port: 0 } },
    });
    const { certificate } = SoftwareToken.open(dir.file('ss1/token.json'), PIN).internal();
    writeFileSync(dir.file('own.pem'), certificate.toString());
    for (const [as, name] of [
      ['-verify_hostname', 'ss1.test.example'],
      ['-verify_ip', '10.1.2.3'],
    ] as const)
      expect(
        dir.openssl(
          ...['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'own.pem'],
          ...[as, name, 'own.pem'],
        ),
      ).toBe('own.pem: OK\n');
    expect(() =>
      dir.openssl('verify', '-CAfile', 'own.pem', '-verify_hostname', 'other.example', 'own.pem'),
    ).toThrow();
    expect(certificate.ca).toBe(false);
  });

  test('and none where it shall not', async () => {
    await run(init);
    const token = SoftwareToken.open(dir.file('ss1/token.json'), PIN);
    expect(token.keys().filter(({ usage }) => usage === 'internal')).toEqual([]);
    expect(() => token.internal()).toThrow('no active internal certificate');
  });

  test('and anchor digest say the digest that sha256sum says of the registry’s file, whatever its blanks', async () => {
    const anchor = JSON.parse(readFileSync(dir.file('anchor.json'), 'utf8')) as object;
    const text = `${JSON.stringify(anchor, null, 2)}\n`;
    writeFileSync(dir.file('pretty.json'), text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    for (const file of ['anchor.json', 'pretty.json']) {
      const { code, out } = await run(['--json', 'anchor', 'digest', file]);
      expect([code, JSON.parse(out)]).toEqual([0, { instance: 'VN', sha256 }]);
    }
    expect((await run(init)).out).toContain(`anchor  SHA-256 ${sha256}\n`);
    writeFileSync(
      dir.file('other.json'),
      JSON.stringify({ ...anchor, distribution: ['http://127.0.0.1:2'] }),
    );
    expect((await run(['anchor', 'digest', 'other.json'])).out).not.toContain(sha256);
    expect(await run(['anchor', 'digest', 'bad.json'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('bad.json is no anchor'),
    });
  });

  test('is never done over a server, and done anew where it was cut off before its end', async () => {
    await run(init);
    const before = readFileSync(dir.file('ss1/token.json'));
    const again = await run(init);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('holds a security server already') });
    expect(readFileSync(dir.file('ss1/token.json'))).toEqual(before);
    writeFileSync(dir.file('ss1/server.json.new'), '');
    rmSync(dir.file('ss1/server.json'));
    expect((await run(init)).code).toBe(0);
  });

  test.each([
    [2, {}, [], 'there is no PIN'],
    [1, { ONCEWAY_PIN: 'short' }, [], 'a PIN has at least 8 characters'],
    [2, {}, ['--pin-file', 'none.txt'], 'none.txt can not be read: there is no such file'],
    [2, {}, ['--pin-file', '.'], '. can not be read: it is a folder'],
    [2, { ONCEWAY_PIN: PIN }, ['--id', 'VN/GOV/MOH'], 'expected 4 parts'],
    [
      2,
      { ONCEWAY_PIN: PIN },
      ['--id', 'VN/GOV/MOH'],
      '\nA security server is INSTANCE/CLASS/CODE/SERVERCODE, ',
    ],
    [2, { ONCEWAY_PIN: PIN }, ['--registry', 'nowhere'], 'registry'],
    [1, { ONCEWAY_PIN: PIN }, ['--id', 'EE/GOV/MOH/ss1'], 'the anchor is of VN'],
    [2, { ONCEWAY_PIN: PIN }, ['--anchor', 'none.json'], 'none.json can not be read'],
    [2, { ONCEWAY_PIN: PIN }, ['--anchor', 'bad.json'], 'bad.json is no anchor'],
    [
      1,
      { ONCEWAY_PIN: PIN },
      ['--client-tls', '127.0.0.1:0', '--dns', 'no name'],
      'a name is no host name or address',
    ],
    [2, { ONCEWAY_PIN: PIN }, ['--client-tls', '8443'], '"8443" is not host:port'],
    [2, { ONCEWAY_PIN: PIN }, ['--client', 'everywhere'], '"everywhere" is not host:port'],
  ])('exits with %i and says what is wrong (%#)', async (expected, env, args, text) => {
    const { code, err } = await run([...init, ...args], env);
    expect(code).toBe(expected);
    expect(err).toContain(text);
    expect(existsSync(dir.file('ss1/server.json'))).toBe(false);
  });

  test('then run before enrol says that a certificate is missing, and with a wrong PIN that', async () => {
    await run(init);
    const early = await run(['--json', 'run', '--folder', 'ss1']);
    expect(early.code).toBe(1);
    expect(JSON.parse(early.err)).toMatchObject({ error: 'signing_key_unavailable' });
    const wrong = await run(['--json', 'run', '--folder', 'ss1'], { ONCEWAY_PIN: 'another-pin' });
    expect(JSON.parse(wrong.err)).toMatchObject({ error: 'pin_incorrect' });
    const nowhere = await run(['--json', 'run', '--folder', 'ss2']);
    expect(JSON.parse(nowhere.err)).toMatchObject({ error: 'not_found' });
    expect([wrong.code, nowhere.code]).toEqual([1, 2]);
  });

  test('then run ends where a port is taken, and says which', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    await run([...init, '--peer', '127.0.0.1:0', '--management', '127.0.0.1:0', '--client', address]);
    const token = SoftwareToken.open(dir.file('ss1/token.json'), PIN);
    const registry = new PilotRegistry(dir);
    const member = parseMemberId('VN/GOV/MOH');
    for (const purpose of [{ usage: 'authentication' }, { usage: 'signing', member }] as const) {
      const csr = await token.certificateRequest(token.generateKey(purpose).id, { subject: { CN: 'a' } });
      token.addCertificate(new X509Certificate(registry.certify(csr)).raw);
    }
    const { code, err } = await run(['run', '--folder', 'ss1']);
    taken.close();
    expect([code, err]).toEqual([1, expect.stringContaining(`can not listen on ${address}`)]);
  });

  test('then enrol with a registry that is away says so', async () => {
    await run(init);
    writeFileSync(dir.file('token.txt'), 'owe_a\n');
    const { code, err } = await run([
      ...['enrol', '--folder', 'ss1', '--address', 'https://127.0.0.1:5500', '--token-file', 'token.txt'],
    ]);
    expect(code).toBe(3);
    expect(err).toContain('Central registry could not be reached');
  });
});

describe('commands for a running server', () => {
  let http: Server;
  let asked: { line: string; key: string | undefined; body: unknown }[];
  let answer: { status: number; body: unknown };

  beforeEach(async () => {
    asked = [];
    answer = { status: 200, body: { state: 'waiting', list: [1] } };
    http = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        const line = `${request.method} ${decodeURIComponent(request.url ?? '')}`;
        asked.push({
          line,
          key: request.headers.authorization,
          body: body === '' ? undefined : JSON.parse(body),
        });
        response.statusCode = answer.status;
        response.end(JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    writeFileSync(dir.file('running.json'), JSON.stringify({ addresses: { management: url } }));
    writeFileSync(dir.file('octets'), Buffer.alloc(8, 0xff));
    mkdirSync(dir.file('keys'));
    for (const role of [
      'registration-officer',
      'service-administrator',
      'security-officer',
      'system-administrator',
      'auditor',
    ])
      writeFileSync(dir.file(`keys/api-key-${role}.txt`), `${role}\n`);
    writeFileSync(dir.file('d.json'), '{"openapi":"3.1.0"}');
    writeFileSync(dir.file('secret.txt'), 'secret\n');
    selfSigned(dir, 'in', 'ec');
  });
  afterEach(() => {
    http.close();
    http.closeAllConnections();
  });

  const service = 'VN/GOV/MPS/population/persons';
  const mid = `-${'A'.repeat(42)}`;
  test.each([
    [
      'client add VN/GOV/MOJ/a --token-file secret.txt',
      'registration-officer',
      'POST /clients',
      { client: 'VN/GOV/MOJ/a', enrolmentToken: 'secret' },
    ],
    ['client list', 'auditor', 'GET /clients', undefined],
    [
      'client connection VN/GOV/MOJ/a mutual',
      'security-officer',
      'PUT /clients/VN/GOV/MOJ/a/connection',
      { connection: 'mutual' },
    ],
    ['client certificates VN/GOV/MOJ/a', 'auditor', 'GET /clients/VN/GOV/MOJ/a/certificates', undefined],
    [
      'client add-certificate VN/GOV/MOJ/a in.pem',
      'security-officer',
      'POST /clients/VN/GOV/MOJ/a/certificates',
      { certificate: expect.stringContaining('BEGIN CERTIFICATE') },
    ],
    [
      `client remove-certificate VN/GOV/MOJ/a ${mid}`,
      'security-officer',
      `DELETE /clients/VN/GOV/MOJ/a/certificates/${mid}`,
      undefined,
    ],
    [
      'key internal --dns ss1.example,10.0.0.1',
      'security-officer',
      'POST /keys/internal',
      { names: ['ss1.example', '10.0.0.1'] },
    ],
    ['key export', 'auditor', 'GET /internal-certificate', undefined],
    [
      `service add ${service} --base-url https://a --certificate in.pem`,
      'service-administrator',
      `PUT /services/${service}`,
      { baseUrl: 'https://a', certificate: expect.stringContaining('BEGIN CERTIFICATE') },
    ],
    [
      `service add ${service} --base-url https://a --certificate none`,
      'service-administrator',
      `PUT /services/${service}`,
      { baseUrl: 'https://a', certificate: null },
    ],
    ['client remove VN/GOV/MOJ/a', 'registration-officer', 'DELETE /clients/VN/GOV/MOJ/a', undefined],
    ['request show 7', 'auditor', 'GET /requests/7', undefined],
    [
      `service add ${service} --base-url http://a --timeout-ms 5 --description d.json --name-en P`,
      'service-administrator',
      `PUT /services/${service}`,
      { baseUrl: 'http://a', timeoutMs: 5, names: { en: 'P', vi: 'P' }, description: { openapi: '3.1.0' } },
    ],
    [
      `service disable ${service} --notice later`,
      'service-administrator',
      `PUT /services/${service}/notice`,
      { notice: 'later' },
    ],
    [`service enable ${service}`, 'service-administrator', `DELETE /services/${service}/notice`, undefined],
    [
      `right grant ${service} --client VN/GOV/MOJ/a --endpoint GET_/persons/* --until 2030-01-01T00:00:00Z --reason r`,
      'service-administrator',
      'POST /rights',
      {
        ...{ service, subject: { client: 'VN/GOV/MOJ/a' }, until: 1_893_456_000, reason: 'r' },
        endpoint: { method: 'GET', path: '/persons/*' },
      },
    ],
    [
      `right grant ${service} --local-group hospitals --reason r`,
      'service-administrator',
      'POST /rights',
      { service, subject: { localGroup: 'hospitals' }, reason: 'r' },
    ],
    ['right held', 'auditor', 'GET /held-rights', undefined],
    ['group list', 'auditor', 'GET /local-groups', undefined],
    [
      'group create VN/GOV/MPS/population hospitals --name-en Hospitals',
      'service-administrator',
      'PUT /local-groups/VN/GOV/MPS/population/hospitals',
      { description: { en: 'Hospitals', vi: 'Hospitals' } },
    ],
    [
      'group add VN/GOV/MPS/population hospitals VN/GOV/MOH/a',
      'service-administrator',
      'PUT /local-groups/VN/GOV/MPS/population/hospitals/members/VN/GOV/MOH/a',
      undefined,
    ],
    [
      'group remove VN/GOV/MPS/population hospitals VN/GOV/MOH/a',
      'service-administrator',
      'DELETE /local-groups/VN/GOV/MPS/population/hospitals/members/VN/GOV/MOH/a',
      undefined,
    ],
    [
      'group delete VN/GOV/MPS/population hospitals',
      'service-administrator',
      'DELETE /local-groups/VN/GOV/MPS/population/hospitals',
      undefined,
    ],
    [`right list --service ${service}`, 'auditor', `GET /rights?service=${service}`, undefined],
    [
      'right revoke r1 --reason over',
      'service-administrator',
      'POST /rights/r1/revocation',
      { reason: 'over' },
    ],
    [
      'key generate --usage signing --member VN/GOV/MOJ',
      'security-officer',
      'POST /keys',
      { usage: 'signing', member: 'VN/GOV/MOJ' },
    ],
    [
      'key import octets --usage authentication --passphrase-file secret.txt',
      'security-officer',
      'POST /keys/import',
      expect.objectContaining({ format: 'pkcs12', passphrase: 'secret' }),
    ],
    [
      'key import in.pem --usage authentication',
      'security-officer',
      'POST /keys/import',
      expect.objectContaining({ format: 'pem' }),
    ],
    [
      'key request k1 --common-name a --dns a,b',
      'security-officer',
      'POST /keys/k1/request',
      { subject: { CN: 'a' }, dns: ['a', 'b'] },
    ],
    ['key activate d1', 'security-officer', 'PUT /certificates/d1', { active: true }],
    [`message show ${mid} --json`, 'auditor', `GET /messages/${mid}`, undefined],
    [`message content ${mid} --ground QD-1`, 'auditor', `POST /messages/${mid}/content`, { ground: 'QD-1' }],
    ['message checkpoint --json', 'auditor', 'POST /checkpoint', undefined],
    [
      'api-key create a --roles auditor,security-officer',
      'security-officer',
      'POST /api-keys',
      { name: 'a', roles: ['auditor', 'security-officer'] },
    ],
  ])('%s', async (command, role, line, body) => {
    const words = command.split(' ').map((word) => word.replace(/^GET_/, 'GET '));
    const { code } = await run([...words, '--folder', '.']);
    expect(asked).toEqual([{ line, key: `Bearer ${role}`, body }]);
    expect(code).toBe(0);
  });

  test('print one thing in lines, and JSON for programs as it came', async () => {
    expect((await run(['request', 'show', '7', '--folder', '.'])).out).toBe('state  waiting\nlist   1\n');
    expect((await run(['--json', 'request', 'show', '7', '--folder', '.'])).out).toBe(
      '{"state":"waiting","list":[1]}\n',
    );
    answer.body = { ...{ id: 'k', names: { en: 'A', vi: 'Á' } }, ...{ at: { until: 1764000000 }, none: [] } };
    answer.body = {
      ...(answer.body as object),
      publicKey: '-----BEGIN X',
      list: [{ a: 1 }, { a: 22, b: true }],
    };
    expect((await run(['request', 'show', '7', '--folder', '.'])).out.split('\n')).toEqual([
      ...['id        k', 'names     A / Á', 'at.until  2025-11-24T16:00:00Z', 'none      none'],
      ...['', 'list', '  a   b', '  1   -', '  22  true', ''],
    ]);
  });

  test('print a list as a table with a heading, aligned, without what nobody reads', async () => {
    answer.body = [
      { client: 'a', state: 'registered', pem: '-----BEGIN CERTIFICATE-----\nMII' },
      { client: 'a long one', state: 'declined', reason: 'twice\n\u001b[2J' },
    ];
    expect((await run(['client', 'list', '--folder', '.'])).out.split('\n')).toEqual([
      'client      state       reason',
      'a           registered  -',
      'a long one  declined    twice [2J',
      '',
    ]);
    answer.body = [{ seq: 1764000000, createdAt: 1764000000012, expires: 1764000000 }];
    expect((await run(['request', 'list', '--folder', '.'])).out).toBe(
      'seq         createdAt             expires\n1764000000  2025-11-24T16:00:00Z  2025-11-24T16:00:00Z\n',
    );
  });

  test('print a line for each certificate of the keys, with the digest that other commands take', async () => {
    const certificates = ['D1', 'D2'].map((digest, at) => ({ digest, until: 1764000000, active: at === 1 }));
    answer.body = [
      { id: 'k1', usage: 'log', alg: 'EdDSA', name: 'lane-0', certificates: [] },
      { id: 'k2', usage: 'signing', alg: 'ES256', member: 'VN/GOV/MOJ', certificates },
    ];
    expect((await run(['key', 'list', '--folder', '.'])).out.split('\n')).toEqual([
      'usage    of          id  alg    certificate  active  until',
      'log      lane-0      k1  EdDSA  -            -       -',
      'signing  VN/GOV/MOJ  k2  ES256  D1           false   2025-11-24T16:00:00Z',
      'signing  VN/GOV/MOJ  k2  ES256  D2           true    2025-11-24T16:00:00Z',
      '',
    ]);
  });

  test('print the revisions of a right one after the other, without their signatures', async () => {
    const deliveries = [{ server: 'VN/GOV/MOJ/ss1', at: 1764000000, outcome: 'taken' }];
    answer.body = [1, 2].map((rev) => ({ digest: `D${rev}`, claims: { rev }, signed: 'a.b.c', deliveries }));
    expect((await run(['right', 'show', 'r', '--folder', '.'])).out).toMatch(
      /^digest +D1\nclaims\.rev +1\n\ndeliveries\n +server +at +outcome\n +VN\/\S+ +2025-\S+ +taken\n\ndigest +D2\n/,
    );
  });

  test.each([
    ['client list', 'no clients; `onceway-server client add …` makes one'],
    ['key list', 'no keys; `onceway-server key generate …` makes one'],
    ['right list', 'no rights; `onceway-server right grant …` makes one'],
    ['request list', 'no requests'],
    ['right held', 'nothing yet'],
  ])('%s that is empty says: %s', async (command, said) => {
    answer.body = [];
    expect((await run([...command.split(' '), '--folder', '.'])).out).toBe(`${said}\n`);
    expect((await run(['--json', ...command.split(' '), '--folder', '.'])).out).toBe('[]\n');
  });

  describe('of the message log', () => {
    const at = 1_764_000_000_012;
    const lane = { origin: 'a.test/log/ss1/lane-0', size: 7, root: 'R', at, checkpoint: 'note' };
    const sealed = { origin: 'a.test/log/ss1', size: 3, root: 'R', at };
    const unwitnessed = { ...sealed, checkpoint: 'text\n\n\u2014 a.test/log/ss1 Q2U=\n' };
    const cosigned = {
      ...unwitnessed,
      checkpoint: `${unwitnessed.checkpoint}\u2014 audit.test/w QUE=\n\u2014 b.test/w QUI=\n`,
      ...{ witnessed: true, timeStamp: 'MIIB' },
    };
    const jws = (typ: string, payload: object): string =>
      [{ alg: 'ES256', typ }, payload]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .concat('c2ln')
        .join('.');
    const asked = jws('exchange-request+jws', { iss: 'VN/GOV/MOJ/a', aud: service });
    const entryOf = (entry: object): string =>
      JSON.stringify({ v: 1, type: 'message', at, dir: 'out', peer: 'VN/GOV/MPS/ss2', ...entry });
    const show = async (entry: object) => {
      answer.body = {
        mid,
        entries: [{ log: lane.origin, index: 6, materials: ['x'.repeat(5_000)], ...entry }],
      };
      return (await run(['message', 'show', mid, '--folder', '.'])).out;
    };

    test('show a message in a few lines, and all of it to programs', async () => {
      const out = await show({
        ...{ entry: entryOf({ message: asked }), answer: 'B', lane },
        server: { ...cosigned, index: 2 },
      });
      expect(out.replaceAll(/ {2,}/g, '  ').split('\n')).toEqual([
        `message  ${mid}`,
        'kind  request',
        'from  VN/GOV/MOJ/a',
        `to  ${service}`,
        'direction  sent by this server to VN/GOV/MPS/ss2',
        'answer  B (show it likewise)',
        'at  2025-11-24T16:00:00Z',
        'index  6 in a.test/log/ss1/lane-0',
        "proven  to the lane's checkpoint of size 7",
        'proven on  entry 2 of the checkpoint of size 3 of a.test/log/ss1, 2025-11-24T16:00:00.012Z',
        'witnesses  audit.test/w, b.test/w',
        'time-stamp  there',
        '',
      ]);
      const { out: whole } = await run(['--json', 'message', 'show', mid, '--folder', '.']);
      expect(JSON.parse(whole)).toEqual(answer.body);
    });

    test('show a refusal with its code, taken, and that nothing covers it yet', async () => {
      const refusal = jws('exchange-refusal+jws', { code: 'access_denied' });
      const out = await show({ entry: entryOf({ type: 'refusal', dir: 'in', message: asked, refusal }) });
      expect(out).toMatch(/kind +request, refused: access_denied\n/);
      expect(out).toMatch(/direction +taken by this server from VN\/GOV\/MPS\/ss2\n/);
      expect(out).toMatch(/proven +not yet: .*message checkpoint/);
      expect(out).not.toMatch(/witnesses|time-stamp/);
    });

    test('show an answer with what it answers, where witnesses are missing', async () => {
      const message = jws('exchange-answer+jws', {
        ...{ iss: 'VN/GOV/MPS/population', aud: 'VN/GOV/MOJ/a', re: 'Q', op: 'GET /persons/{id}' },
      });
      const out = await show({ entry: entryOf({ message }), lane, server: { ...unwitnessed, index: 2 } });
      expect(out).toMatch(/kind +answer\n/);
      expect(out).toMatch(/operation +GET \/persons\/\{id\}\nanswer to +Q\n/);
      expect(out).toMatch(/witnesses +not yet, or not enough of them\ntime-stamp +not yet\n/);
    });

    test('show a checkpoint in a few lines, what failed among them', async () => {
      const counts = { lane: 7, server: 3, uncovered: 0 };
      answer.body = { lane, server: cosigned, counts, failed: ['time-stamp'] };
      const seal = async () => (await run(['message', 'checkpoint', '--folder', '.'])).out;
      const out = await seal();
      expect(out.split('\n')).toHaveLength(8);
      expect(out).toMatch(/witnesses +audit.test\/w, b.test\/w\n/);
      expect(out).toMatch(/failed +time-stamp; it is tried again/);
      answer.body = { counts, failed: [] };
      expect(await seal()).toMatch(/server +no checkpoint yet\n.*\nfailed +nothing\n/s);
    });
  });

  test('status fails while the exchange is stopped, and says why', async () => {
    answer = { status: 503, body: { status: 'failing', findings: [{ code: 'configuration_expired' }] } };
    const { code, out } = await run(['status', '--folder', '.']);
    expect(code).toBe(1);
    expect(out).toBe('status  failing\n\nfindings\n  code\n  configuration_expired\n');
  });

  test('say what the server refused, and how to mend it', async () => {
    answer = { status: 403, body: { code: 'forbidden', title: 'x', rule: 'roles: auditor' } };
    const { code, err } = await run(['client', 'list', '--folder', '.']);
    expect(code).toBe(1);
    expect(err).toContain('The role does not allow it: roles: auditor\nAsk for a key with the role');
    answer = { status: 500, body: 'nonsense' };
    expect(JSON.parse((await run(['--json', 'client', 'list', '--folder', '.'])).err)).toMatchObject({
      error: 'broken',
    });
    answer = { status: 401, body: { code: 'unauthenticated', title: 'x' } };
    expect(await run(['client', 'list', '--folder', '.'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('\nName the file of a key of this server with --api-key-file.\n'),
    });
    // The registry that the server asks, not the server.
    answer = { status: 503, body: { code: 'registry_unreachable', title: 'x' } };
    expect((await run(['request', 'show', '7', '--folder', '.'])).code).toBe(3);
    // What a server answers is no wrong usage, whatever its code.
    answer = { status: 400, body: { code: 'request_invalid', title: 'x' } };
    expect((await run(['client', 'list', '--folder', '.'])).code).toBe(1);
  });

  test('say where no server answers, or something else, and exit with 3', async () => {
    const { port } = http.address() as AddressInfo;
    http
      .removeAllListeners('request')
      .on('request', (_request, response: ServerResponse) => response.end('<p>'));
    expect(await run(['client', 'list', '--folder', '.'])).toMatchObject({
      code: 3,
      err: expect.stringContaining(
        `what answers at http://127.0.0.1:${port} is no security server: look at --url`,
      ),
    });
    http.close();
    http.closeAllConnections();
    const nobody = await run(['client', 'list', '--folder', '.']);
    expect(nobody).toEqual({
      code: 3,
      out: '',
      err:
        'Own security server could not be reached: ' +
        `no server answers at http://127.0.0.1:${port} (ECONNREFUSED)\n` +
        'Check that it runs ("onceway-server run --folder …") and listens there.\n',
    });
  });

  test.each([
    [['client', 'list'], 'which server?'],
    [['client', 'list', '--folder', 'none'], 'none/server.json can not be read: there is no such file'],
    [['client', 'list', '--url', 'nowhere', '--api-key-file', 'secret.txt'], '"nowhere" is no URL'],
    [
      ['client', 'list', '--folder', '.', '--api-key-file', 'none'],
      'none can not be read: there is no such file; name the file of your API key with --api-key-file',
    ],
    [['client', 'list', '--folder', '.', '--api-key-file', 'in.pem'], 'in.pem holds no API key'],
    [['client', 'frobnicate'], "unknown command 'frobnicate'"],
    [['client', 'list', '--frobnicate'], "unknown option '--frobnicate'"],
    [['client', 'remove', '--folder', '.'], "missing required argument 'client'"],
    [
      ['service', 'add', service, '--base-url', 'http://a', '--timeout-ms', 'x', '--folder', '.'],
      'is no number',
    ],
    [['right', 'grant', service, '--reason', 'r', '--folder', '.'], 'to whom?'],
    [
      ['right', 'grant', service, '--reason', 'r', '--group', 'a', '--local-group', 'a', '--folder', '.'],
      'to whom?',
    ],
    [['group', 'create', service, 'a', '--folder', '.'], "required option '--name-en <name>' not specified"],
    [
      ['right', 'grant', service, '--reason', 'r', '--client', 'a', '--endpoint', 'GET', '--folder', '.'],
      'is no endpoint',
    ],
    [
      ['right', 'grant', service, '--reason', 'r', '--client', 'a', '--until', 'soon', '--folder', '.'],
      'is no time',
    ],
    [
      ['service', 'add', service, '--base-url', 'http://a', '--description', 'secret.txt', '--folder', '.'],
      'is not JSON',
    ],
    [['key', 'import', 'none', '--usage', 'signing', '--folder', '.'], 'none can not be read'],
    [['service', 'add', service, '--folder', '.'], "required option '--base-url <url>' not specified"],
  ])('%j is refused before anything is asked', async (args, text) => {
    const { code, err } = await run(args);
    expect(code).toBe(2);
    expect(err).toContain(text);
    expect(asked).toEqual([]);
  });
});

test('every command shows an example', async () => {
  const { out } = await run(['--help']);
  expect(out).toContain('Examples');
  expect(out).toMatch(/^Exit codes: 0 done, 1 .*, 2 .*, 3 /m);
  for (const command of ['init', 'enrol', 'run', 'status'])
    expect((await run([command, '--help'])).out).toContain(
      `$ ${command === 'init' ? 'ONCEWAY_PIN=… ' : ''}onceway-server ${command}`,
    );
  // Whoever copies it gives what is needed: to whom, and why.
  expect((await run(['right', 'grant', '--help'])).out).toMatch(
    /\$ onceway-server right grant VN\/\S+ --client … --reason … /,
  );
  expect((await run(['group', 'add', '--help'])).out).toContain(
    '$ onceway-server group add VN/GOV/MOJ/civil-status hospitals VN/GOV/MOH/hospital-a',
  );
});
