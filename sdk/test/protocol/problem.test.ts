// The shapes in which refusals reach a caller.
import { describe, expect, test } from '@jest/globals';
import { codeOf, faultOf, isErrorCode, OncewayError, PROBLEMS, problemOf } from '../../src/protocol/index.js';

describe('problems', () => {
  test('a problem says what the table says, in the language asked for', () => {
    expect(
      problemOf('access_denied', { hop: 'provider-server', rule: 'r', messageId: 'm', language: 'vi' }),
    ).toEqual({
      type: 'https://onceway.dev/problems#access_denied',
      title: 'No access right for this service',
      status: 403,
      code: 'access_denied',
      hop: 'provider-server',
      hint: PROBLEMS.access_denied.hint.vi,
      rule: 'r',
      messageId: 'm',
    });
  });

  test('what has no value is left out', () => {
    const bare = problemOf('busy', { hop: 'client', retrySeconds: null, rule: undefined });
    expect(Object.keys(bare)).toEqual(['type', 'title', 'status', 'code', 'hop', 'hint']);
    const full = problemOf('busy', { hop: 'client', retrySeconds: 0, instance: 'urn:uuid:x' });
    expect(full).toMatchObject({ retry: 0, instance: 'urn:uuid:x', hint: PROBLEMS.busy.hint.en });
  });

  test("an error's own text never shows", () => {
    const error = new OncewayError('broken', 'secret path');
    expect(JSON.stringify(problemOf(codeOf(error), { hop: 'registry' }))).not.toContain('secret');
    expect(codeOf(new Error('x'))).toBe('broken');
    expect(isErrorCode('toString')).toBe(false);
  });

  test.each([
    [
      'client_missing',
      'consumer-server',
      'Server.ClientProxy.InvalidClientIdentifier',
      'server.clientproxy.invalid_client_identifier',
    ],
    [
      'client_missing',
      'client',
      'Server.ClientProxy.InvalidClientIdentifier',
      'server.clientproxy.invalid_client_identifier',
    ],
    [
      'access_denied',
      'provider-server',
      'Server.ServerProxy.AccessDenied',
      'server.serverproxy.access_denied',
    ],
    ['service_timeout', 'service', 'Server.ServerProxy.IOError', 'server.serverproxy.io_error'],
    [
      'configuration_expired',
      'consumer-server',
      'Server.ClientProxy.OutdatedGlobalConf',
      'server.clientproxy.global_conf_outdated',
    ],
    [
      'client_not_authenticated',
      'consumer-server',
      'Server.ClientProxy.SslAuthenticationFailed',
      'server.clientproxy.ssl_authentication_failed',
    ],
    [
      'service_url_missing',
      'provider-server',
      'Server.ServerProxy.ServiceMissingUrl',
      'server.serverproxy.service_missing_url',
    ],
  ] as const)('%s by %s is the fault %s, or %s', (code, hop, camel, snake) => {
    const detail = '9bc95b6e-2f1d-4a41-a7e6-11eda7d734d5';
    const fault = faultOf(code, hop, { spelling: 'camel', detail });
    expect(JSON.stringify(fault)).toBe(
      JSON.stringify({ type: camel, message: PROBLEMS[code].title, detail }),
    );
    expect(faultOf(code, hop, { spelling: 'snake', detail }).type).toBe(snake);
  });
});
