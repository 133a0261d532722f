// What a registered security server that keeps no rule can do with a body that follows. Whatever does not come to a
// proven closing is discarded: the service was not called, the refusal is signed, and the log says that it was aborted.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import type { ClientRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RefusalRate } from '@onceway/security-server/exchange/refusal-rate';
import { SPOOLS_OF_ONE_MAX } from '@onceway/security-server/limits';
import {
  parseAnswerEnvelope,
  type ErrorCode,
  type OutcomeEntry,
  type RefusalEntry,
} from '@onceway/sdk/protocol';
import { held, openRoad, until, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import { HostilePeer, type Alterations, type Message } from './hostile-peer.js';
import { recordsOf } from './peer-records.js';
import { closing, commitment, sendOpening, type Sending } from './streamed-hostile.js';
import { kept, newest, octets, spools, streamedService, type StreamedService } from './streamed-road.js';

const BYTES = 400_000;
const BYTES_MAX = 1_000_000;

let road: Road;
let service: StreamedService;
let other: StreamedService;
let peer: HostilePeer;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

beforeAll(async () => {
  road = await openRoad(await Federation.start(), {
    provider: {
      limits: { streamedBodyBytesMax: BYTES_MAX, bodyIdleMs: 150, bodyBytesPerSMin: 64 * 1024 },
    },
  });
  service = await streamedService(road, 'streams');
  other = await streamedService(road, 'other');
  const { provider, consumer, client } = road;
  // Each refusal in a second of its own: the bound has its own test.
  let second = 0;
  Object.assign(provider.running.exchange, { refusals: new RefusalRate(() => 1000 * second++) });
  peer = new HostilePeer(consumer, provider, client, service.id, road.federation.clock.now);
}, 30_000);
afterAll(async () => {
  await service.close();
  await other.close();
  await road.federation.stop();
});
beforeEach(() => {
  service.seen.length = 0;
  other.seen.length = 0;
});

const called = (): number => service.seen.length + other.seen.length;

/** An opening: the body that the salt is for comes later. */
function opening(alter: Alterations = {}): Message {
  return peer.message({
    body: Buffer.from('x'),
    ...alter,
    unsigned: (message) => {
      message.claims['body'] = { follows: true };
      alter.unsigned?.(message);
    },
  });
}

const whole = (): Buffer[] => [...octets(BYTES)];

/** The closing that belongs to these octets. */
const closingOf = (message: Message, body: readonly Buffer[]): string =>
  closing(road.consumer, road.client, message.mid, commitment(message, body));

function end(outgoing: ClientRequest, body: readonly Buffer[], trailers: Record<string, string>): void {
  for (const chunk of body) outgoing.write(chunk);
  outgoing.addTrailers(trailers);
  outgoing.end();
}

const send = (message: Message, how: (outgoing: ClientRequest) => void): Sending =>
  sendOpening(road.consumer, road.provider, message, how);

/** Expects that nothing of it is there but the refusal and the word that it was aborted. */
async function expectDiscarded(message: Message, code: ErrorCode, records: () => Promise<string[][]>) {
  await until('the transfer is entered as aborted', async () => (await records())[0]?.length === 2);
  expect(await records()).toEqual([['refusal', 'outcome aborted']]);
  const [refusal, outcome] = (await newest(road.provider, 2)) as [RefusalEntry, OutcomeEntry];
  expect(refusal).toMatchObject({ type: 'refusal', dir: 'in', message: message.envelope });
  expect(outcome).toMatchObject({ type: 'outcome', dir: 'in', re: message.mid, outcome: 'aborted' });
  expect(await held(road.provider, message.mid as never, 'in')).toEqual({
    answer: 'refusal',
    code,
    outcome: 'aborted',
  });
  expect(called()).toBe(0);
  expect(spools(road.provider)).toEqual([]);
  // Who asks later is told the same, by the opening.
  const asked = peer.refusal(await peer.get(`/exchange/${message.mid}`));
  expect(asked).toMatchObject({ code, re: message.mid });
}

test('a body with its closing is a message, known by the closing and by the opening', async () => {
  const message = opening();
  const body = whole();
  const sending = send(message, (outgoing) =>
    end(outgoing, body, { 'Exchange-Closing': closingOf(message, body), 'X-More': 'y'.repeat(1_000) }),
  );
  const reply = await sending.reply;
  expect(reply).toMatchObject({ status: 200, body: Buffer.from('done') });
  const { re } = parseAnswerEnvelope(String(reply.headers['exchange-message'])).claims;
  expect(re).not.toBe(message.mid);
  expect(service.seen).toMatchObject([{ bytes: BYTES }]);
  expect(await kept(road.provider, re, 'in')).toMatchObject({ bytes: BYTES, isStreamed: true });
  expect(await held(road.provider, re, 'in')).toEqual({ answer: 'message' });
  expect(await held(road.provider, message.mid as never, 'in')).toEqual({ answer: 'message' });
  for (const mid of [re, message.mid])
    expect(await peer.get(`/exchange/${mid}`)).toMatchObject({ status: 200, body: Buffer.from('done') });
  expect(spools(road.provider)).toEqual([]);
});

describe('a transfer that does not come to its own closing is discarded', () => {
  const strange = (input: Buffer): Uint8Array => {
    for (;;) {
      const signature = signWith('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      if ((signature[32] ?? 0) < 0x7f) return signature;
    }
  };
  const another = (message: Message): string =>
    commitment(message, [...whole().slice(0, -1), Buffer.from('x')]);
  test.each<
    [what: string, trailers: (message: Message, body: Buffer[]) => Record<string, string>, code: ErrorCode]
  >([
    ['no closing', () => ({}), 'body_aborted'],
    ['an empty closing', () => ({ 'Exchange-Closing': '' }), 'envelope_invalid'],
    [
      'a closing of another key',
      (m, body) => ({
        'Exchange-Closing': closing(road.consumer, road.client, m.mid, commitment(m, body), {
          sign: strange,
        }),
      }),
      'signature_invalid',
    ],
    [
      'a closing under another certificate',
      (m, body) => ({
        'Exchange-Closing': closing(road.consumer, road.client, m.mid, commitment(m, body), {
          certificate: 'A'.repeat(43),
        }),
      }),
      'envelope_invalid',
    ],
    [
      'the closing of another opening',
      (m, body) => ({
        'Exchange-Closing': closing(road.consumer, road.client, opening().mid, commitment(m, body)),
      }),
      'envelope_invalid',
    ],
    [
      'a closing over other octets',
      (m) => ({ 'Exchange-Closing': closing(road.consumer, road.client, m.mid, another(m)) }),
      'commitment_mismatch',
    ],
    [
      'a closing that was made before its opening could be taken any more',
      (m, body) => ({
        'Exchange-Closing': closing(road.consumer, road.client, m.mid, commitment(m, body), {
          iat: Math.floor(Date.now() / 1000) - 400,
        }),
      }),
      'message_expired',
    ],
    [
      'a closing of a time to come',
      (m, body) => ({
        'Exchange-Closing': closing(road.consumer, road.client, m.mid, commitment(m, body), {
          iat: Math.floor(Date.now() / 1000) + 400,
        }),
      }),
      'message_from_future',
    ],
    ['the opening as its closing', (m) => ({ 'Exchange-Closing': String(m.envelope) }), 'envelope_invalid'],
    [
      'more than 1 KiB of other trailers',
      (m, body) => ({ 'Exchange-Closing': closingOf(m, body), 'X-More': 'y'.repeat(1_024) }),
      'head_too_large',
    ],
  ])('%s', async (_what, trailers, code) => {
    const records = recordsOf(road.provider);
    const message = opening();
    const body = whole();
    const sending = send(message, (outgoing) => end(outgoing, body, trailers(message, body)));
    expect(peer.refusal(await sending.reply)).toMatchObject({ code, re: message.mid });
    await expectDiscarded(message, code, records);
  });

  test('an altered octet', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    const body = whole();
    const closed = closingOf(message, body);
    body[3]?.writeUInt8((body[3].readUInt8(7) + 1) % 256, 7);
    const sending = send(message, (outgoing) => end(outgoing, body, { 'Exchange-Closing': closed }));
    expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'commitment_mismatch' });
    await expectDiscarded(message, 'commitment_mismatch', records);
  });

  test('a body without an octet', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    const sending = send(message, (outgoing) =>
      end(outgoing, [], { 'Exchange-Closing': closingOf(message, []) }),
    );
    expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'body_aborted' });
    await expectDiscarded(message, 'body_aborted', records);
  });

  test('a connection that is cut in mid-stream', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    const sending = send(message, (outgoing) =>
      outgoing.write(whole()[0], () => setTimeout(() => outgoing.destroy(), 20)),
    );
    await expect(sending.reply).rejects.toThrow();
    await expectDiscarded(message, 'body_aborted', records);
  });

  test('a sender that falls silent', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    const sending = send(message, (outgoing) => outgoing.write(whole()[0]));
    expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'body_too_slow', re: message.mid });
    sending.outgoing.destroy();
    await expectDiscarded(message, 'body_too_slow', records);
  });

  test('a sender that is too slow on the whole', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    let drip: NodeJS.Timeout | undefined;
    const sending = send(message, (outgoing) => {
      drip = setInterval(() => outgoing.write('x'), 20);
    });
    const reply = await sending.reply;
    clearInterval(drip);
    sending.outgoing.destroy();
    expect(peer.refusal(reply)).toMatchObject({ code: 'body_too_slow' });
    await expectDiscarded(message, 'body_too_slow', records);
  });

  test('a body of a right that ended while it came', async () => {
    const { services } = road.provider.running;
    const records = recordsOf(road.provider);
    const message = opening();
    const body = whole();
    const sending = send(message, () => undefined);
    await until('the body is wanted', () => sending.isTaken);
    await services.setDisabled(service.id, 'closed');
    try {
      end(sending.outgoing, body, { 'Exchange-Closing': closingOf(message, body) });
      expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'service_disabled', re: message.mid });
      await expectDiscarded(message, 'service_disabled', records);
    } finally {
      await services.setDisabled(service.id, undefined);
    }
  });

  test('a body of a peer that has its share of the spools, while others have room', async () => {
    const { log } = road.provider.running.exchange;
    const records = recordsOf(road.provider);
    const hold = (whose: string) =>
      Promise.all(Array.from({ length: SPOOLS_OF_ONE_MAX - 1 }, () => log.spool(whose)));
    const held = [...(await hold(road.consumer.id)), await log.spool(road.consumer.id)];
    const message = opening();
    const body = whole();
    const sending = send(message, (outgoing) =>
      end(outgoing, body, { 'Exchange-Closing': closingOf(message, body) }),
    );
    expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'busy', re: message.mid });
    const other = await log.spool('another');
    for (const writer of [other, ...held]) await writer.discard();
    await expectDiscarded(message, 'busy', records);
    // Nor does another's share stand in its way.
    const others = await hold('another');
    const later = opening();
    const taken = send(later, (outgoing) =>
      end(outgoing, body, { 'Exchange-Closing': closingOf(later, body) }),
    );
    expect(await taken.reply).toMatchObject({ status: 200, body: Buffer.from('done') });
    for (const writer of others) await writer.discard();
  });

  test('a body beyond the bound', async () => {
    const records = recordsOf(road.provider);
    const message = opening();
    const body = [...octets(BYTES_MAX + 1)];
    const sending = send(message, (outgoing) =>
      end(outgoing, body, { 'Exchange-Closing': closingOf(message, body) }),
    );
    expect(peer.refusal(await sending.reply)).toMatchObject({ code: 'body_too_large' });
    await expectDiscarded(message, 'body_too_large', records);
  });
});

describe('what is refused on its head sends no body', () => {
  async function expectOnHead(message: Message, code: ErrorCode): Promise<void> {
    const records = recordsOf(road.provider);
    const sending = send(message, () => undefined);
    expect(peer.refusal(await sending.reply)).toMatchObject({ code, re: message.mid });
    expect(sending.isTaken).toBe(false);
    sending.outgoing.destroy();
    expect(await records()).toEqual([['refusal']]);
    expect(called()).toBe(0);
    expect(spools(road.provider)).toEqual([]);
  }

  test('a service without a right', async () => {
    const { services } = road.provider.running;
    await services.putService(`${road.offering}/closed` as never, { baseUrl: 'http://127.0.0.1:9' });
    const target = `${road.offering}/closed`;
    const message = opening({
      target: `/r1/${target}`,
      unsigned: ({ claims }) => (claims['aud'] = target),
    });
    await expectOnHead(message, 'access_denied');
  });

  test('a head that is not the one that was signed', async () => {
    const message = opening();
    await expectOnHead({ ...message, head: opening().head }, 'commitment_mismatch');
  });

  test('a digest where a body follows', async () => {
    await expectOnHead(peer.message({ body: Buffer.from('ping') }), 'commitment_mismatch');
  });

  test('no salt for the body', async () => {
    const message = opening();
    await expectOnHead(
      { ...message, salts: `${String(message.salts).split('.')[0] ?? ''}.` },
      'commitment_mismatch',
    );
  });

  test.each<[what: string, alter: Alterations, code: ErrorCode]>([
    ['one that is expired', { unsigned: (m) => expire(m.header, m.claims) }, 'message_expired'],
    [
      'one that is signed by another',
      { sent: (m) => (m.envelope = `${String(m.envelope).slice(0, -8)}AAAAAAAA`) },
      'signature_invalid',
    ],
  ])('unsigned: %s', async (_what, alter, code) => {
    const records = recordsOf(road.provider);
    const sending = send(opening(alter), () => undefined);
    expect(peer.unsigned(await sending.reply)).toMatchObject({ logged: code });
    expect(sending.isTaken).toBe(false);
    sending.outgoing.destroy();
    expect(await records()).toEqual([[]]);
  });

  test('a copy of an opening, while its body comes and afterwards', async () => {
    const message = opening();
    const body = whole();
    const first = send(message, () => undefined);
    await until('the body is wanted', () => first.isTaken);
    const copy = send(message, () => undefined);
    expect(peer.unsigned(await copy.reply)).toMatchObject({ shown: 'message_replayed' });
    expect(copy.isTaken).toBe(false);
    copy.outgoing.destroy();
    // Asked meanwhile, it is still running.
    expect(await peer.get(`/exchange/${message.mid}`)).toMatchObject({ status: 202 });
    end(first.outgoing, body, { 'Exchange-Closing': closingOf(message, body) });
    expect(await first.reply).toMatchObject({ status: 200 });
    const later = send(message, () => undefined);
    expect(peer.unsigned(await later.reply)).toMatchObject({ shown: 'message_replayed' });
    later.outgoing.destroy();
    expect(service.seen).toHaveLength(1);
  });

  test('an opening that was declared not recorded', async () => {
    const message = opening();
    expect(peer.refusal(await peer.get(`/exchange/${message.mid}`))).toMatchObject({ code: 'not_recorded' });
    const body = whole();
    const sending = send(message, (outgoing) =>
      end(outgoing, body, { 'Exchange-Closing': closingOf(message, body) }),
    );
    expect(peer.unsigned(await sending.reply)).toMatchObject({ shown: 'message_void' });
    expect(called()).toBe(0);
    expect(spools(road.provider)).toEqual([]);
  });
});

test('a body that does not wait for our word is no streamed one', async () => {
  const records = recordsOf(road.provider);
  const message = opening();
  const { reply, outgoing } = sendOpening(road.consumer, road.provider, message, () => undefined, {});
  end(outgoing, [Buffer.from('ping')], { 'Exchange-Closing': closingOf(message, [Buffer.from('ping')]) });
  expect(peer.refusal(await reply)).toMatchObject({ code: 'commitment_mismatch' });
  expect(await records()).toEqual([['refusal']]);
  expect(called()).toBe(0);
});

function expire(header: Record<string, unknown>, claims: Record<string, unknown>): void {
  const now = Math.floor(Date.now() / 1000);
  header['iat'] = now - 200;
  claims['exp'] = now - 100;
}
