// What a hostile or faulty provider's server can do with a streamed answer, and with a streamed request: the client gets
// a code, never a part of the content, and nothing is kept that has no closing.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseRequestEnvelope, type ErrorCode, type RefusalEntry } from '@onceway/sdk/protocol';
import { openRoad, until, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import type { Message } from './hostile-peer.js';
import { HostileProvider, type Asked } from './hostile-provider.js';
import { recordsOf } from './peer-records.js';
import { closing, commitment } from './streamed-hostile.js';
import { kept, MIB, newest, octets, spools, stream } from './streamed-road.js';

const BYTES = 400_000;
const BYTES_MAX = 1_000_000;

let road: Road;
let hostile: HostileProvider;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

beforeAll(async () => {
  road = await openRoad(await Federation.start(), {
    consumer: {
      limits: {
        ...{ outcomeAskIntervalMs: 5, outcomeAskTotalMs: 10 },
        ...{ streamedBodyBytesMax: BYTES_MAX, bodyIdleMs: 150, bodyBytesPerSMin: 64 * 1024 },
      },
    },
  });
  // Once with the real one: its certificates and their status are known from then on.
  expect(await stream(road, road.service.id, null)).toMatchObject({ status: 200 });
  await road.provider.stop();
  hostile = await HostileProvider.start(road.provider);
  const { respond, outcome, expected } = hostile;
  defaults = { respond, outcome, expected };
}, 30_000);
let defaults: Pick<HostileProvider, 'respond' | 'outcome' | 'expected'>;
afterEach(() => void Object.assign(hostile, defaults));
afterAll(async () => {
  await hostile.stop();
  await road.federation.stop();
});

/** The fields of an answer whose body follows. */
function begin(asked: Asked, response: ServerResponse): Message {
  const message = hostile.answer(asked, {
    body: Buffer.from('x'),
    unsigned: ({ claims }) => (claims['body'] = { follows: true }),
  });
  response.writeHead(200, {
    'exchange-message': String(message.envelope),
    'exchange-head': String(message.head),
    'exchange-salt': String(message.salts),
    trailer: 'Exchange-Closing',
  });
  return message;
}

const whole = (): Buffer[] => [...octets(BYTES)];
const closingOf = (message: Message, body: readonly Buffer[], alter = {}): string =>
  closing(road.provider, road.offering, message.mid, commitment(message, body), alter);

function write(
  asked: Asked,
  response: ServerResponse,
  trailers: (message: Message, body: Buffer[]) => Record<string, string>,
  body = whole(),
): void {
  const message = begin(asked, response);
  for (const chunk of body) response.write(chunk);
  response.addTrailers(trailers(message, body));
  response.end();
}

const good = (message: Message, body: Buffer[]): Record<string, string> => ({
  'Exchange-Closing': closingOf(message, body),
});

async function expectUnusable(code: ErrorCode): Promise<void> {
  const records = recordsOf(road.consumer);
  const answer = await stream(road, road.service.id, null);
  expect(answer).toMatchObject({ code });
  expect(answer.headers['exchange-answer']).toBeUndefined();
  expect(await records()).toEqual([['message out', 'outcome aborted']]);
  expect(spools(road.consumer)).toEqual([]);
}

test('an answer with its closing is taken, known by the closing', async () => {
  hostile.respond = (asked, response) => write(asked, response, good);
  const answer = await stream(road, road.service.id, null);
  expect(answer).toMatchObject({ status: 200, bytes: BYTES });
  expect(await kept(road.consumer, answer.answerId, 'in')).toMatchObject({ bytes: BYTES, isStreamed: true });
});

describe('an answer that does not come to its own closing is discarded', () => {
  const strange = (input: Buffer): Uint8Array => {
    for (;;) {
      const signature = signWith('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      if ((signature[32] ?? 0) < 0x7f) return signature;
    }
  };
  test.each<
    [what: string, trailers: (message: Message, body: Buffer[]) => Record<string, string>, code: ErrorCode]
  >([
    ['no closing', () => ({}), 'outcome_unknown'],
    [
      'a closing of another key',
      (m, b) => ({ 'Exchange-Closing': closingOf(m, b, { sign: strange }) }),
      'answer_invalid',
    ],
    [
      'a closing under another certificate',
      (m, b) => ({ 'Exchange-Closing': closingOf(m, b, { certificate: 'A'.repeat(43) }) }),
      'answer_invalid',
    ],
    [
      'the closing of another opening',
      (m, b) => ({ 'Exchange-Closing': closingOf({ ...m, mid: 'A'.repeat(43) }, b) }),
      'answer_invalid',
    ],
    [
      'a closing over other octets',
      (m) => ({ 'Exchange-Closing': closingOf(m, [Buffer.from('x')]) }),
      'answer_invalid',
    ],
    [
      'more than 1 KiB of other trailers',
      (m, b) => ({ ...good(m, b), 'X-More': 'y'.repeat(1_024) }),
      'answer_invalid',
    ],
  ])('%s', async (_what, trailers, code) => {
    hostile.respond = (asked, response) => write(asked, response, trailers);
    await expectUnusable(code);
  });

  test('one beyond the bound', async () => {
    hostile.respond = (asked, response) => write(asked, response, good, [...octets(BYTES_MAX + 1)]);
    await expectUnusable('answer_invalid');
  });

  test('one that falls silent', async () => {
    hostile.respond = (asked, response) => {
      begin(asked, response);
      response.write(whole()[0]);
    };
    await expectUnusable('answer_invalid');
  });

  test('one whose connection is cut, and cannot be asked for', async () => {
    hostile.respond = (asked, response) => {
      begin(asked, response);
      response.write(whole()[0], () => setTimeout(() => response.destroy(), 20));
    };
    await expectUnusable('outcome_unknown');
  });

  test('one that came whole although its envelope has a digest', async () => {
    hostile.respond = (asked, response) => {
      const message = hostile.answer(asked);
      response.writeHead(200, {
        'exchange-message': String(message.envelope),
        'exchange-head': String(message.head),
        'exchange-salt': String(message.salts),
        trailer: 'Exchange-Closing',
      });
      response.end(message.body);
    };
    const records = recordsOf(road.consumer);
    expect(await stream(road, road.service.id, null)).toMatchObject({ code: 'answer_invalid' });
    expect(await records()).toEqual([['message out', 'outcome unknown']]);
  });
});

test('an answer whose connection is cut is asked for, and taken as it was recorded', async () => {
  let asked: Asked | undefined;
  hostile.respond = (of, response) => {
    asked = of;
    begin(of, response);
    response.write(whole()[0], () => setTimeout(() => response.destroy(), 20));
  };
  hostile.outcome = (response) => {
    if (asked !== undefined) write(asked, response, good);
  };
  const records = recordsOf(road.consumer);
  const answer = await stream(road, road.service.id, null);
  expect(answer).toMatchObject({ status: 200, bytes: BYTES });
  expect(await records()).toEqual([['message out', 'message in']]);
  expect(spools(road.consumer)).toEqual([]);
});

test('an outcome that is no answer and goes on for ever holds no connection', async () => {
  let [begun, closed] = [0, 0];
  hostile.respond = (_asked, response) => void response.destroy();
  hostile.outcome = (response) => {
    begun++;
    response.once('close', () => closed++);
    response.writeHead(202, { trailer: 'Exchange-Closing' });
    response.write(Buffer.alloc(MIB));
  };
  expect(await stream(road, road.service.id, null)).toMatchObject({ code: 'outcome_unknown' });
  expect(begun).toBeGreaterThan(0);
  await until('they are all given up', () => closed === begun);
});

test('an answer that is asked for twice at once is entered once, and no spool is left', async () => {
  let asked: Asked | undefined;
  const waiting: ServerResponse[] = [];
  hostile.respond = (of, response) => ((asked = of), response.destroy());
  const records = recordsOf(road.consumer);
  expect(await stream(road, road.service.id, null)).toMatchObject({ code: 'outcome_unknown' });
  const message = hostile.answer(asked as unknown as Asked, {
    body: Buffer.from('x'),
    unsigned: ({ claims }) => (claims['body'] = { follows: true }),
  });
  const closed = closingOf(message, whole());
  hostile.outcome = (response, path) => {
    if (!path.startsWith('/exchange/')) return void response.writeHead(404).end();
    waiting.push(response);
    // Both are there before either is answered, with the same octets.
    if (waiting.length < 2) return;
    for (const each of waiting) {
      each.writeHead(200, {
        'exchange-message': String(message.envelope),
        'exchange-head': String(message.head),
        'exchange-salt': String(message.salts),
        trailer: 'Exchange-Closing',
      });
      for (const chunk of whole()) each.write(chunk);
      each.addTrailers({ 'Exchange-Closing': closed });
      each.end();
    }
  };
  const { mid } = (asked as unknown as Asked).message;
  const ask = (): Promise<unknown> =>
    stream(road, road.service.id, null, { path: `/exchange/${mid}`, headers: {} });
  expect(await Promise.all([ask(), ask()])).toMatchObject([
    { status: 200, bytes: BYTES },
    { status: 200, bytes: BYTES },
  ]);
  expect(await records()).toEqual([['message out', 'outcome unknown', 'message in']]);
  await until('no spool is left', () => spools(road.consumer).length === 0);
});

describe('a streamed request', () => {
  const askedOf = (request: IncomingMessage): Asked => ({
    message: parseRequestEnvelope(String(request.headers['exchange-message'])),
    head: Buffer.from(String(request.headers['exchange-head']), 'base64url'),
    body: null,
  });

  test('is taken by a provider that keeps the rules', async () => {
    expect(await stream(road, road.service.id, BYTES)).toMatchObject({ status: 200, text: 'secret' });
  });

  test('that is refused on its head is answered with that refusal, and entered with it alone', async () => {
    const records = recordsOf(road.consumer);
    let openingId = '';
    hostile.expected = (request, response) => {
      const asked = askedOf(request);
      openingId = asked.message.mid;
      hostile.write(hostile.refusal(asked, 'access_denied'), response);
    };
    const answer = await stream(road, road.service.id, BYTES);
    expect(answer).toMatchObject({ status: 403, code: 'access_denied', id: openingId });
    expect(await records()).toEqual([['refusal']]);
    expect((await newest(road.consumer, 1))[0] as RefusalEntry).toMatchObject({
      type: 'refusal',
      dir: 'out',
    });
    expect(spools(road.consumer)).toEqual([]);
  });

  test('that is refused while its body is sent', async () => {
    const records = recordsOf(road.consumer);
    hostile.expected = (request, response) => {
      response.writeContinue();
      request.once('data', () =>
        hostile.write(hostile.refusal(askedOf(request), 'body_too_large'), response),
      );
    };
    expect(await stream(road, road.service.id, 900_000)).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect(await records()).toEqual([['refusal']]);
    expect(spools(road.consumer)).toEqual([]);
  });

  test.each<
    [what: string, expected: (request: IncomingMessage, response: ServerResponse) => void, code: ErrorCode]
  >([
    [
      'that gets an answer before its closing',
      (request, response) => hostile.write(hostile.answer(askedOf(request)), response),
      'answer_invalid',
    ],
    [
      'that is refused in the name of another',
      (request, response) =>
        hostile.write(
          hostile.refusal(askedOf(request), 'access_denied', {
            unsigned: ({ claims }) => (claims['re'] = 'A'.repeat(43)),
          }),
          response,
        ),
      'answer_inconsistent',
    ],
    ['that is answered unsigned', (_request, response) => void response.writeHead(500).end(), 'peer_refused'],
    [
      'whose connection is cut in mid-stream',
      (request, response) => {
        response.writeContinue();
        request.once('data', () => request.socket.destroy());
      },
      'body_aborted',
    ],
    [
      'whose connection is cut before its body',
      (request) => request.socket.destroy(),
      'provider_unreachable',
    ],
  ])('%s leaves no record', async (_what, expected, code) => {
    const records = recordsOf(road.consumer);
    hostile.expected = expected;
    expect(await stream(road, road.service.id, 900_000)).toMatchObject({ code });
    expect(await records()).toEqual([[]]);
    expect(spools(road.consumer)).toEqual([]);
  });

  test('whose answer names the opening, not the closing, is not taken', async () => {
    const records = recordsOf(road.consumer);
    hostile.expected = (request, response) => {
      response.writeContinue();
      request.resume().once('end', () => hostile.write(hostile.answer(askedOf(request)), response));
    };
    expect(await stream(road, road.service.id, BYTES)).toMatchObject({ code: 'answer_inconsistent' });
    expect(await records()).toEqual([['message out', 'outcome unknown']]);
  });

  test('that the provider discarded although its closing had left', async () => {
    const records = recordsOf(road.consumer);
    hostile.expected = (request, response) => {
      response.writeContinue();
      request
        .resume()
        .once('end', () => hostile.write(hostile.refusal(askedOf(request), 'body_aborted'), response));
    };
    expect(await stream(road, road.service.id, MIB - 100_000)).toMatchObject({
      status: 400,
      code: 'body_aborted',
    });
    expect(await records()).toEqual([['message out', 'refusal']]);
  });
});
