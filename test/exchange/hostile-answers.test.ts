// What a hostile or faulty provider's server can answer: the client gets a code and the id of its request, never the
// content, and the log holds the request and that its outcome is unknown.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signStatement, type StatementType } from '@onceway/security-server/keys/statement';
import {
  digestOf,
  memberOf,
  PROBLEMS,
  type ErrorCode,
  type HeadLine,
  type LogEntry,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { Client } from 'undici';
import { Federation, type TestServer, type TestService } from './federation.js';
import { identityOf, stranger, type Message, type Unsigned } from './hostile-peer.js';
import { HostileProvider, type AnswerAlterations, type Asked } from './hostile-provider.js';
import { recordsOf } from './peer-records.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
let client: SubsystemId;
let offering: SubsystemId;
let echo: TestService;
let caller: Client;
let hostile: HostileProvider;

beforeAll(async () => {
  federation = await Federation.start();
  const limits = { outcomeAskIntervalMs: 5, outcomeAskTotalMs: 10 };
  consumer = await federation.server(federation.member('CONSUMER'), 'SS1', { limits });
  provider = await federation.server(federation.member('PROVIDER'), 'SS2');
  client = await federation.client(consumer, 'CLIENT');
  offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  echo = await federation.service(provider, offering, 'echo');
  const grant = { service: echo.id, subject: { client }, reason: 'for the test' };
  await provider.running.services.grant(grant, 'test');
  caller = new Client(consumer.running.addresses.client);
  // Once with the real one: its certificates and their status are known from then on.
  expect(await call()).toMatchObject({ status: 200 });
  await provider.stop();
  hostile = await HostileProvider.start(provider);
});
afterAll(async () => {
  await caller.close();
  await hostile.stop();
  await federation.stop();
});

async function call(path = `/r1/${echo.id}`) {
  const answer = await caller.request({
    method: 'GET',
    path,
    headers: { 'X-Road-Client': client, 'X-Road-Id': 'mine', accept: 'application/problem+json' },
  });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

async function expectUnusable(code: ErrorCode): Promise<string> {
  const records = recordsOf(consumer);
  const answer = await call();
  const id = String(answer.headers['exchange-id']);
  expect(JSON.parse(answer.body)).toMatchObject({ code, hop: 'consumer-server', messageId: id });
  expect(answer.status).toBe(PROBLEMS[code].status);
  expect(answer.body).not.toContain('secret');
  expect(answer.headers['exchange-answer']).toBeUndefined();
  expect(await records()).toEqual([['message out', 'outcome unknown']]);
  expect(await consumer.running.exchange.log.exchange(id as never, 'out')).toMatchObject({
    outcome: 'unknown',
  });
  return id;
}

const alter = (change: (message: Unsigned, asked: Asked) => void): AnswerAlterations => ({
  unsigned: change,
});
const sent = (change: (message: Message) => void): AnswerAlterations => ({ sent: change });
const claim = (name: string, value: unknown): AnswerAlterations =>
  alter(({ claims }) => (claims[name] = value));
const header = (name: string, value: unknown): AnswerAlterations => alter((m) => (m.header[name] = value));
const line = (name: string, value?: string): AnswerAlterations => ({
  lines: (lines) =>
    lines.flatMap((of): HeadLine[] => (of[0] !== name ? [of] : value === undefined ? [] : [[name, value]])),
});
const signedHead = (change: (head: string) => string): AnswerAlterations => ({
  head: (octets) => Buffer.from(change(octets.toString('latin1')), 'latin1'),
});
const time = (iat: number, exp: number): AnswerAlterations =>
  alter(({ header: of, claims }) => {
    const now = Math.floor(Date.now() / 1000);
    of['iat'] = now + iat;
    claims['exp'] = now + exp;
  });
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const zero = Buffer.alloc(32).toString('base64url');
const [bad, foreign] = ['answer_invalid', 'answer_inconsistent'] as const;

test('the provider is one that would be believed', async () => {
  const records = recordsOf(consumer);
  expect(await call()).toMatchObject({ status: 200, body: 'secret' });
  expect(await records()).toEqual([['message out', 'message in']]);
});

describe('an answer', () => {
  test.each<[what: string, alterations: () => AnswerAlterations, code: ErrorCode]>([
    ['to another request', () => claim('re', 'A'.repeat(43)), foreign],
    ['to another client', () => claim('aud', `${memberOf(client)}/OTHER`), foreign],
    ['to another server', () => claim('to', `${memberOf(client)}/SS9`), foreign],
    ['of another subsystem', () => claim('iss', `${memberOf(offering)}/OTHER`), foreign],
    ['of another member', () => claim('iss', `${memberOf(client)}/CLIENT`), bad],
    ['of another server', () => claim('server', consumer.id), bad],
    ['with another x-road-id', () => line('x-road-id', 'other'), foreign],
    ['without x-road-id', () => line('x-road-id'), foreign],
    ['with another x-road-request-id', () => line('x-road-request-id', 'other'), foreign],
    ['with another x-road-client', () => line('x-road-client', offering), foreign],
    ['with another x-road-service', () => line('x-road-service', `${offering}/other`), foreign],
    [
      'with another request hash',
      () => line('x-road-request-hash', Buffer.alloc(64).toString('base64')),
      foreign,
    ],
    ['without a request hash', () => line('x-road-request-hash'), foreign],
    ['with two x-road-id', () => ({ lines: (lines) => [['x-road-id', 'mine'], ...lines] }), foreign],
    ['with a changed head', () => sent((m) => (m.head = Buffer.from('204\r\n').toString('base64url'))), bad],
    ['with a head not in base64url', () => sent((m) => (m.head = `${String(m.head)}=`)), bad],
    ['with a changed body', () => sent((m) => (m.body = Buffer.from('secrets'))), bad],
    ['without its body', () => sent((m) => (m.body = null)), bad],
    [
      'with a body that was not signed',
      () => ({ body: null, ...sent((m) => (m.body = Buffer.from('secret'))) }),
      bad,
    ],
    ['with another salt', () => sent((m) => (m.salts = `${zero}.${zero}`)), bad],
    ['without salts', () => sent((m) => (m.salts = undefined)), bad],
    ['without an envelope', () => sent((m) => (m.envelope = undefined)), bad],
    ['with two envelopes', () => sent((m) => (m.envelope = [String(m.envelope), String(m.envelope)])), bad],
    ['with garbage for an envelope', () => sent((m) => (m.envelope = 'garbage')), bad],
    ['without a head, as a refusal has none', () => sent((m) => (m.head = undefined)), bad],
    ['that is a request', () => header('typ', 'exchange-request+jws'), bad],
    ['with an unknown claim', () => claim('more', 1), bad],
    ['with an extension we may not ignore', () => claim('ext', { must: ['unknown'] }), bad],
    [
      'without its place in the log',
      () => alter(({ claims }) => delete (claims['log'] as { index?: number }).index),
      bad,
    ],
    ['whose body follows', () => claim('body', { follows: true }), bad],
    ['that is expired', () => time(-100, -40), bad],
    ['from the future', () => time(70, 130), bad],
    [
      'under another configuration of the same number',
      () => alter(({ claims }) => (claims['cfg'] = { ...(claims['cfg'] as object), digest: 'A'.repeat(43) })),
      bad,
    ],
    ['by a certificate that is not listed', () => header('x5t#S256', 'A'.repeat(43)), bad],
    [
      'by the authentication certificate',
      () => header('x5t#S256', provider.running.exchange.token.authentication().certificateDigest),
      bad,
    ],
    [
      'by the consumer’s own',
      () =>
        header('x5t#S256', consumer.running.exchange.token.signingKey(memberOf(client)).certificateDigest),
      bad,
    ],
    [
      'by another key',
      () =>
        alter(
          (m) =>
            (m.sign = (input) => signWith('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
        ),
      bad,
    ],
    ['by alg none', () => alter((m) => ((m.header['alg'] = 'none'), (m.sign = () => Buffer.alloc(0)))), bad],
    ['with an informational status', () => signedHead((h) => h.replace('200', '101')), bad],
    ['with a status that is none', () => signedHead((h) => h.replace('200', '999')), bad],
    ['with Content-Length in its head', () => signedHead((h) => `${h}Content-Length:1\r\n`), bad],
    ['with a line break in its head', () => signedHead((h) => `${h}X-A:a\nX-B:b\r\n`), bad],
    ['with the exchange’s own in its head', () => signedHead((h) => `${h}Exchange-Id:x\r\n`), bad],
    ['above the largest body', () => ({ body: Buffer.alloc(300 * 1024, 'secret') }), bad],
  ])('%s', async (_what, alterations, code) => {
    hostile.respond = (asked, response) => hostile.write(hostile.answer(asked, alterations()), response);
    await expectUnusable(code);
  });

  test('to an earlier request, given again', async () => {
    let kept: Message | undefined;
    hostile.respond = (asked, response) => hostile.write((kept ??= hostile.answer(asked)), response);
    expect(await call()).toMatchObject({ status: 200 });
    await expectUnusable(foreign);
  });

  test('that is of no use can be asked for again, and is then recorded', async () => {
    let asked: Asked | undefined;
    hostile.respond = (of, response) => {
      asked = of;
      hostile.write(hostile.answer(of, claim('re', 'A'.repeat(43))), response);
    };
    const id = await expectUnusable(foreign);
    if (asked === undefined) throw new Error('not asked');
    const of = asked;
    // Its time is over, and is not applied to what was fetched afterwards.
    hostile.outcome = (response) => hostile.write(hostile.answer(of, time(-100, -40)), response);
    const records = recordsOf(consumer);
    expect(await call(`/exchange/${id}`)).toMatchObject({ status: 200, body: 'secret' });
    expect(await records()).toEqual([['message in']]);
    hostile.outcome = (response) => void response.writeHead(500).end();
    // From the log now, and the same.
    expect(await call(`/exchange/${id}`)).toMatchObject({ status: 200, body: 'secret' });
  });
});

describe('a refusal', () => {
  const refuse = (code: string, alterations?: AnswerAlterations): void => {
    hostile.respond = (asked, response) => hostile.write(hostile.refusal(asked, code, alterations), response);
  };
  test.each<[what: string, alterations: () => AnswerAlterations, code: ErrorCode]>([
    ['of another request', () => claim('re', 'A'.repeat(43)), foreign],
    ['to another client', () => claim('aud', `${memberOf(client)}/OTHER`), foreign],
    ['to another server', () => claim('to', `${memberOf(client)}/SS9`), foreign],
    ['of another member', () => claim('iss', memberOf(client)), bad],
    ['of another server', () => claim('server', consumer.id), bad],
    [
      'without a place in the log',
      () => alter(({ claims }) => delete (claims['log'] as { index?: number }).index),
      bad,
    ],
    ['that is expired', () => time(-100, -40), bad],
    ['by another key', () => alter((m) => (m.sign = () => Buffer.alloc(64, 1))), bad],
  ])('%s', async (_what, alterations, code) => {
    refuse('access_denied', alterations());
    await expectUnusable(code);
  });

  test.each<[sent: string, code: ErrorCode, hop: string]>([
    ['access_denied', 'access_denied', 'provider-server'],
    ['service_timeout', 'service_timeout', 'service'],
    ['a_code_of_tomorrow', 'peer_refused', 'provider-server'],
  ])('with the code %s is recorded, and told', async (given, code, hop) => {
    refuse(
      given,
      alter(({ claims }) => (claims['rule'] = 'rule-1')),
    );
    const records = recordsOf(consumer);
    const { status, headers, body } = await call();
    expect(status).toBe(PROBLEMS[code].status);
    expect(JSON.parse(body)).toMatchObject({ code, hop, rule: 'rule-1', messageId: headers['exchange-id'] });
    expect(headers['exchange-answer']).toMatch(/^[\w-]{43}$/);
    expect(await records()).toEqual([['message out', 'refusal']]);
  });
});

describe('an unsigned reply is no evidence', () => {
  test.each([202, 204, 301, 400, 403, 404, 409, 500, 503])('%d', async (status) => {
    hostile.respond = (_asked, response) =>
      void response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(status === 204 ? '' : '{"code":"secret"}');
    await expectUnusable('peer_refused');
  });

  test('but when to come back is passed on', async () => {
    hostile.respond = (_asked, response) => void response.writeHead(503, { 'retry-after': '7' }).end();
    expect((await call()).headers['retry-after']).toBe('7');
    hostile.respond = (_asked, response) => void response.writeHead(503, { 'retry-after': '-1' }).end();
    expect((await call()).headers['retry-after']).toBeUndefined();
  });

  const raw = (octets: string) => (_asked: Asked, response: ServerResponse) =>
    void response.socket?.end(octets);
  test.each<[what: string, respond: (asked: Asked, response: ServerResponse) => void]>([
    ['that is not HTTP', raw('garbage\r\n\r\n')],
    ['that is nothing', (_asked, response) => void response.destroy()],
    ['that ends within its head', raw('HTTP/1.1 200 OK\r\nExchange-Mess')],
    ['whose fields have no end', raw(`HTTP/1.1 200 OK\r\nExchange-Message: ${'x'.repeat(70_000)}\r\n\r\n`)],
    [
      'that ends within its body',
      (asked, response) => {
        const { envelope = '', head = '', salts = '' } = hostile.answer(asked);
        response.writeHead(200, {
          'exchange-message': envelope,
          'exchange-head': head,
          'exchange-salt': salts,
          'content-length': 6,
        });
        response.write('sec', () => response.destroy());
      },
    ],
  ])('%s: the outcome is asked for, and stays unknown', async (_what, respond) => {
    hostile.respond = respond;
    hostile.outcome = (response) => void response.writeHead(403).end();
    await expectUnusable('outcome_unknown');
  });
});

describe('the outcome of a request whose answer never came', () => {
  let asked: Asked | undefined;
  const broken = (of: Asked, response: ServerResponse): void => {
    asked = of;
    response.destroy();
  };
  const given = (): Asked => {
    if (asked === undefined) throw new Error('not asked');
    return asked;
  };
  /** Who never recorded a request does not know who sent it: the refusal is to the server that asks. */
  const toServer = claim('aud', 'TEST/GOV/CONSUMER');
  const noPlace = (alterations: AnswerAlterations): AnswerAlterations =>
    alter((message, of) => {
      alterations.unsigned?.(message, of);
      delete (message.claims['log'] as { index?: number }).index;
    });

  test('is the answer, fetched', async () => {
    hostile.respond = broken;
    hostile.outcome = (response) => hostile.write(hostile.answer(given()), response);
    const records = recordsOf(consumer);
    expect(await call()).toMatchObject({ status: 200, body: 'secret' });
    expect(await records()).toEqual([['message out', 'message in']]);
  });

  test.each<[what: string, message: () => Message]>([
    ['another request’s answer', () => hostile.answer(given(), claim('re', 'A'.repeat(43)))],
    [
      'another request’s refusal',
      () => hostile.refusal(given(), 'not_recorded', noPlace(claim('re', 'A'.repeat(43)))),
    ],
  ])('is not %s', async (_what, message) => {
    hostile.respond = broken;
    hostile.outcome = (response) => hostile.write(message(), response);
    await expectUnusable(foreign);
  });

  test('is unknown while it is said to be running', async () => {
    hostile.respond = broken;
    hostile.outcome = (response) => void response.writeHead(202).end();
    await expectUnusable('outcome_unknown');
  });

  test.each<[code: ErrorCode, refusal: () => AnswerAlterations]>([
    ['not_recorded', () => noPlace(toServer)],
    ['outcome_unknown', () => ({})],
  ])('is %s, as the provider signs, and stays so', async (code, alterations) => {
    hostile.respond = broken;
    hostile.outcome = (response) => hostile.write(hostile.refusal(given(), code, alterations()), response);
    const records = recordsOf(consumer);
    const { body, headers } = await call();
    expect(JSON.parse(body)).toMatchObject({ code, hop: 'provider-server' });
    expect(headers['exchange-answer']).toBeDefined();
    expect(await records()).toEqual([['message out', 'refusal']]);
    const again = await call(`/exchange/${String(headers['exchange-id'])}`);
    expect(JSON.parse(again.body)).toMatchObject({ code, hop: 'provider-server' });
  });
});

describe('a right that an answer names', () => {
  const show =
    (shown: unknown): HostileProvider['outcome'] =>
    (response) =>
      response.end(JSON.stringify(shown));
  const named = (right: string): AnswerAlterations => claim('right', digestOf(Buffer.from(right)));

  test('is entered when it is the provider’s own, and not when anything else is shown; no answer waits', async () => {
    const { token, log } = consumer.running.exchange;
    const own = provider.running.exchange.token.signingKey(memberOf(offering));
    const rightOf = (id: number, key = own, typ: StatementType = 'right+jws', of: SubsystemId = offering) =>
      signStatement(
        typ,
        {
          v: 1,
          id: `019abcde-0000-7000-8000-00000000000${id}`,
          rev: 1,
          provider: of,
          consumer: { client },
          service: echo.id,
          attributes: [],
          endpoints: [],
          purposes: [],
          from: 1,
          state: 'granted',
          reason: 'for the test',
          decidedBy: '2026-Q4.AAAAAAAAAAAAAAAAAAAAAA',
        },
        key,
        Date.now(),
      );
    const genuine = await rightOf(0);
    const others: [named: string, shown: (right: string) => unknown][] = [
      [await rightOf(1), () => ({ type: 'right', right: genuine })],
      [await rightOf(2), () => 'nothing of the kind'],
      [await rightOf(3), () => ({ type: 'configuration', head: [], delegations: [] })],
      [await rightOf(4, own, 'description+jws'), (right) => ({ type: 'right', right })],
      [await rightOf(5, own, undefined, client), (right) => ({ type: 'right', right })],
      [await rightOf(6, token.signingKey(memberOf(client))), (right) => ({ type: 'right', right })],
      [(await rightOf(7)).replace(/[^.]*$/, 'A'.repeat(86)), (right) => ({ type: 'right', right })],
      [genuine, (right) => ({ type: 'right', right })],
    ];
    const rights = async (): Promise<string[]> => {
      const found: string[] = [];
      for (let index = before; index < log.counts().server; index++) {
        const entry = JSON.parse((await log.entry(log.server, index)).toString()) as LogEntry;
        if (entry.type === 'right') found.push(entry.right);
      }
      return found;
    };
    const before = log.counts().server;
    for (const [right, shown] of others) {
      const asked = new Promise<void>((resolve) => {
        hostile.outcome = (response, path) => {
          if (!path.startsWith('/credentials/')) return void response.writeHead(404).end();
          response.once('finish', resolve);
          show(shown(right))(response, path);
        };
      });
      hostile.respond = (of, response) => hostile.write(hostile.answer(of, named(right)), response);
      expect(await call()).toMatchObject({ status: 200, body: 'secret' });
      await asked;
    }
    // The last one is entered, and so would be those before it.
    while ((await rights()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await rights()).toEqual([genuine]);
  });
});

describe('a server at the provider’s address', () => {
  test.each<[what: string, identity: () => ReturnType<typeof stranger>, code: ErrorCode]>([
    ['with a stranger’s certificate', stranger, 'peer_not_authenticated'],
    ['with another server’s certificate', () => identityOf(consumer), 'peer_not_authenticated'],
  ])('%s is sent nothing', async (_what, identity, code) => {
    await hostile.stop();
    hostile = await HostileProvider.start(provider, identity());
    let isAsked = false;
    hostile.respond = () => (isAsked = true);
    const records = recordsOf(consumer);
    const { body, headers } = await call();
    expect(JSON.parse(body)).toMatchObject({ code, hop: 'consumer-server' });
    expect(headers['exchange-id']).toBeUndefined();
    expect(isAsked).toBe(false);
    expect(await records()).toEqual([[]]);
  });
});
