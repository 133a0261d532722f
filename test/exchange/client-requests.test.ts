// What a hostile or faulty information system can send to the client listener: each is refused with its code, before
// or by the provider, and the service is not called.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RefusalRate } from '@onceway/security-server/exchange/refusal-rate';
import { createClientInterface } from '@onceway/security-server/http/client-interface';
import { faultOf, PROBLEMS, type ErrorCode, type Hop, type SubsystemId } from '@onceway/sdk/protocol';
import { Client } from 'undici';
import { answered, sendOctets } from './client-wire.js';
import { Federation, type TestServer, type TestService } from './federation.js';
import { recordsOf } from './peer-records.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
let client: SubsystemId;
let offering: SubsystemId;
let echo: TestService;
let limited: TestService;
let closed: TestService;
let forbidden: TestService;
let caller: Client;

beforeAll(async () => {
  federation = await Federation.start();
  consumer = await federation.server(federation.member('CONSUMER'), 'SS1');
  provider = await federation.server(federation.member('PROVIDER'), 'SS2');
  client = await federation.client(consumer, 'CLIENT');
  offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  const offer = (code: string): Promise<TestService> => federation.service(provider, offering, code);
  [echo, limited, closed, forbidden] = [
    await offer('echo'),
    await offer('limited'),
    await offer('closed'),
    await offer('forbidden'),
  ];
  const { services } = provider.running;
  const grant = { subject: { client }, reason: 'for the test' };
  await services.grant({ ...grant, service: echo.id }, 'test');
  await services.grant({ ...grant, service: closed.id }, 'test');
  await services.grant(
    { ...grant, service: limited.id, endpoint: { method: 'GET', path: '/allowed/*' } },
    'test',
  );
  await services.setDisabled(closed.id, 'down until Monday');
  // Each refusal in a second of its own: the bound has its own test.
  let second = 0;
  Object.assign(provider.running.exchange, { refusals: new RefusalRate(() => 1000 * second++) });
  caller = new Client(consumer.running.addresses.client, { maxHeaderSize: 64 * 1024 });
});
afterAll(async () => {
  await caller.close();
  await federation.stop();
});

beforeEach(() => {
  for (const service of [echo, limited, closed, forbidden]) service.calls.length = 0;
});

const called = (): number =>
  [echo, limited, closed, forbidden].reduce((sum, { calls }) => sum + calls.length, 0);

interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

async function call({ method = 'GET', path = `/r1/${echo.id}`, headers = {}, body }: Call) {
  const answer = await caller.request({
    method: method,
    path,
    headers: { 'X-Road-Client': client, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

const problem = { accept: 'application/problem+json' };
const service = (code: string): string => `/r1/TEST/GOV/PROVIDER/OFFERING/${code}`;
const NOTHING = [[], []];

describe('what the consumer’s server refuses, without a record', () => {
  test.each<[what: string, call: () => Call, code: ErrorCode]>([
    [
      'no part too few in X-Road-Client',
      () => ({ headers: { 'X-Road-Client': 'TEST/GOV' } }),
      'identifier_invalid',
    ],
    ['one too many', () => ({ headers: { 'X-Road-Client': `${client}/MORE` } }), 'identifier_invalid'],
    ['an empty one', () => ({ headers: { 'X-Road-Client': '' } }), 'identifier_invalid'],
    ['dots in it', () => ({ headers: { 'X-Road-Client': 'TEST/GOV/../CLIENT' } }), 'identifier_invalid'],
    ['escaped dots', () => ({ headers: { 'X-Road-Client': 'TEST/GOV/%2e%2e/C' } }), 'identifier_invalid'],
    ['NUL in it', () => ({ headers: { 'X-Road-Client': 'TEST/GOV/A%00/C' } }), 'identifier_invalid'],
    ['a broken escape', () => ({ headers: { 'X-Road-Client': 'TEST/GOV/A%Z0/C' } }), 'identifier_invalid'],
    ['overlong UTF-8', () => ({ headers: { 'X-Road-Client': 'TEST/GOV/A%C0%AF/C' } }), 'identifier_invalid'],
    [
      'a part too long',
      () => ({ headers: { 'X-Road-Client': `TEST/GOV/${'A'.repeat(201)}/C` } }),
      'identifier_invalid',
    ],
    [
      'octets above ASCII',
      () => ({ headers: { 'X-Road-Client': 'TEST/GOV/\u00e9/C' } }),
      'identifier_invalid',
    ],
    [
      'a client that is not registered',
      () => ({ headers: { 'X-Road-Client': 'TEST/GOV/CONSUMER/NO' } }),
      'client_unknown',
    ],
    ['one of another server', () => ({ headers: { 'X-Road-Client': offering } }), 'client_unknown'],
    [
      'another instance',
      () => ({ headers: { 'X-Road-Client': 'EE/GOV/CONSUMER/CLIENT' } }),
      'client_unknown',
    ],
    ['a service with a part too few', () => ({ path: `/r1/${offering}` }), 'request_target_invalid'],
    ['an empty part', () => ({ path: '/r1/TEST//PROVIDER/OFFERING/echo' }), 'request_target_invalid'],
    ['dots for a part', () => ({ path: '/r1/TEST/GOV/../OFFERING/echo' }), 'request_target_invalid'],
    [
      'escaped dots for a part',
      () => ({ path: '/r1/TEST/GOV/%2E%2e/OFFERING/echo' }),
      'request_target_invalid',
    ],
    ['NUL in a part', () => ({ path: service('echo%00') }), 'request_target_invalid'],
    ['overlong UTF-8 in a part', () => ({ path: service('%C0%AE') }), 'request_target_invalid'],
    ['a fragment', () => ({ path: `${service('echo')}#x` }), 'request_target_invalid'],
    [
      'another protocol version',
      () => ({ path: service('echo').replace('r1', 'r2') }),
      'request_target_invalid',
    ],
    ['the prefix by another path', () => ({ path: `/x/..${service('echo')}` }), 'request_target_invalid'],
    ['an unknown provider', () => ({ path: '/r1/TEST/GOV/PROVIDER/NO/echo' }), 'provider_unknown'],
    ['an unknown member', () => ({ path: '/r1/TEST/GOV/NO/OFFERING/echo' }), 'provider_unknown'],
    [
      'a pin that is no server',
      () => ({ headers: { 'X-Road-Security-Server': 'TEST/GOV/PROVIDER' } }),
      'security_server_invalid',
    ],
    [
      'a pin to nobody',
      () => ({ headers: { 'X-Road-Security-Server': 'TEST/GOV/PROVIDER/NO' } }),
      'security_server_invalid',
    ],
    [
      'a pin to one that does not host it',
      () => ({ headers: { 'X-Road-Security-Server': consumer.id } }),
      'security_server_invalid',
    ],
    [
      'a represented party of three parts',
      () => ({ headers: { 'X-Road-Represented-Party': 'A/B/C' } }),
      'represented_party_invalid',
    ],
    [
      'an empty represented party',
      () => ({ headers: { 'X-Road-Represented-Party': '' } }),
      'represented_party_invalid',
    ],
    ['a method that is not carried', () => ({ method: 'PROPFIND' }), 'method_invalid'],
    ['two purposes', () => ({ headers: { 'Data-Purpose': ['a', 'b'] } }), 'purpose_invalid'],
    ['a purpose with a blank', () => ({ headers: { 'Data-Purpose': 'a b' } }), 'purpose_invalid'],
    ['a form that is none', () => ({ headers: { 'Data-Form': 'e30' } }), 'form_invalid'],
    ['a form not in base64url', () => ({ headers: { 'Data-Form': '!' } }), 'form_invalid'],
    ['100 lines and one', () => ({ headers: many(99) }), 'head_too_large'],
  ])('%s', async (_what, make, code) => {
    const records = recordsOf(consumer, provider);
    const asked = make();
    const answer = await call({ ...asked, headers: { ...asked.headers, ...problem } });
    expect(JSON.parse(answer.body)).toMatchObject({
      code,
      hop: 'consumer-server',
      status: PROBLEMS[code].status,
    });
    expect(answer.status).toBe(PROBLEMS[code].status);
    expect(answer.headers['exchange-id']).toBeUndefined();
    expect(called()).toBe(0);
    expect(await records()).toEqual(NOTHING);
  });

  test('no X-Road-Client', async () => {
    const answer = await caller.request({ method: 'GET', path: service('echo') });
    expect(answer.statusCode).toBe(500);
    expect(await answer.body.json()).toMatchObject({ type: 'Server.ClientProxy.InvalidClientIdentifier' });
    expect(called()).toBe(0);
  });

  test('a declared body too large', async () => {
    const records = recordsOf(consumer, provider);
    const text = await sendOctets(
      consumer.running.addresses.client,
      `POST ${service('echo')} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${client}\r\nAccept: application/problem+json\r\n` +
        `Content-Length: ${1024 ** 3 + 1}\r\nConnection: close\r\n\r\n`,
      (octets) => octets.includes('body_too_large'),
    );
    expect(answered(text)).toMatchObject({ status: 413 });
    expect(JSON.parse(answered(text).body)).toMatchObject({ code: 'body_too_large' });
    expect(called()).toBe(0);
    expect(await records()).toEqual(NOTHING);
  });
});

/** With X-Road-Client, Accept and Host: 100 lines where n is 97. */
function many(n: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [`X-Line-${i}`, 'v']));
}

describe('what cannot be read as HTTP gets a fault and the connection ends', () => {
  const start = `GET ${service('echo')} HTTP/1.1\r\nHost: x\r\nX-Road-Client: TEST/GOV/CONSUMER/CLIENT\r\n`;
  test.each<[what: string, octets: string, code: ErrorCode]>([
    ['garbage', '\u0016\u0003\u0001\u0002\r\n\r\n', 'head_invalid'],
    ['a name with a blank', `${start}Bad Name: x\r\n\r\n`, 'head_invalid'],
    ['a blank before the colon', `${start}X-Bad : x\r\n\r\n`, 'head_invalid'],
    ['a name that is no token', `${start}X-B(ad: x\r\n\r\n`, 'head_invalid'],
    ['NUL in a value', `${start}X-Bad: a\0b\r\n\r\n`, 'head_invalid'],
    ['a control in a value', `${start}X-Bad: a\u0001b\r\n\r\n`, 'head_invalid'],
    ['a bare CR in a value', `${start}X-Bad: a\rb: c\r\n\r\n`, 'head_invalid'],
    ['a head above 20 KiB', `${start}X-Big: ${'x'.repeat(20 * 1024)}\r\n\r\n`, 'head_too_large'],
    [
      'Content-Length and Transfer-Encoding',
      `${start.replace('GET', 'POST')}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'head_invalid',
    ],
    [
      'two lengths',
      `${start.replace('GET', 'POST')}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      'head_invalid',
    ],
    [
      'a length that is no number',
      `${start.replace('GET', 'POST')}Content-Length: 0x3\r\n\r\nabc`,
      'head_invalid',
    ],
    [
      'a coding that is not chunked last',
      `${start.replace('GET', 'POST')}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
      'head_invalid',
    ],
    [
      'a chunk size that is none',
      `${start.replace('GET', 'POST')}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      'head_invalid',
    ],
    ['a version that is none', `GET ${service('echo')} HTTP/9.9\r\nHost: x\r\n\r\n`, 'head_invalid'],
  ])('%s', async (_what, octets, code) => {
    const records = recordsOf(consumer, provider);
    const answer = answered(await sendOctets(consumer.running.addresses.client, octets));
    const { type, message } = faultOf(code, 'consumer-server', { spelling: 'camel', detail: '' });
    expect(answer).toMatchObject({ status: 500, headers: { 'x-road-error': type, connection: 'close' } });
    expect(JSON.parse(answer.body)).toEqual({
      type,
      message,
      detail: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(called()).toBe(0);
    expect(await records()).toEqual(NOTHING);
  });

  test.each<[what: string, octets: string, status: number]>([
    ['no Host', `GET ${service('echo')} HTTP/1.1\r\nX-Road-Client: TEST/GOV/CONSUMER/CLIENT\r\n\r\n`, 400],
    [
      'a target in absolute-form',
      start.replace('/r1/', 'http://x/r1/').replace('Host: x', 'Host: x\r\nConnection: close') + '\r\n',
      500,
    ],
    ['an asterisk for a target', `OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 500],
    ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', Number.NaN],
  ])('%s', async (_what, octets, status) => {
    const answer = answered(await sendOctets(consumer.running.addresses.client, octets));
    expect(answer.status).toBe(status);
    expect(called()).toBe(0);
  });

  test('a wish for another protocol is not heard', async () => {
    const wish = 'Connection: Upgrade, close\r\nUpgrade: websocket\r\n';
    const answer = answered(await sendOctets(consumer.running.addresses.client, `${start}${wish}\r\n`));
    expect(answer.status).toBe(200);
    expect(echo.calls[0]?.headers['upgrade']).toBeUndefined();
  });

  test('a line that goes on in the next one travels as one line, or not at all', async () => {
    const octets = `${start}X-Folded: a\r\n b\r\nConnection: close\r\n\r\n`;
    const answer = answered(await sendOctets(consumer.running.addresses.client, octets));
    if (answer.status === 200) expect(echo.calls[0]?.headers['x-folded']).toMatch(/^a +b$/);
    else expect(answer.status).toBe(500);
  });

  test('a body that does not come in time', async () => {
    const failed: ErrorCode[] = [];
    const slow = createClientInterface({
      exchange: consumer.running.exchange,
      concurrentMax: 10,
      requestTimeoutMs: 100,
      uuid: randomUUID,
      failed: ({ code }) => failed.push(code),
    });
    await listen(slow);
    const { port } = slow.address() as AddressInfo;
    const octets = `${start.replace('GET', 'POST')}Accept: application/problem+json\r\nContent-Length: 3\r\n\r\na`;
    const answer = answered(await sendOctets(`http://127.0.0.1:${port}`, octets));
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'request_timeout' });
    // ... and a head that does not: there is no Accept to go by.
    const head = answered(await sendOctets(`http://127.0.0.1:${port}`, start));
    expect(head).toMatchObject({ status: 500, headers: { 'x-road-error': 'Server.ClientProxy.IOError' } });
    expect(failed).toContain('request_timeout');
    expect(called()).toBe(0);
    await new Promise((resolve) => slow.close(resolve));
  });

  test('more at once than is allowed', async () => {
    const busy = createClientInterface({
      exchange: consumer.running.exchange,
      concurrentMax: 0,
      uuid: randomUUID,
      failed: () => undefined,
    });
    await listen(busy);
    const { port } = busy.address() as AddressInfo;
    const octets = `${start}Accept: application/problem+json\r\nConnection: close\r\n\r\n`;
    const answer = answered(await sendOctets(`http://127.0.0.1:${port}`, octets));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'busy', retry: 1 });
    await new Promise((resolve) => busy.close(resolve));
  });

  test('two requests in one go are answered in their order', async () => {
    echo.handler = (request, response) => response.end(request.url);
    const one = (path: string, more = ''): string =>
      `GET ${service('echo')}${path} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${client}\r\n${more}\r\n`;
    const text = await sendOctets(
      consumer.running.addresses.client,
      one('/first') + one('/second', 'Connection: close\r\n'),
    );
    expect(text.match(/\/first|\/second/g)).toEqual(['/first', '/second']);
    expect(called()).toBe(2);
  });

  test('HTTP/1.0 is served, and the connection ends', async () => {
    const octets = `GET ${service('echo')} HTTP/1.0\r\nX-Road-Client: ${client}\r\n\r\n`;
    expect(answered(await sendOctets(consumer.running.addresses.client, octets)).status).toBe(200);
  });
});

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

describe('what the provider’s server refuses, signed and recorded by both', () => {
  const denied = ['access_denied', 'AccessDenied'] as const;
  const climbing = ['request_target_invalid', 'InternalError'] as const;
  test.each<[path: string, code: ErrorCode, fault: string, method?: string]>([
    [service('nothing'), 'service_unknown', 'UnknownService'],
    [service('forbidden'), ...denied],
    [service('closed'), 'service_disabled', 'ServiceDisabled'],
    [service('limited'), ...denied],
    [service('limited/allowed'), ...denied],
    [service('limited/allowed/x/y'), ...denied],
    [service('limited/allowed//x'), ...denied],
    [service('limited/allowed/x;y'), 'access_denied', 'AccessDenied', 'POST'],
    [service('limited//allowed/x'), ...denied],
    [service('limited/ALLOWED/x'), ...denied],
    [service('limited/allowed/x'), 'access_denied', 'AccessDenied', 'POST'],
    [service('limited/allowed/x'), 'access_denied', 'AccessDenied', 'HEAD'],
    [service('limited/allowed/..'), ...climbing],
    [service('limited/allowed/%2e%2e'), ...climbing],
    [service('limited/allowed/.%2E'), ...climbing],
    [service('limited/allowed/..;x'), ...climbing],
    [service('limited/allowed/..%2f..%2fsecret'), ...climbing],
    [service('limited/allowed/x%2F..%2F..%2Fsecret'), ...climbing],
    [service('limited/allowed/..%5csecret'), ...climbing],
    [service('limited/allowed/x%5c'), ...climbing],
    [service('limited/allowed/x%00'), ...climbing],
    [service('limited/allowed/%252e%252e'), ...climbing],
    [service('limited/allowed/%c0%ae%c0%ae'), ...climbing],
    [service('limited/allowed/%ef%bc%8e%ef%bc%8e'), ...climbing],
    [service('limited/allowed/%zz'), ...climbing],
    [service('limited/allowed/x\\y'), ...climbing],
    [service('echo/a/../b'), ...climbing],
    [service('echo/%2e%2e/%2e%2e/admin'), ...climbing],
    [service('echo/.'), ...climbing],
    [service('listMethods'), 'service_unknown', 'UnknownService', 'POST'],
    [service('getOpenAPI'), 'request_invalid', 'InvalidRequest'],
    [service('getOpenAPI?serviceCode=nothing'), 'service_unknown', 'UnknownService'],
  ])('%s: %s', async (path, code, fault, method = 'GET') => {
    const records = recordsOf(consumer, provider);
    await consumer.running.exchange.configuration.refresh();
    const answer = await call({ path, method });
    expect(answer.status).toBe(500);
    expect(answer.headers['x-road-error']).toBe(`Server.ServerProxy.${fault}`);
    expect(called()).toBe(0);
    expect(await records()).toEqual([['message out', 'refusal'], ['refusal']]);
    const id = String(answer.headers['exchange-id']) as never;
    for (const [server, dir] of [
      [consumer, 'out'],
      [provider, 'in'],
    ] as const)
      expect(await server.running.exchange.log.exchange(id, dir)).toMatchObject({
        answer: { mid: answer.headers['exchange-answer'], entry: { type: 'refusal' } },
      });
    // What became of it is told again, from the log.
    const again = await call({ path: `/exchange/${String(id)}`, headers: problem });
    expect(JSON.parse(again.body)).toMatchObject({ code, hop: 'provider-server', messageId: id });
  });
});

describe('faults are X-Road’s to the letter', () => {
  const refused: [hop: Hop, code: ErrorCode, path: () => string][] = [
    ['consumer-server', 'provider_unknown', () => '/r1/TEST/GOV/PROVIDER/NO/echo'],
    ['provider-server', 'access_denied', () => service('forbidden')],
  ];
  test.each(refused)('in JSON, of the %s', async (hop, code, path) => {
    const answer = await call({ path: path() });
    const body = JSON.parse(answer.body) as Record<string, string>;
    expect(answer.headers['content-type']).toBe('application/json');
    expect(Object.keys(body)).toEqual(['type', 'message', 'detail']);
    expect(body).toEqual(faultOf(code, hop, { spelling: 'camel', detail: body['detail'] ?? '' }));
    expect(answer.headers['x-road-error']).toBe(body['type']);
    // The operator finds the same number in the server's own log.
    expect(consumer.events).toContainEqual(
      expect.objectContaining({ event: 'failed', code, detail: body['detail'] }),
    );
  });

  test.each([
    ['text/xml', 'text/xml;charset=utf-8'],
    ['application/xml;q=0.9, application/json;q=0.1', 'application/xml;charset=utf-8'],
    ['text/*', 'text/xml;charset=utf-8'],
  ])('in XML for Accept: %s', async (accept, type) => {
    const answer = await call({ path: service('forbidden'), headers: { accept } });
    expect(answer).toMatchObject({ status: 500, headers: { 'content-type': type } });
    expect(answer.body).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?><error><type>Server\.ServerProxy\.AccessDenied<\/type><message>[^<]+<\/message><detail>[0-9a-f-]{36}<\/detail><\/error>$/,
    );
  });

  test.each(['*/*', 'application/problem+json, application/json', 'text/html'])(
    'in JSON for Accept: %s',
    async (accept) => {
      const answer = await call({ path: service('forbidden'), headers: { accept } });
      expect(answer).toMatchObject({ status: 500, headers: { 'content-type': 'application/json' } });
    },
  );

  test('and a problem where that alone is accepted, in the client’s language', async () => {
    const answer = await call({
      path: service('limited/other'),
      headers: { accept: 'application/problem+json; q=1', 'accept-language': 'vi-VN' },
    });
    expect(answer).toMatchObject({ status: 403, headers: { 'content-type': 'application/problem+json' } });
    expect(JSON.parse(answer.body)).toEqual({
      type: 'https://onceway.dev/problems#access_denied',
      title: PROBLEMS.access_denied.title,
      status: 403,
      instance: expect.stringMatching(/^urn:uuid:/),
      code: 'access_denied',
      hop: 'provider-server',
      hint: PROBLEMS.access_denied.hint.vi,
      rule: provider.running.services.directory.rights().find(({ service: of }) => of === limited.id)?.id,
      messageId: answer.headers['exchange-id'],
    });
  });
});

describe('what is carried', () => {
  test.each([
    '/a%2Fb',
    '/a;x=1/b',
    '/a//b',
    '/%41%7e',
    '/a/',
    '',
    '/',
    "?a='b'&c=%27",
    '?q={"x":[1|2]}&r=a+b%20c',
    '?',
    '/a?b?c',
    '?x=/../y',
  ])('path and query reach the service as they were sent: %s', async (rest) => {
    echo.handler = (_request, response) => response.end();
    expect(await call({ path: service('echo') + rest })).toMatchObject({ status: 200 });
    expect(echo.calls.map(({ url }) => url)).toEqual([rest.startsWith('/') ? rest : `/${rest}`]);
  });

  test('of several X-Road-Client lines the last, and the service is told no other', async () => {
    await call({ headers: { 'X-Road-Client': [offering, client] } });
    expect(echo.calls[0]?.headers['x-road-client']).toBe(client);
  });

  test('nothing of the exchange’s own that a client sends', async () => {
    echo.handler = (_request, response) => {
      response.setHeader('X-Road-Request-Hash', 'forged');
      response.setHeader('x-road-id', 'forged');
      response.setHeader('Exchange-Id', 'forged');
      response.end();
    };
    const answer = await call({
      headers: {
        'X-Road-Id': 'mine',
        'X-Road-Request-Id': 'forged',
        'X-Road-Request-Hash': 'forged',
        'Exchange-Message': 'forged',
        'Exchange-Id': 'forged',
        'User-Agent': 'mine',
      },
    });
    const headers = echo.calls[0]?.headers ?? {};
    expect(
      Object.keys(headers).filter((name) => name.startsWith('exchange-') || name === 'user-agent'),
    ).toEqual([]);
    expect(headers['x-road-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers['x-road-request-hash']).toBeUndefined();
    expect(headers['x-road-id']).toBe('mine');
    expect(answer.headers).toMatchObject({
      'x-road-id': 'mine',
      'x-road-request-id': headers['x-road-request-id'],
      'x-road-client': client,
      'x-road-service': echo.id,
    });
    expect(JSON.stringify(answer.headers)).not.toContain('forged');
  });

  test('text in UTF-8, octet for octet', async () => {
    // Header values are octets to node:http and undici: one character each.
    const octets = Buffer.from('Nguyễn Thị Bưởi').toString('latin1');
    echo.handler = (_request, response) => response.setHeader('X-Name', octets).end(Buffer.from('ạ'));
    const answer = await call({ headers: { 'X-Road-UserId': octets } });
    expect(echo.calls[0]?.headers['x-road-userid']).toBe(octets);
    expect(answer).toMatchObject({ status: 200, headers: { 'x-name': octets }, body: 'ạ' });
  });

  test('a pin to the right server, and a represented party', async () => {
    const headers = { 'X-Road-Security-Server': provider.id, 'X-Road-Represented-Party': 'COM/1' };
    expect(await call({ headers })).toMatchObject({ status: 200 });
    expect(echo.calls[0]?.headers).toMatchObject({ 'x-road-represented-party': 'COM/1' });
  });

  test('the largest head and body of both directions', async () => {
    echo.handler = (_request, response) => {
      response.setHeader('X-Big', 'y'.repeat(20 * 1024));
      response.end(Buffer.alloc(256 * 1024, 1));
    };
    const answer = await call({
      method: 'POST',
      headers: { ...many(95), 'X-Big': 'x'.repeat(14 * 1024) },
      body: Buffer.alloc(256 * 1024, 1),
    });
    expect({ ...answer, body: answer.body.length }).toMatchObject({ status: 200, body: 256 * 1024 });
    expect(answer.headers['x-big']).toHaveLength(20 * 1024);
  });

  test('but no head of a service above 24 KiB', async () => {
    echo.handler = (_request, response) => response.setHeader('X-Big', 'y'.repeat(25 * 1024)).end();
    const records = recordsOf(consumer, provider);
    const answer = await call({ headers: problem });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'service_answer_invalid', hop: 'service' });
    expect(await records()).toEqual([
      ['message out', 'refusal'],
      ['message in', 'refusal'],
    ]);
  });

  test.each(['DELETE', 'GET', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])('method %s', async (method) => {
    echo.handler = (_request, response) => response.end();
    const withBody = ['PATCH', 'POST', 'PUT'].includes(method);
    expect(await call({ method, body: 'ping' })).toMatchObject({ status: 200 });
    // X-Road: other bodies are signed and kept, not delivered.
    expect(echo.calls).toMatchObject([{ method, body: withBody ? 'ping' : '' }]);
  });

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('%s answered with %d has no body, and the connection goes on', async (method, status) => {
    echo.handler = (_request, response) => {
      response.statusCode = status;
      if (method === 'HEAD') response.setHeader('Content-Length', 5);
      response.end();
    };
    const octets = `${method} ${service('echo')} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${client}\r\n`;
    const text = await sendOctets(
      consumer.running.addresses.client,
      `${octets}\r\n${octets}Connection: close\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`, `HTTP/1.1 ${status}`]);
    expect(text).not.toMatch(/content-length|transfer-encoding/i);
    expect(text.endsWith('\r\n\r\n')).toBe(true);
  });
});

describe('questions about services', () => {
  const document = {
    openapi: '3.0.0',
    info: { title: 'Pets', version: '1' },
    servers: [{ url: 'https://inside.example/v1' }],
    paths: { '/pet/{id}': { get: { responses: { 200: { description: 'ok' } } } } },
  };
  const common = {
    member_class: 'GOV',
    member_code: 'PROVIDER',
    object_type: 'SERVICE',
    subsystem_code: 'OFFERING',
    xroad_instance: 'TEST',
  };
  const shape = { ...common, service_type: 'REST', endpoint_list: [] };
  beforeAll(async () => {
    const http = createServer();
    await listen(http);
    await provider.running.services.putService(`${offering}/pets` as never, {
      baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
      description: document,
    });
    http.close();
  });

  test('listClients', async () => {
    const answer = await call({ path: '/listClients?xRoadInstance=TEST', headers: { 'X-Road-Client': '' } });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    const { member } = JSON.parse(answer.body) as { member: unknown[] };
    expect(member).toContainEqual({
      id: { member_class: 'GOV', member_code: 'PROVIDER', object_type: 'MEMBER', xroad_instance: 'TEST' },
      name: 'PROVIDER',
    });
    expect(member).toContainEqual(
      expect.objectContaining({
        id: {
          member_class: 'GOV',
          member_code: 'PROVIDER',
          object_type: 'SUBSYSTEM',
          subsystem_code: 'OFFERING',
          xroad_instance: 'TEST',
        },
        name: 'PROVIDER',
      }),
    );
  });

  test('listMethods, signed and recorded like any message', async () => {
    const records = recordsOf(consumer, provider);
    const answer = await call({ path: service('listMethods') });
    expect(answer.headers['content-type']).toBe('application/json');
    const { service: listed } = JSON.parse(answer.body) as { service: { service_code: string }[] };
    expect(listed.find(({ service_code }) => service_code === 'forbidden')).toEqual({
      ...shape,
      service_code: 'forbidden',
    });
    expect(listed.find(({ service_code }) => service_code === 'pets')).toEqual({
      ...shape,
      service_code: 'pets',
      service_type: 'OPENAPI',
      endpoint_list: [{ method: 'GET', path: '/pet/*' }],
    });
    expect(await records()).toEqual([
      ['message out', 'message in'],
      ['message in', 'message out'],
    ]);
  });

  test('allowedMethods names only what the client may call', async () => {
    const { body } = await call({ path: service('allowedMethods') });
    const { service: listed } = JSON.parse(body) as { service: { service_code: string }[] };
    expect(listed.map(({ service_code }) => service_code).sort()).toEqual(['closed', 'echo', 'limited']);
  });

  test('getOpenAPI hides where the service lies', async () => {
    const { body } = await call({ path: service('getOpenAPI?serviceCode=pets') });
    expect(JSON.parse(body)).toEqual({ ...document, servers: [{ url: '/v1' }] });
  });

  test('what became of a request is told to the client that sent it, and to no other', async () => {
    echo.handler = (_request, response) => response.end('kept');
    const first = await call({});
    const path = `/exchange/${String(first.headers['exchange-id'])}`;
    expect(await call({ path })).toMatchObject({ status: 200, body: 'kept' });
    for (const headers of [{ 'X-Road-Client': 'TEST/GOV/CONSUMER/OTHER' }, { 'X-Road-Client': offering }])
      expect(JSON.parse((await call({ path, headers: { ...headers, ...problem } })).body)).toMatchObject({
        code: 'not_found',
      });
    const unknown = path.slice(0, -4) + 'AAAA';
    expect(JSON.parse((await call({ path: unknown, headers: problem })).body)).toMatchObject({
      code: 'not_found',
    });
    expect(called()).toBe(1);
  });
});
