// What a registered security server that keeps no rule, or a stranger, can send to the peer listener. What is not
// proven is refused without a signature, detail or entry; what is proven and wrong under a signature, and entered.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createPeerInterface } from '@onceway/security-server/http/peer-interface';
import { RefusalRate } from '@onceway/security-server/exchange/refusal-rate';
import fc from 'fast-check';
import {
  memberOf,
  parseAnswerEnvelope,
  verifySignature,
  type ErrorCode,
  type HeadLine,
  type RefusalEntry,
  type ServiceId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { Federation, type TestServer, type TestService } from './federation.js';
import {
  HostilePeer,
  identityOf,
  stranger,
  type Alterations,
  type Message,
  type Unsigned,
} from './hostile-peer.js';
import { recordsOf } from './peer-records.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
/** A second server of the consumer's member. */
let spare: TestServer;
let client: SubsystemId;
let offering: SubsystemId;
let echo: TestService;
let forbidden: TestService;
let peer: HostilePeer;

beforeAll(async () => {
  federation = await Federation.start();
  const member = federation.member('CONSUMER');
  consumer = await federation.server(member, 'SS1');
  spare = await federation.server(member, 'SS3');
  provider = await federation.server(federation.member('PROVIDER'), 'SS2');
  client = await federation.client(consumer, 'CLIENT');
  offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  echo = await federation.service(provider, offering, 'echo');
  forbidden = await federation.service(provider, offering, 'forbidden');
  const grant = { service: echo.id, subject: { client }, reason: 'for the test' };
  await provider.running.services.grant(grant, 'test');
  // Each refusal in a second of its own: the bound has its own test.
  let second = 0;
  Object.assign(provider.running.exchange, { refusals: new RefusalRate(() => 1000 * second++) });
  peer = new HostilePeer(consumer, provider, client, echo.id, federation.clock.now);
});
afterAll(() => federation.stop());
beforeEach(() => {
  for (const service of [echo, forbidden]) service.calls.length = 0;
});
const called = (): number => echo.calls.length + forbidden.calls.length;

/** Sends it and expects that nothing was said, entered or done; the code is the one in the provider's own log. */
async function expectUnsigned(alter: Alterations, code: ErrorCode, shown = 'peer_not_authenticated') {
  const records = recordsOf(provider);
  const reply = await peer.send(peer.message(alter));
  expect(peer.unsigned(reply)).toMatchObject({ shown, logged: code });
  expect(called()).toBe(0);
  expect(await records()).toEqual([[]]);
}

/** Sends it and expects one refusal, proven and entered with its request. */
async function expectSigned(alter: Alterations, code: ErrorCode): Promise<void> {
  const records = recordsOf(provider);
  const message = peer.message(alter);
  const claims = peer.refusal(await peer.send(message));
  expect(claims).toMatchObject({ code, re: message.mid, aud: client, server: provider.id, to: consumer.id });
  expect(called()).toBe(0);
  expect(await records()).toEqual([['refusal']]);
  const { log } = provider.running.exchange;
  const entry = JSON.parse((await log.entry(log.lane, claims.log.index ?? -1)).toString()) as RefusalEntry;
  expect(entry).toMatchObject({ type: 'refusal', message: message.envelope, peer: consumer.id });
}

const alter = (change: (message: Unsigned) => void): Alterations => ({ unsigned: change });
const sent = (change: (message: Message) => void): Alterations => ({ sent: change });
const claim = (name: string, value: unknown): Alterations => alter(({ claims }) => (claims[name] = value));
const header = (name: string, value: unknown): Alterations => alter((m) => (m.header[name] = value));

test('the peer is one that would be believed', async () => {
  const message = peer.message();
  const reply = await peer.send(message);
  const answer = parseAnswerEnvelope(String(reply.headers['exchange-message']));
  expect(answer.claims.re).toBe(message.mid);
  const { certificate } = provider.running.exchange.token.signingKey(memberOf(provider.id));
  verifySignature(answer.jws, certificate.publicKey, 'ES256');
  expect(echo.calls).toMatchObject([{ body: 'ping' }]);
});

describe('a connection', () => {
  test('without a certificate, with one of a stranger, or of another server', async () => {
    const records = recordsOf(provider);
    for (const [identity, code] of [
      [{}, 'peer_not_authenticated'],
      [stranger(), 'peer_not_authenticated'],
      [identityOf(spare), 'signer_not_listed'],
      [identityOf(provider), 'signer_not_listed'],
    ] as const) {
      const reply = await peer.send(peer.message(), identity);
      expect(peer.unsigned(reply)).toEqual({ status: 403, shown: 'peer_not_authenticated', logged: code });
    }
    expect(called()).toBe(0);
    expect(await records()).toEqual([[]]);
  });

  test.each([
    ['GET', '/', 'not_found'],
    ['GET', '/exchange', 'not_found'],
    ['PUT', '/exchange', 'not_found'],
    ['GET', '/exchange/x', 'peer_not_authenticated'],
    ['GET', '/exchange/../credentials', 'peer_not_authenticated'],
    ['GET', `/credentials/${'A'.repeat(43)}`, 'not_found'],
    ['GET', '/capabilities', 'not_found'],
  ])('%s %s', async (method, path, shown) => {
    const reply = await peer.ask({ method, path }, null, identityOf(consumer));
    expect(peer.unsigned(reply)).toMatchObject({ shown });
  });

  test('a stranger is told nothing of credentials, outcomes and addresses', async () => {
    const { certificateDigest } = provider.running.exchange.token.authentication();
    for (const path of [`/credentials/${certificateDigest}`, `/exchange/${certificateDigest}`])
      for (const identity of [{}, stranger()])
        expect(peer.unsigned(await peer.get(path, identity))).toMatchObject({
          status: 403,
          shown: 'peer_not_authenticated',
        });
  });

  test('with a body too large, declared or not', async () => {
    const records = recordsOf(provider);
    const big = Buffer.alloc(256 * 1024 + 1);
    const reply = await peer.send({ ...peer.message(), body: big });
    expect(peer.unsigned(reply)).toEqual({ status: 413, shown: 'body_too_large', logged: 'body_too_large' });
    const chunked = await peer.ask(
      { method: 'POST', path: '/exchange', headers: { 'transfer-encoding': 'chunked' } },
      big,
      identityOf(consumer),
    );
    expect(peer.unsigned(chunked)).toMatchObject({ shown: 'body_too_large' });
    expect(await records()).toEqual([[]]);
  });

  test('below TLS 1.3', async () => {
    const options = { method: 'POST', path: '/exchange', maxVersion: 'TLSv1.2' as const };
    await expect(peer.ask(options, null, identityOf(consumer))).rejects.toThrow(/protocol version/);
  });

  const start = 'POST /exchange HTTP/1.1\r\nHost: x\r\n';
  test.each([
    ['garbage', '\u0016\u0003\u0001\r\n\r\n'],
    [
      'Content-Length and Transfer-Encoding',
      `${start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two lengths', `${start}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
    ['NUL in a field', `${start}Exchange-Message: a\0b\r\n\r\n`],
  ])('with %s', async (_what, octets) => {
    const records = recordsOf(provider);
    expect(await peer.octets(octets)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/);
    expect(called()).toBe(0);
    expect(await records()).toEqual([[]]);
  });

  test('whose body does not come in time, or that is one too many', async () => {
    const refused: ErrorCode[] = [];
    const listener = (concurrentMax: number): Server =>
      createPeerInterface({
        exchange: provider.running.exchange,
        identity: identityOf(provider),
        concurrentMax,
        requestTimeoutMs: 100,
        refused: (code) => refused.push(code),
      });
    for (const [concurrentMax, status, code] of [
      [1, 408, 'request_invalid'],
      [0, 503, 'busy'],
    ] as const) {
      const server = listener(concurrentMax);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const octets = `${start}Content-Length: 3\r\n\r\na`;
      expect(await peer.octets(octets, String(port))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(refused).toContain(code);
      await new Promise((resolve) => (server.close(resolve), server.closeAllConnections()));
    }
    expect(called()).toBe(0);
  });

  test('with fields above 64 KiB', async () => {
    const records = recordsOf(provider);
    const sending = peer.send({ ...peer.message(), head: 'A'.repeat(65 * 1024) });
    // The connection may end before its sender reads why.
    expect(await sending.then(({ status }) => status).catch(() => 431)).toBe(431);
    expect(called()).toBe(0);
    expect(await records()).toEqual([[]]);
  });
});

describe('an envelope altered under its old signature', () => {
  const later = (value: unknown): unknown =>
    typeof value === 'number' ? value + 1 : { ...(value as object), seq: 1 };
  const other = 'A'.repeat(43);
  test.each<[name: string, value: (claims: Record<string, unknown>) => unknown, code?: ErrorCode]>([
    ['v', () => 2, 'envelope_invalid'],
    ['jti', () => '019abcde-0000-7000-8000-000000000000'],
    ['exp', ({ exp }) => later(exp)],
    ['iss', () => 'TEST/GOV/CONSUMER/OTHER', 'signer_not_listed'],
    ['aud', () => `${offering}/forbidden`],
    ['server', () => spare.id, 'signer_not_listed'],
    ['to', () => spare.id, 'message_misdirected'],
    ['trace', () => `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`],
    ['cfg', ({ cfg }) => ({ ...(cfg as object), seq: 1 })],
    ['cfg', ({ cfg }) => ({ ...(cfg as object), digest: other })],
    ['cfg', ({ cfg }) => ({ ...(cfg as object), seq: 999_999 })],
    ['log', ({ log }) => ({ ...(log as object), size: 7, root: other })],
    ['head', () => ({ digest: other })],
    ['body', () => ({ digest: other })],
    ['body', () => null],
    ['purpose', () => 'audit'],
    ['form', () => ({ form: 'f', version: '1.0', facts: {} })],
    ['ext', () => ({ more: 1 })],
  ])('%s', async (name, value, code = 'signature_invalid') => {
    await expectUnsigned(
      alter((message) => {
        const signed = { ...message.claims };
        const signature = message.sign(
          Buffer.from(`${message.encode(message.header, 'header')}.${message.encode(signed, 'claims')}`),
        );
        message.claims[name] = value(signed);
        message.sign = () => signature;
      }),
      code,
    );
  });
});

describe('an envelope signed by the right key, and not to be believed', () => {
  const time = (iat: number, exp: number): Alterations =>
    alter((message) => {
      message.header['iat'] = Math.floor(Date.now() / 1000) + iat;
      message.claims['exp'] = Math.floor(Date.now() / 1000) + exp;
    });
  const text = (change: (text: string, part: 'header' | 'claims') => string): Alterations =>
    alter((message) => {
      message.encode = (value, part) =>
        Buffer.from(change(JSON.stringify(value), part)).toString('base64url');
    });
  const part = (change: (part: string) => string): Alterations =>
    alter((message) => {
      message.encode = (value, of) => {
        const encoded = Buffer.from(JSON.stringify(value)).toString('base64url');
        return of === 'claims' ? change(encoded) : encoded;
      };
    });
  const signature = (change: (signature: Buffer) => Buffer): Alterations =>
    alter((message) => {
      const { sign } = message;
      message.sign = (input) => change(Buffer.from(sign(input)));
    });
  const form = 'envelope_invalid';
  test.each<[what: string, alterations: () => Alterations, code: ErrorCode]>([
    ['version 2', () => claim('v', 2), form],
    ['a jti that is no UUIDv7', () => claim('jti', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'), form],
    ['no jti', () => alter(({ claims }) => delete claims['jti']), form],
    ['an unknown claim', () => claim('more', 1), form],
    ['a claim of an answer', () => claim('re', 'A'.repeat(43)), form],
    ['a reserved claim', () => claim('ack', []), form],
    ['null for a claim left out', () => claim('purpose', null), form],
    ['an extension it may not ignore', () => claim('ext', { must: ['unknown'] }), form],
    ['another order of milliseconds', () => claim('exp', Date.now()), form],
    ['a life above 300 s', () => time(0, 301), form],
    ['an end before its beginning', () => time(0, -1), form],
    ['an end that is past', () => time(-60, -1), 'message_expired'],
    ['a beginning beyond the skew', () => time(70, 130), 'message_from_future'],
    ['another addressee', () => claim('to', spare.id), 'message_misdirected'],
    [
      'an addressee in another spelling',
      () => alter(({ claims }) => (claims['to'] = provider.id.replace('S', '%53'))),
      form,
    ],
    ['another server', () => claim('server', spare.id), 'signer_not_listed'],
    ['a client of another server', () => claim('iss', offering), 'signer_not_listed'],
    ['a client that is not registered', () => claim('iss', `${memberOf(client)}/OTHER`), 'signer_not_listed'],
    [
      'a place in the log',
      () => alter((m) => (m.claims['log'] = { ...(m.claims['log'] as object), index: 1 })),
      form,
    ],
    [
      'an empty log with another root',
      () =>
        alter((m) => (m.claims['log'] = { ...(m.claims['log'] as object), size: 0, root: 'A'.repeat(43) })),
      form,
    ],
    ['no body claim', () => alter(({ claims }) => delete claims['body']), form],
    ['another typ', () => header('typ', 'exchange-answer+jws'), form],
    ['no typ', () => alter((m) => delete m.header['typ']), form],
    ['a kid', () => header('kid', '1'), form],
    ['a jwk', () => header('jwk', { kty: 'EC' }), form],
    ['a jku', () => header('jku', 'https://x.example'), form],
    ['an x5u', () => header('x5u', 'https://x.example'), form],
    ['an x5c', () => header('x5c', []), form],
    ['crit', () => header('crit', ['exp']), form],
    ['b64', () => header('b64', false), form],
    ['zip', () => header('zip', 'DEF'), form],
    ['alg none', () => alter((m) => ((m.header['alg'] = 'none'), (m.sign = () => Buffer.alloc(0)))), form],
    ['alg HS256 under the public key', () => header('alg', 'HS256'), form],
    ['alg RS256 for an EC key', () => header('alg', 'RS256'), 'signature_invalid'],
    ['alg PS256 for an EC key', () => header('alg', 'PS256'), 'signature_invalid'],
    ['alg EdDSA for an EC key', () => header('alg', 'EdDSA'), 'signature_invalid'],
    ['alg ES384', () => header('alg', 'ES384'), form],
    ['a certificate nobody knows', () => header('x5t#S256', 'A'.repeat(43)), 'signer_not_listed'],
    ['the authentication certificate', () => signedBy(authentication(consumer)), 'signer_not_listed'],
    ['the same member’s certificate for another server', () => signedBy(signing(spare)), 'signer_not_listed'],
    ['another member’s certificate', () => signedBy(signing(provider)), 'signer_not_listed'],
    ['its certificate and another key', () => alter((m) => (m.sign = strange)), 'signature_invalid'],
    ['a high s', () => signature(highS), 'signature_invalid'],
    [
      'a signature in DER',
      () => signature(() => Buffer.from('30440220' + '11'.repeat(32) + '0220' + '11'.repeat(32), 'hex')),
      'signature_invalid',
    ],
    ['half a signature', () => signature((octets) => octets.subarray(0, 32)), 'signature_invalid'],
    ['zeros for a signature', () => signature(() => Buffer.alloc(64)), 'signature_invalid'],
    ['a blank in its JSON', () => text((json) => json.replace(':', ': ')), form],
    ['a blank after its JSON', () => text((json) => `${json} `), form],
    ['a name twice', () => text((json, of) => (of === 'claims' ? json.replace('{', '{"v":1,') : json)), form],
    ['a number in another spelling', () => text((json) => json.replace('"v":1', '"v":1.0')), form],
    ['a needless escape', () => text((json) => json.replace('"iss"', '"\\u0069ss"')), form],
    ['__proto__', () => text((json) => json.replace('{', '{"__proto__":1,')), form],
    ['a byte order mark', () => text((json) => `\ufeff${json}`), form],
    ['an array', () => text((json) => `[${json}]`), form],
    ['padding', () => part((encoded) => `${encoded}=`), form],
    ['another alphabet', () => part((encoded) => `+${encoded.slice(1)}`), form],
    ['unused bits', () => part(unusedBits), form],
    ['a fourth part', () => sent((m) => (m.envelope = `${String(m.envelope)}.e30`)), form],
    ['no signature part', () => sent((m) => (m.envelope = String(m.envelope).replace(/\.[^.]*$/, ''))), form],
    ['no envelope', () => sent((m) => (m.envelope = undefined)), form],
    ['two envelopes', () => sent((m) => (m.envelope = [String(m.envelope), String(m.envelope)])), form],
    ['an envelope above 24 KiB', () => sent((m) => (m.envelope = 'e30.'.repeat(7000))), form],
    [
      'a batch in place of a signature',
      () => sent((m) => (m.envelope = String(m.envelope).replace(/[^.]*$/, ''))),
      'signature_invalid',
    ],
  ])('%s', async (_what, alterations, code) => {
    await expectUnsigned(alterations(), code);
  });
});

describe('a proven request whose content is wrong is refused under a signature, and entered', () => {
  const text = (value: string | undefined): string =>
    Buffer.from(value ?? '', 'base64url').toString('latin1');
  const head = (change: (head: string) => string): Alterations =>
    sent((m) => (m.head = Buffer.from(change(text(m.head)), 'latin1').toString('base64url')));
  const signedHead = (change: (head: string) => string): Alterations => ({
    head: (octets) => Buffer.from(change(octets.toString('latin1')), 'latin1'),
  });
  const lines = (...more: HeadLine[]): Alterations => ({ lines: (given) => [...given, ...more] });
  const salts = (change: (head: string, body: string) => string): Alterations =>
    sent((m) => {
      const [of = '', body = ''] = (m.salts ?? '').split('.');
      m.salts = change(of, body);
    });
  const zero = Buffer.alloc(32).toString('base64url');
  const form = { form: 'f', version: '1.0', facts: { '/a': 'typed' } };
  const formLine = (of: object): HeadLine => [
    'Data-Form',
    Buffer.from(JSON.stringify(of)).toString('base64url'),
  ];
  const mismatch = 'commitment_mismatch';
  test.each<[what: string, alterations: () => Alterations, code: ErrorCode]>([
    ['a changed line', () => head((h) => h.replace('TEST-1', 'TEST-2')), mismatch],
    ['a line more', () => head((h) => `${h}X-More:1\r\n`), mismatch],
    ['a line less', () => head((h) => h.replace('x-road-id:TEST-1\r\n', '')), mismatch],
    ['another target', () => head((h) => h.replace('echo', 'forbidden')), mismatch],
    ['another method', () => head((h) => h.replace('POST', 'PUT')), mismatch],
    ['no head', () => sent((m) => (m.head = undefined)), 'envelope_invalid'],
    ['a head not in base64url', () => sent((m) => (m.head = `${String(m.head)}=`)), 'base64url_invalid'],
    ['an empty head', () => sent((m) => (m.head = '')), mismatch],
    ['a changed body', () => sent((m) => (m.body = Buffer.from('pong'))), mismatch],
    ['no body', () => sent((m) => (m.body = null)), mismatch],
    [
      'a body that was not signed',
      () => ({ body: null, ...sent((m) => (m.body = Buffer.from('x'))) }),
      mismatch,
    ],
    ['a salt for no body', () => ({ body: null, ...salts((of) => `${of}.${zero}`) }), mismatch],
    ['another salt of the head', () => salts((_of, body) => `${zero}.${body}`), mismatch],
    ['another salt of the body', () => salts((of) => `${of}.${zero}`), mismatch],
    ['no salt of the body', () => salts((of) => `${of}.`), mismatch],
    ['the two salts changed about', () => salts((of, body) => `${body}.${of}`), mismatch],
    ['a short salt', () => salts((of, body) => `${of}.${body.slice(0, -3)}`), 'envelope_invalid'],
    ['a third salt', () => salts((of, body) => `${of}.${body}.${zero}`), 'envelope_invalid'],
    ['no salts', () => sent((m) => (m.salts = undefined)), 'envelope_invalid'],
    ['a body that comes although it should follow', () => claim('body', { follows: true }), mismatch],
    ['another target than aud', () => ({ target: `/r1/${forbidden.id}` }), 'target_mismatch'],
    ['a target in absolute-form', () => ({ target: `http://x/r1/${echo.id}` }), 'request_target_invalid'],
    ['a target with a part too few', () => ({ target: `/r1/${offering}` }), 'request_target_invalid'],
    ['a path that climbs', () => ({ target: `/r1/${echo.id}/%2e%2e/x` }), 'request_target_invalid'],
    ['no X-Road-Client', () => ({ lines: (given) => given.slice(1) }), 'target_mismatch'],
    [
      'another X-Road-Client',
      () => ({ lines: (given) => [['X-Road-Client', offering], ...given.slice(1)] }),
      'target_mismatch',
    ],
    [
      'a second X-Road-Client',
      () => ({ lines: (given) => [['X-Road-Client', offering], ...given] }),
      'target_mismatch',
    ],
    [
      'an X-Road-Client that is none',
      () => ({ lines: (given) => [['X-Road-Client', 'x'], ...given.slice(1)] }),
      'identifier_invalid',
    ],
    ['a purpose that is not claimed', () => lines(['Data-Purpose', 'audit']), 'purpose_invalid'],
    ['a claimed purpose without its line', () => claim('purpose', 'audit'), 'purpose_invalid'],
    [
      'another purpose',
      () => ({ ...lines(['Data-Purpose', 'audit']), ...claim('purpose', 'tax') }),
      'purpose_invalid',
    ],
    ['a form that is not claimed', () => lines(formLine(form)), 'form_invalid'],
    [
      'another form',
      () => ({ ...lines(formLine(form)), ...claim('form', { ...form, version: '1.1' }) }),
      'form_invalid',
    ],
    ['Host in the head', () => signedHead((h) => `${h}Host:x\r\n`), 'head_invalid'],
    ['Content-Length in the head', () => signedHead((h) => `${h}Content-Length:4\r\n`), 'head_invalid'],
    [
      'Transfer-Encoding in the head',
      () => signedHead((h) => `${h}Transfer-Encoding:chunked\r\n`),
      'head_invalid',
    ],
    ['the exchange’s own in the head', () => signedHead((h) => `${h}Exchange-Id:x\r\n`), 'head_invalid'],
    ['NUL in the head', () => signedHead((h) => `${h}X-A:a\0b\r\n`), 'head_invalid'],
    ['a bare LF in the head', () => signedHead((h) => `${h}X-A:a\nb\r\n`), 'head_invalid'],
    ['a name that is no token', () => signedHead((h) => `${h}X A:a\r\n`), 'head_invalid'],
    ['a blank before a value', () => signedHead((h) => `${h}X-A: a\r\n`), 'head_invalid'],
    ['a second empty line', () => signedHead((h) => `${h}\r\n`), 'head_invalid'],
    ['no end of the last line', () => signedHead((h) => h.slice(0, -2)), 'head_invalid'],
    ['a method that is not carried', () => signedHead((h) => h.replace('POST', 'CONNECT')), 'method_invalid'],
    ['128 lines and one', () => signedHead((h) => h + 'X:1\r\n'.repeat(126)), 'head_too_large'],
    ['24 KiB and one octet', () => signedHead((h) => `${h}X:${'x'.repeat(24 * 1024)}\r\n`), 'head_too_large'],
    ['a service that is not there', () => service('nothing'), 'service_unknown'],
    ['a service without a right', () => service('forbidden'), 'access_denied'],
    ['a provider on another server', () => service('x', `${memberOf(client)}/CLIENT`), 'provider_unknown'],
    [
      'another configuration of the same number',
      () => alter(({ claims }) => (claims['cfg'] = { ...(claims['cfg'] as object), digest: 'A'.repeat(43) })),
      'configuration_fork',
    ],
  ])('%s', async (_what, alterations, code) => {
    await expectSigned(alterations(), code);
  });

  test('a fork that is only claimed is no alarm; it is counted', () => {
    expect(provider.events).not.toContainEqual(
      expect.objectContaining({ event: 'alarm', code: 'configuration_fork' }),
    );
    expect(provider.running.exchange.configuration.othersNamed).toBe(1);
  });
});

test('any one character of a message changed is refused', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';
  const fields = ['envelope', 'head', 'salts', 'body'] as const;
  const places = fc.record({
    field: fc.constantFrom(...fields),
    at: fc.nat(),
    to: fc.constantFrom(...alphabet.split('')),
  });
  await fc.assert(
    fc.asyncProperty(places, async ({ field, at, to }) => {
      const message = peer.message();
      const text = String(message[field]);
      const place = at % text.length;
      fc.pre(text.charAt(place) !== to);
      const changed = text.slice(0, place) + to + text.slice(place + 1);
      const reply = await peer.send({
        ...message,
        [field]: field === 'body' ? Buffer.from(changed) : changed,
      });
      expect(reply.headers['exchange-head']).toBeUndefined();
      expect(called()).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test('a configuration that nobody has yet is no reason to refuse: ours decides, and the entry keeps both', async () => {
  const reply = await peer.send(
    peer.message(alter(({ claims }) => (claims['cfg'] = { seq: 888_888, digest: 'A'.repeat(43) }))),
  );
  expect(parseAnswerEnvelope(String(reply.headers['exchange-message'])).claims.re).toBeDefined();
  expect(called()).toBe(1);
});

test('a newer configuration is taken first: who is registered since then is known', async () => {
  const { exchange } = provider.running;
  const { configuration } = exchange;
  const old = configuration.current();
  // At most one attempt a second: none may have been made in this one.
  federation.clock.offsetMs += 2_000;
  let isTaken = false;
  const behind: Partial<typeof configuration> = {
    current: () => (isTaken ? configuration.current() : old),
    standing: (cfg) => (isTaken ? configuration.standing(cfg) : 'newer'),
    refresh: async () => (isTaken = await configuration.refresh().then(() => true)),
  };
  const late = new Proxy(configuration, {
    get: (of, name: keyof typeof behind) => {
      const value: unknown = Reflect.get(name in behind ? behind : of, name);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
  Object.assign(exchange, { configuration: late });
  const fresh = await federation.client(consumer, 'FRESH');
  const rookie = new HostilePeer(consumer, provider, fresh, echo.id, federation.clock.now);
  expect(old.hosts(consumer.id, fresh)).toBe(false);
  expect(rookie.refusal(await rookie.send(rookie.message()))).toMatchObject({
    code: 'access_denied',
    aud: fresh,
  });
  expect(isTaken).toBe(true);
  Object.assign(exchange, { configuration });
});

test('a configuration that expired is one, though ours is in force', async () => {
  const { configuration } = consumer.running.exchange;
  const old = configuration.current().reference;
  // It lives for an hour; the next one is published within that.
  federation.clock.offsetMs = 50 * 60_000;
  federation.member('LATER');
  await federation.registry.registry.publication.changed();
  for (const { running } of [consumer, provider]) await running.exchange.configuration.refresh();
  expect(configuration.current().reference.seq).toBeGreaterThan(old.seq);
  const records = recordsOf(provider);
  expect(await peer.send(peer.message(claim('cfg', old)))).toMatchObject({ status: 200 });
  expect(called()).toBe(1);
  expect(await records()).toEqual([['message in', 'message out']]);
  echo.calls.length = 0;
  federation.clock.offsetMs = 62 * 60_000;
  await expectSigned(claim('cfg', old), 'configuration_expired');
});

function service(code: string, of: string = offering): Alterations {
  const id = `${of}/${code}` as ServiceId;
  return { target: `/r1/${id}`, ...claim('aud', id) };
}

interface Signer {
  readonly digest: string;
  readonly sign: (input: Buffer) => Uint8Array;
}

function signing(server: TestServer): Signer {
  const key = server.running.exchange.token.signingKey(memberOf(server.id));
  return { digest: key.certificateDigest, sign: (input) => key.sign(input) as Uint8Array };
}

function authentication(server: TestServer): Signer {
  const { key, certificateDigest } = server.running.exchange.token.authentication();
  return { digest: certificateDigest, sign: (input) => es256(key, input) };
}

function signedBy({ digest, sign }: Signer): Alterations {
  return alter((message) => {
    message.header['x5t#S256'] = digest;
    message.sign = sign;
  });
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const strange = (input: Buffer): Uint8Array => es256(privateKey, input);

function es256(key: typeof privateKey, input: Buffer): Buffer {
  for (;;) {
    const signature = signWith('sha256', input, { key, dsaEncoding: 'ieee-p1363' });
    if (signature.readUInt8(32) < 0x7f) return signature;
  }
}

/** n − s for s: as valid for ECDSA, and not the one form. */
function highS(signature: Buffer): Buffer {
  const n = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const s = n - BigInt(`0x${signature.subarray(32).toString('hex')}`);
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
}

/** The last character says more than octets: the same octets, another text. */
function unusedBits(encoded: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  if (encoded.length % 4 === 0) return `${encoded}A`;
  return encoded.slice(0, -1) + alphabet.charAt(alphabet.indexOf(encoded.slice(-1)) + 1);
}
