// What changes while a service works: rights, members and the configuration. Nobody is answered by what no longer holds,
// and the log names what the decision was made by.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAnswerEnvelope, type MemberId, type MessageId, type SubsystemId } from '@onceway/sdk/protocol';
import { request } from 'undici';
import { Federation, type TestServer, type TestService } from './federation.js';
import { replaceCertificate } from './trust-certificate.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
let members: { readonly consumer: MemberId; readonly provider: MemberId };
let client: SubsystemId;
let service: TestService;

beforeAll(async () => {
  federation = await Federation.start();
  members = { consumer: federation.member('CONSUMER'), provider: federation.member('PROVIDER') };
  consumer = await federation.server(members.consumer, 'SS1');
  provider = await federation.server(members.provider, 'SS2');
  client = await federation.client(consumer, 'CLIENT');
  service = await federation.service(provider, await federation.client(provider, 'OFFERING'), 'people');
  await grant();
  await published();
});
afterAll(() => federation.stop());
afterEach(() => {
  service.handler = (_request, response) => response.end('ok');
});

const grant = () =>
  provider.running.services.grant(
    { service: service.id, subject: { client }, reason: 'for the test' },
    'officer',
  );

async function published(): Promise<void> {
  await federation.registry.registry.publication.changed();
  for (const { running } of [consumer, provider]) await running.exchange.configuration.refresh();
}

async function call(): Promise<{ status: number; code: unknown; text: string; id: MessageId }> {
  const answer = await request(`${consumer.running.addresses.client}/r1/${service.id}`, {
    headers: { 'X-Road-Client': client, Accept: 'application/problem+json' },
  });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    code: answer.statusCode === 200 ? undefined : (JSON.parse(text) as { code: unknown }).code,
    text,
    id: String(answer.headers['exchange-id']) as MessageId,
  };
}

/** Lets the service answer only after something was changed. */
function whileItWorks(change: () => Promise<unknown>): void {
  service.handler = (_request, response) => void change().then(() => response.end('secret'));
}

describe('while the service works', () => {
  test('a right that is revoked stops the answer, and both logs hold the refusal', async () => {
    const right = await grant();
    whileItWorks(() => provider.running.services.revoke(right.id, 'ended', 'officer'));
    const { status, code, text, id } = await call();
    expect({ status, code }).toEqual({ status: 403, code: 'access_denied' });
    expect(text).not.toContain('secret');
    for (const [{ running }, dir] of [
      [consumer, 'out'],
      [provider, 'in'],
    ] as const)
      expect(await running.exchange.log.exchange(id, dir)).toMatchObject({
        answer: { entry: { type: 'refusal' } },
      });
    await grant();
  });

  test.each(['provider', 'consumer'] as const)('the %s that is suspended stops the answer', async (who) => {
    const { registry } = federation.registry;
    whileItWorks(() => {
      registry.members.suspend(members[who], 'stolen keys');
      return published();
    });
    const { status, text } = await call();
    expect(status).not.toBe(200);
    expect(text).not.toContain('secret');
    registry.members.lift(members[who]);
    await published();
    service.handler = (_request, response) => response.end('ok');
    expect(await call()).toMatchObject({ status: 200, text: 'ok' });
  });

  test('a configuration that is taken meanwhile is entered under its own digest, and the old one under its', async () => {
    const { services } = federation.registry.registry;
    whileItWorks(() => {
      services.setPolicy({ ...services.policy(), refreshMs: services.policy().refreshMs + 1 });
      return published();
    });
    expect(await call()).toMatchObject({ status: 200 });
    for (const { running } of [consumer, provider]) {
      const { log } = running.exchange;
      for (let index = 0; index < log.counts().lane; index++) {
        const entry = JSON.parse((await log.entry(log.lane, index)).toString()) as {
          type: string;
          kind?: string;
          digest: string;
          octets: string;
        };
        if (entry.kind !== 'configuration') continue;
        const { head } = JSON.parse(entry.octets) as { head: string[] };
        const payload = Buffer.from(head[0]?.split('.')[1] ?? '', 'base64url');
        expect(createHash('sha256').update(payload).digest('base64url')).toBe(entry.digest);
      }
    }
  });

  test('an answer under a new signing certificate is entered with a configuration that lists it', async () => {
    whileItWorks(async () => {
      await replaceCertificate(federation, provider, 'signing');
      await published();
    });
    const { status, id } = await call();
    expect(status).toBe(200);
    const { log, configuration } = consumer.running.exchange;
    const state = await log.exchange(id, 'out');
    const entry = state?.answer?.entry;
    if (entry?.type !== 'message') throw new Error('no answer is recorded');
    const { certificate } = parseAnswerEnvelope(entry.message);
    const view = configuration.past(entry.cfg.digest)?.view;
    expect(view?.server(provider.id)?.signing.map((listed) => listed.certificate)).toContain(certificate);
    // It is the new one: the configuration of the request's start does not list it.
    const before = state && configuration.past(state.request.cfg.digest)?.view;
    expect(before?.server(provider.id)?.signing.map((listed) => listed.certificate)).not.toContain(
      certificate,
    );
  });
});
