import { describe, expect, test } from '@jest/globals';
import { readRefusal } from '../../src/client/refusal.js';
import { faultOf, problemOf, PROBLEMS } from '../../src/protocol/index.js';
import type { ExchangeError } from '../../src/client/index.js';

const read = (
  body: unknown,
  headers: Record<string, string> = {},
  language: 'en' | 'vi' = 'en',
): ExchangeError =>
  readRefusal(
    {
      status: 500,
      headers: new Map(Object.entries(headers)),
      body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    },
    { language },
  );
const problem = (body: object, headers: Record<string, string> = {}): ExchangeError =>
  read(body, { 'content-type': 'application/problem+json', ...headers });
const fault = (type: string): ExchangeError =>
  read({ type, message: 'why', detail: 'd' }, { 'x-road-error': type, 'content-type': 'application/json' });

describe('a problem (RFC 9457)', () => {
  test('tells hop, rule, hint, message id and when to come again', () => {
    const error = problem(
      problemOf('busy', { hop: 'provider-server', rule: 'R-7', retrySeconds: 9, instance: 'urn:uuid:1' }),
      { 'exchange-id': 'm' },
    );
    expect(error).toMatchObject({
      name: 'ExchangeError',
      code: 'busy',
      hop: 'provider-server',
      rule: 'R-7',
      hint: PROBLEMS.busy.hint.en,
      instance: 'urn:uuid:1',
      messageId: 'm',
      retrySeconds: 9,
      outcome: 'refused',
      message: PROBLEMS.busy.title,
    });
    expect(problem({ code: 'busy', hop: 'client' }, { 'retry-after': '4' }).retrySeconds).toBe(4);
  });
  test.each([
    ['client_unknown', 'consumer-server', undefined, 'not_sent'],
    ['log_unavailable', 'consumer-server', undefined, 'not_sent'],
    ['log_unavailable', 'consumer-server', 'm', 'unknown'],
    ['log_unavailable', 'provider-server', 'm', 'unknown'],
    ['provider_unreachable', 'consumer-server', 'm', 'not_sent'],
    ['access_denied', 'provider-server', 'm', 'refused'],
    ['service_unreachable', 'provider-server', 'm', 'refused'],
    ['service_timeout', 'provider-server', 'm', 'unknown'],
    ['answer_invalid', 'consumer-server', 'm', 'unknown'],
    ['broken', 'consumer-server', undefined, 'unknown'],
    ['code_of_a_later_version', 'provider-server', 'm', 'unknown'],
  ])('%s of the %s with message id %s is %s', (code, hop, id, outcome) => {
    expect(problem({ code, hop }, id === undefined ? {} : { 'exchange-id': id }).outcome).toBe(outcome);
  });
});

describe("X-Road's fault", () => {
  test.each([
    ['Server.ServerProxy.AccessDenied', 'access_denied', 'provider-server', 'refused'],
    ['server.serverproxy.access_denied', 'access_denied', 'provider-server', 'refused'],
    ['core.server.clientproxy.io_error', 'outcome_unknown', 'consumer-server', 'unknown'],
    ['Server.ClientProxy.NetworkError', 'provider_unreachable', 'consumer-server', 'not_sent'],
    ['Server.ServerProxy.NetworkError', 'service_unreachable', 'provider-server', 'refused'],
    ['Server.ClientProxy.UnknownMember', 'provider_unknown', 'consumer-server', 'not_sent'],
    ['Server.ClientProxy.OutdatedGlobalConf', 'configuration_expired', 'consumer-server', 'not_sent'],
    ['server.clientproxy.global_conf_outdated', 'configuration_expired', 'consumer-server', 'not_sent'],
    [
      'Server.ServerProxy.SslAuthenticationFailed.InvalidCertPath.IncorrectValidationInfo',
      'peer_refused',
      'provider-server',
      'refused',
    ],
    [
      'Server.ClientProxy.CannotCreateSignature.Signer.TokenNotActive',
      'signing_key_unavailable',
      'consumer-server',
      'unknown',
    ],
    ['Server.ClientProxy.InternalError', 'broken', 'consumer-server', 'unknown'],
    ['Something.new', 'broken', 'consumer-server', 'unknown'],
    ['constructor.toString', 'broken', 'consumer-server', 'unknown'],
  ])('%s is %s at the %s, %s', (type, code, hop, outcome) => {
    expect(fault(type)).toMatchObject({ code, hop, outcome, fault: type, message: 'why', status: 500 });
  });
  test('of our own servers is read in both spellings', () => {
    for (const spelling of ['camel', 'snake'] as const) {
      const own = faultOf('access_denied', 'provider-server', { spelling, detail: 'd' });
      expect(fault(own.type)).toMatchObject({ code: 'access_denied', hop: 'provider-server', instance: 'd' });
      const expired = faultOf('configuration_expired', 'consumer-server', { spelling, detail: 'd' });
      expect(fault(expired.type)).toMatchObject({ code: 'configuration_expired', outcome: 'not_sent' });
    }
  });
  test('in XML, or with no body at all, is read from X-Road-Error', () => {
    for (const body of ['<error><type>x</type></error>', '', 'null', '[]', '{"type":'])
      expect(read(body, { 'x-road-error': 'Server.ServerProxy.UnknownService' }).code).toBe(
        'service_unknown',
      );
  });
  test('hints come in the language of the client', () => {
    const headers = { 'x-road-error': 'Server.ServerProxy.AccessDenied' };
    expect(read('', headers, 'vi').hint).not.toBe(read('', headers, 'en').hint);
  });
  test('an answer that is neither (a proxy in between) leaves the outcome unknown', () => {
    expect(read('<html>502</html>')).toMatchObject({ code: 'broken', outcome: 'unknown', fault: undefined });
  });
});
