import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createProgram } from '../../src/cli/program.js';
import { answerLines, mid, startRoad } from '../client/road.js';
import type { Road } from '../client/road.js';

const SERVICE = 'VN/GOV/NSO/CODE-LISTS/communes';
let road: Road;
beforeEach(async () => {
  road = await startRoad();
});
afterEach(() => road.close());

const named = (file: string): Buffer => Buffer.from(`{"from":"${file}"}`);
let readFile: (file: string) => Buffer = named;
afterEach(() => {
  readFile = named;
});

async function run(
  ...args: string[]
): Promise<{ out: string; octets: Buffer[]; note: string; code: number }> {
  const octets: Buffer[] = [];
  const result = { out: '', octets, note: '', code: 0 };
  await createProgram({
    out: (said) => {
      octets.push(Buffer.from(said));
      result.out = Buffer.concat(octets).toString();
    },
    note: (text) => (result.note += text),
    read: readFile,
    exitCode: (code) => (result.code = code),
  }).parseAsync(args, { from: 'user' });
  return result;
}
const where = (): string[] => ['--server', road.server, '--client', 'VN/GOV/MOH/HOSPITALS'];

describe('onceway call', () => {
  test('prints the body on stdout and the proof beside it', async () => {
    road.script = (one, response) =>
      response.writeHead(200, answerLines(one, { exchange: 'REQ', answer: 'ANS' })).end('{"n":1}');
    const { out, note, code } = await run('call', SERVICE, '/records?limit=5', ...where(), '--issue', 'HN-1');
    expect([out, code]).toEqual(['{"n":1}', 0]);
    expect(note).toBe('status  200\nsigner  VN/GOV/NSO\nrequest REQ\nanswer  ANS\n\n');
    expect(road.seen[0]).toMatchObject({
      url: `/r1/${SERVICE}/records?limit=5`,
      headers: { 'x-road-issue': 'HN-1' },
    });
  });
  test('sends a body as JSON, from the command line or a file, or as another type', async () => {
    await run('call', SERVICE, ...where(), '-d', '{"a":1}');
    await run('call', SERVICE, ...where(), '--data-file', '-', '-X', 'PUT');
    await run('call', SERVICE, ...where(), '-d', 'a,b', '-H', 'content-type: text/csv');
    expect(road.seen.map(({ method, body, headers }) => [method, body, headers['content-type']])).toEqual([
      ['POST', '{"a":1}', 'application/json'],
      ['PUT', '{"from":"-"}', 'application/json'],
      ['POST', 'a,b', 'text/csv'],
    ]);
  });
  test('hands a body over octet for octet, also one that is no text', async () => {
    const body = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x0a, 0xc3]);
    road.script = (one, response) => response.writeHead(200, answerLines(one)).end(body);
    expect(Buffer.concat((await run('call', SERVICE, ...where())).octets)).toEqual(body);
    const told = JSON.parse((await run('--json', 'call', SERVICE, ...where())).out) as object;
    expect(told).toMatchObject({ bodyBase64: body.toString('base64') });
    expect(told).not.toHaveProperty('body');
  });
  test('speaks mutual TLS with the files that it is told, and trusts none other', async () => {
    const names = ['ca', 'other'] as const;
    const folder = mkdtempSync(join(tmpdir(), 'cli-'));
    try {
      for (const name of names)
        execFileSync(
          'openssl',
          `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -addext subjectAltName=IP:127.0.0.1 -keyout ${name}.key -out ${name}.pem`.split(
            ' ',
          ),
          { cwd: folder, stdio: 'pipe' },
        );
      const file = (name: string): string => join(folder, name);
      const callers: (string | undefined)[] = [];
      const server = createTlsServer(
        {
          ...{ key: readFileSync(file('ca.key')), cert: readFileSync(file('ca.pem')) },
          ...{ requestCert: true, rejectUnauthorized: false },
        },
        (request, response) => {
          callers.push((request.socket as TLSSocket).getPeerX509Certificate()?.subject);
          response.writeHead(500, { 'content-type': 'application/json' }).end('{}');
        },
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const to = [
        ...['--server', `https://127.0.0.1:${(server.address() as AddressInfo).port}`],
        ...['--client', 'VN/GOV/MOH/HOSPITALS'],
      ];
      const own = ['--cert', file('other.pem'), '--key', file('other.key')];
      const call = (...args: string[]) => run('call', SERVICE, ...to, ...args);
      readFile = (name) => readFileSync(name);
      await call('--ca', file('ca.pem'), ...own);
      await call('--ca', file('ca.pem'));
      expect(callers).toEqual(['CN=other', undefined]);
      expect((await call('--ca', file('other.pem'), ...own)).note).toContain('server_unreachable');
      expect((await call(...own)).note).toContain('server_unreachable');
      expect(callers).toHaveLength(2);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test("tells a service's no, a refusal and an unknown outcome apart by the exit code", async () => {
    road.script = (one, response) => response.writeHead(404, answerLines(one)).end('{}');
    expect(await run('call', SERVICE, ...where())).toMatchObject({ code: 1, out: '{}' });
    road.script = (_one, response) =>
      response
        .writeHead(403, { 'content-type': 'application/problem+json', 'exchange-id': 'REQ' })
        .end(
          '{"code":"access_denied","hop":"provider-server","title":"No access","rule":"R1","hint":"Ask."}',
        );
    const refused = await run('call', SERVICE, ...where());
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.note).toBe(
      'access_denied at the provider-server: No access\nrule     R1\nto mend  Ask.\noutcome  refused\nmessage  REQ\n',
    );
    const json = await run('--json', 'call', SERVICE, ...where());
    expect(JSON.parse(json.note)).toMatchObject({ code: 'access_denied', rule: 'R1', messageId: 'REQ' });
    road.script = (_one, _response, request) => request.socket.destroy();
    expect(await run('call', SERVICE, ...where())).toMatchObject({ code: 3 });
    expect(await run('call', 'not/a/service', ...where())).toMatchObject({
      code: 2,
      note: expect.stringContaining('identifier_invalid'),
    });
  });
  test('refuses a command line that lacks something', async () => {
    await expect(run('call', SERVICE, '--client', 'VN/GOV/MOH/HOSPITALS')).rejects.toMatchObject({
      code: 'commander.missingMandatoryOptionValue',
    });
    await expect(run('call', ...where())).rejects.toMatchObject({ code: 'commander.missingArgument' });
    await expect(run('fetch')).rejects.toMatchObject({ code: 'commander.unknownCommand' });
    for (const wrong of [
      ['-H', 'none'],
      ['--timeout', 'soon'],
      ['--timeout', '0'],
    ])
      await expect(run('call', SERVICE, ...where(), ...wrong)).rejects.toMatchObject({
        code: 'commander.invalidArgument',
      });
    const nowhere = await run('call', SERVICE, '--server', 'nonsense', '--client', 'VN/GOV/MOH/HOSPITALS');
    expect(nowhere).toMatchObject({ code: 2, note: expect.stringContaining('origin of a client listener') });
  });
});

test('onceway outcome prints the recorded answer, or what is known', async () => {
  const id = mid();
  road.script = (one, response) =>
    response
      .writeHead(201, {
        ...answerLines(one),
        'x-road-id': 'VN-1',
        'x-road-service': SERVICE,
        'exchange-id': id,
      })
      .end('{"n":2}');
  expect(await run('--json', 'outcome', id, ...where())).toMatchObject({
    out: expect.stringContaining('"status":201'),
  });
  road.script = (_one, response) => response.writeHead(202).end();
  expect(await run('outcome', id, ...where())).toMatchObject({ out: 'still running\n', code: 3 });
  road.script = (_one, response) =>
    response
      .writeHead(409, { 'content-type': 'application/problem+json' })
      .end('{"code":"not_recorded","hop":"provider-server"}');
  expect(await run('outcome', id, ...where())).toMatchObject({ code: 2 });
  // Whoever repeats a request at 2 would repeat one that the service may have acted on.
  road.script = (_one, response) =>
    response
      .writeHead(404, { 'content-type': 'application/problem+json' })
      .end('{"code":"not_found","hop":"consumer-server"}');
  expect(await run('outcome', id, ...where())).toMatchObject({ code: 3 });
  const nobody = ['--server', 'http://127.0.0.1:1', '--client', 'VN/GOV/MOH/HOSPITALS'];
  expect(await run('outcome', id, ...nobody)).toMatchObject({
    code: 3,
    note: expect.stringContaining('outcome  unknown'),
  });
});

describe('onceway catalogue search', () => {
  const entry = {
    service: SERVICE,
    title: { en: 'Communes', vi: 'Xã, phường' },
    provider: { en: 'National Statistics Office', vi: 'Cục Thống kê' },
  };
  async function registry(status: number, body: string): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(status, { connection: 'close' }).end(body);
      server.close();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
  }

  test('lists services with their titles in both languages', async () => {
    const { url, asked } = await registry(200, JSON.stringify([entry]));
    const found = await run('catalogue', 'search', 'xã', 'phường', '--registry', url);
    expect(asked).toEqual([
      `/catalogue?q=${encodeURIComponent('xã').replace('%20', '+')}+${encodeURIComponent('phường')}`,
    ]);
    expect(found.out).toBe(
      `${SERVICE}\n    Communes / Xã, phường\n    National Statistics Office / Cục Thống kê\n`,
    );
    const again = await registry(200, JSON.stringify([entry]));
    expect(JSON.parse((await run('--json', 'catalogue', 'search', '--registry', again.url)).out)).toEqual([
      entry,
    ]);
    const none = await registry(200, '[]');
    expect(await run('catalogue', 'search', 'x', '--registry', none.url)).toMatchObject({ out: '', code: 0 });
  });
  test.each([
    ['a refusal', 503, '{}'],
    ['no JSON', 200, '<html>'],
    ['no list', 200, '{}'],
    ['an entry without a title', 200, JSON.stringify([{ ...entry, title: 'x' }])],
    ['an entry that is no service', 200, JSON.stringify([{ ...entry, service: 'a/b' }])],
    ['more than it can be', 200, `"${'x'.repeat(1024 * 1024)}"`],
  ])('says so when the registry gives %s', async (_title, status, body) => {
    const { url } = await registry(status, body);
    const found = await run('catalogue', 'search', 'x', '--registry', url);
    expect(found.code).toBe(2);
    expect(found.note).toMatch(/^(?:request|identifier)_invalid: /);
  });
  test('says so when there is no registry', async () => {
    expect(await run('catalogue', 'search', 'x', '--registry', 'http://127.0.0.1:1')).toMatchObject({
      code: 2,
    });
  });
});

test('the program starts, and its help shows examples', () => {
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const help = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
  expect([help.status, help.stderr]).toEqual([0, '']);
  expect(help.stdout).toContain('onceway catalogue search khai sinh');
  expect(spawnSync(process.execPath, [main, 'nonsense'], { encoding: 'utf8' }).status).toBe(2);
});
