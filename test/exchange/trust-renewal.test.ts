// A server renews its authentication certificate while it runs: peers find the new one in the configuration, and the old
// one can be taken off the list.
import { request as send, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SubsystemId } from '@onceway/sdk/protocol';
import { request } from 'undici';
import { until } from './fault-road.js';
import { Federation, type TestServer, type TestService } from './federation.js';
import { spools } from './streamed-road.js';
import { replaceCertificate } from './trust-certificate.js';

let federation: Federation;
let servers: { readonly consumer: TestServer; readonly provider: TestServer };
let client: SubsystemId;
let service: TestService;

beforeAll(async () => {
  federation = await Federation.start();
  servers = {
    consumer: await federation.server(federation.member('CONSUMER'), 'SS1'),
    provider: await federation.server(federation.member('PROVIDER'), 'SS2'),
  };
  const { consumer, provider } = servers;
  client = await federation.client(consumer, 'CLIENT');
  service = await federation.service(provider, await federation.client(provider, 'OFFERING'), 'people');
  await provider.running.services.grant(
    { service: service.id, subject: { client }, reason: 'for the test' },
    'officer',
  );
  await refreshed();
});
afterAll(() => federation.stop());

async function refreshed(): Promise<void> {
  for (const { running } of Object.values(servers)) await running.exchange.configuration.refresh();
}

async function call(): Promise<number> {
  const answer = await request(`${servers.consumer.running.addresses.client}/r1/${service.id}`, {
    headers: { 'X-Road-Client': client },
  });
  await answer.body.dump();
  return answer.statusCode;
}

test.each(['provider', 'consumer'] as const)(
  'a renewed certificate of the %s serves without a restart, and the old one can go',
  async (who) => {
    expect(await call()).toBe(200);
    const { good } = await replaceCertificate(federation, servers[who], 'authentication');
    await refreshed();
    expect(await call()).toBe(200);
    federation.registry.registry.servers.removeCertificate(good, 'renewed');
    await federation.registry.registry.publication.changed();
    await refreshed();
    expect(await call()).toBe(200);
  },
);

test('a body that is being streamed comes to its end when the certificate of its connection is taken off', async () => {
  const { consumer, provider } = servers;
  const outgoing = send(`${consumer.running.addresses.client}/r1/${service.id}`, {
    method: 'POST',
    agent: false,
    headers: { 'X-Road-Client': client },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.on('response', resolve).on('error', reject),
  );
  answered.catch(() => undefined);
  outgoing.write(Buffer.alloc(400_000));
  await until('the body comes', () => spools(provider).length === 1);
  const { good } = await replaceCertificate(federation, consumer, 'authentication');
  federation.registry.registry.servers.removeCertificate(good, 'renewed');
  await federation.registry.registry.publication.changed();
  await refreshed();
  outgoing.end('the last');
  const answer = await answered;
  expect(answer.statusCode).toBe(200);
  answer.resume();
});
