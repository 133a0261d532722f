import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SubsystemId } from '@onceway/sdk/protocol';
import { request } from 'undici';
import { Federation, type TestServer, type TestService } from './federation.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
let client: SubsystemId;
let service: TestService;

beforeAll(async () => {
  federation = await Federation.start();
  consumer = await federation.server(federation.member('CONSUMER'), 'SS1');
  provider = await federation.server(federation.member('PROVIDER'), 'SS2');
  client = await federation.client(consumer, 'CLIENT');
  const offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  service = await federation.service(provider, offering, 'echo');
  await provider.running.services.grant(
    { service: service.id, subject: { client }, reason: 'for the test' },
    'test',
  );
});
afterAll(() => federation.stop());

describe('an exchange between two servers', () => {
  test('carries a request and its answer, and both logs hold them', async () => {
    service.handler = (_request, response) => {
      response.writeHead(201, { 'X-Own': 'yes', 'Content-Type': 'text/plain' });
      response.end('hello');
    };
    const answer = await request(`${consumer.running.addresses.client}/r1/${service.id}/a/b?c=d`, {
      method: 'POST',
      headers: { 'X-Road-Client': client, 'X-Road-UserId': 'EE1', 'content-type': 'text/plain' },
      body: 'ping',
    });
    expect({
      status: answer.statusCode,
      body: await answer.body.text(),
      events: consumer.events.concat(provider.events),
    }).toMatchObject({ status: 201, body: 'hello' });
    expect(service.calls).toMatchObject([{ method: 'POST', url: '/a/b?c=d', body: 'ping' }]);
    const id = String(answer.headers['exchange-id']);
    for (const [{ running }, dir] of [[consumer, 'out'] as const, [provider, 'in'] as const])
      expect(await running.exchange.log.exchange(id as never, dir)).toMatchObject({
        answer: { mid: answer.headers['exchange-answer'] },
      });
  });
});
