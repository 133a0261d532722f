// The auditor's program and streamed bodies (docs/protocol.md#bodies): opening and closing make one message, found by
// either id; what does not belong together is found by the rule that it breaks.
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { generateKeyPairSync, sign } from 'node:crypto';
import { Readable } from 'node:stream';
import { messageIdOf, OncewayError, type RefusalEntry } from '@onceway/sdk/protocol';
import { closing } from '../exchange/streamed-hostile.js';
import { octets, stream, streamedService, type StreamedService } from '../exchange/streamed-road.js';
import { Audited, type Answer, type Verdict } from './audited.js';

const BYTES = 300_000;

let audited: Audited;
let service: StreamedService;
/** Mids of messages whose bodies were streamed both ways: each the closing's, and the openings'. */
let both: { request: string; answer: string; requestOpening: string; answerOpening: string };
/** Of a message whose body was not streamed. */
let whole: [string, string];

const streamBack: StreamedService['answer'] = (response) =>
  void Readable.from(octets(BYTES), { objectMode: false }).pipe(response);

const midOf = (compact: string): string =>
  messageIdOf({ signingInput: compact.slice(0, compact.lastIndexOf('.')) });

/** The entry of a message in the consumer's log. */
const entryOf = async (mid: string): Promise<{ message: string; closing: string }> => {
  const shown = await audited.ask(audited.consumer, 'GET', `/messages/${mid}`);
  return JSON.parse(shown.entries[0].entry as string) as { message: string; closing: string };
};

beforeAll(async () => {
  audited = await Audited.start();
  service = await streamedService(audited, 'streams');
  service.answer = streamBack;
  const { id: request, answerId: answer } = await stream(audited, service.id, BYTES);
  const requestOpening = midOf((await entryOf(request)).message);
  const answerOpening = midOf((await entryOf(answer)).message);
  both = { request, answer, requestOpening, answerOpening };
  whole = await audited.exchange('ping');
}, 30_000);
afterAll(async () => {
  await service.close();
  await audited.stop();
});
beforeEach(() => {
  audited.alter = (answer) => answer as unknown;
  service.answer = (response) => response.end('done');
});

/** What was proven: id, kind and content of each message, and the rules of what was not. */
function told({ code, stdout, stderr }: Verdict): unknown {
  expect(stderr).toBe('');
  const { messages, failures } = JSON.parse(stdout) as {
    messages: { mid: string; kind: string; content: string }[];
    failures: { rule: string }[];
  };
  const proven = messages.map(({ mid, kind, content }) => `${mid} ${kind} ${content}`);
  return { code, proven, rules: failures.map(({ rule }) => rule) };
}

const verify = async (mid: string): Promise<unknown> =>
  told(await audited.verify(`--message=${mid}`, '--json'));

describe('what was streamed is verified with its content', () => {
  test.each(['request', 'answer', 'requestOpening'] as const)(
    'both ways, found by the id of the %s: the message’s id is the closing’s',
    async (which) => {
      expect([both.request, both.answer]).not.toEqual([both.requestOpening, both.answerOpening]);
      expect(await verify(both[which])).toEqual({
        code: 0,
        proven: [`${both.request} request verified`, `${both.answer} answer verified`],
        rules: [],
      });
    },
  );

  test('an answer is not found by its opening: the servers do not know it by that', async () => {
    expect(await verify(both.answerOpening)).toEqual({ code: 1, proven: [], rules: ['copies'] });
  });

  test('a request alone', async () => {
    const { id, answerId } = await stream(audited, service.id, BYTES, { isChunked: true });
    const proven = [`${id} request verified`, `${answerId} answer verified`];
    expect(await verify(answerId)).toEqual({ code: 0, proven, rules: [] });
  });

  test('an answer alone', async () => {
    service.answer = streamBack;
    const { id, answerId } = await stream(audited, service.id, null);
    const proven = [`${id} request verified`, `${answerId} answer verified`];
    expect(await verify(id)).toEqual({ code: 0, proven, rules: [] });
  });

  test('a request that was refused on its opening: the refusal names that', async () => {
    const denied = `${audited.offering}/none` as typeof service.id;
    const { id, answerId, code } = await stream(audited, denied, BYTES);
    expect(code).toBe('service_unknown');
    const proven = [`${id} request not kept`, `${answerId} refusal none`];
    expect(await verify(id)).toEqual({ code: 0, proven, rules: [] });
    expect(await verify(answerId)).toEqual({ code: 0, proven, rules: [] });
    const { message } = await entryOf(answerId);
    expect(id).toBe(midOf(message));
  });

  test('a request whose service failed: the refusal names the closing', async () => {
    service.answer = (response) => response.destroy();
    const { id, answerId, code } = await stream(audited, service.id, BYTES);
    expect(code).toBe('service_failed');
    const proven = [`${id} request verified`, `${answerId} refusal none`];
    expect(await verify(id)).toEqual({ code: 0, proven, rules: [] });
  });

  test('a request that was whole, and refused before its closing was proven: only its sender holds that', async () => {
    const { log } = audited.provider.running.exchange;
    const spool = log.spool.bind(log);
    // The last octet has come, and the closing with it, when the provider's disk fails.
    const failing = jest.spyOn(log, 'spool').mockImplementation(async () => {
      const writer = await spool();
      jest.spyOn(writer, 'end').mockRejectedValue(new OncewayError('busy', 'for the test'));
      return writer;
    });
    const { id, answerId, code } = await stream(audited, service.id, BYTES);
    failing.mockRestore();
    expect(code).toBe('busy');
    const { message, closing: closed } = await entryOf(id);
    expect(id).toBe(midOf(closed));
    const proven = [`${id} request verified`, `${answerId} refusal none`];
    for (const mid of [id, midOf(message), answerId])
      expect(await verify(mid)).toEqual({ code: 0, proven, rules: [] });
  });
});

type Change = (entry: Answer) => void;

/** Has the closing of an entry altered: a part as JSON, or the whole. */
const part =
  (n: 0 | 1, change: (json: Answer) => object): Change =>
  (entry) => {
    const parts = String(entry.closing).split('.');
    const json = JSON.parse(Buffer.from(parts[n] ?? '', 'base64url').toString()) as unknown;
    parts[n] = Buffer.from(JSON.stringify(change(json))).toString('base64url');
    entry.closing = parts.join('.');
  };

const signedBy =
  (signature: (input: Buffer) => Uint8Array): Change =>
  (entry) => {
    const [header, payload] = String(entry.closing).split('.');
    const octetsOf = signature(Buffer.from(`${header}.${payload}`));
    entry.closing = `${header}.${payload}.${Buffer.from(octetsOf).toString('base64url')}`;
  };

const { privateKey } = generateKeyPairSync('ed25519');
/** The same each time, so that both logs show the same octets. */
const byOtherKey = signedBy((input) => sign(null, input, privateKey));

const mid43 = 'A'.repeat(43);
let overOthers: string | undefined;

const ALTERED: [what: string, rule: string, change: Change][] = [
  ['no closing', 'closing', (entry) => delete entry.closing],
  ['the closing of another opening', 'closing', part(1, (claims) => ({ ...claims, re: mid43 }))],
  ['another algorithm than the opening’s', 'closing', part(0, (header) => ({ ...header, alg: 'EdDSA' }))],
  [
    'another certificate than the opening’s',
    'closing',
    part(0, (header) => ({ ...header, 'x5t#S256': mid43 })),
  ],
  ['another digest', 'signature', part(1, (claims) => ({ ...claims, digest: mid43 }))],
  ['another time of the closing', 'signature', part(0, (header) => ({ ...header, iat: 1 }))],
  ['a closing by another key', 'signature', byOtherKey],
  ['a closing without a signature', 'signature', signedBy(() => Buffer.alloc(0))],
  [
    'a closing over other octets, by the same key',
    'inclusion',
    (entry) => {
      overOthers ??= closing(audited.consumer, audited.client, both.requestOpening, mid43);
      entry.closing = overOthers;
    },
  ],
  ['a closing that is no text', 'form', (entry) => (entry.closing = 1)],
  ['another version', 'form', part(1, (claims) => ({ ...claims, v: 2 }))],
  ['a claim that no closing has', 'form', part(1, (claims) => ({ ...claims, exp: 1 }))],
  ['another type', 'form', part(0, (header) => ({ ...header, typ: 'exchange-batch+jws' }))],
  ['the place in a batch', 'form', (entry) => (entry.batch = 'x')],
  [
    'a refusal in its place',
    'closing',
    (entry) => {
      entry.type = 'refusal';
      entry.refusal = entry.message;
    },
  ],
];

describe('what does not belong to a streamed message is found', () => {
  beforeAll(async () => {
    for (const server of [audited.consumer, audited.provider])
      await audited.ask(server, 'POST', '/checkpoint', {});
  });

  /** In both logs, or in one. */
  function inEntry(mid: string, change: Change, only?: 'consumer' | 'provider'): { count: number } {
    const altered = { count: 0 };
    audited.alter = (answer, path, from) => {
      if (path !== `/messages/${mid}` || (only !== undefined && from !== only)) return answer as unknown;
      const [shown] = answer.entries;
      const entry = JSON.parse(shown.entry as string) as unknown;
      change(entry);
      const after = JSON.stringify(entry);
      if (after !== shown.entry) altered.count++;
      shown.entry = after;
      return answer as unknown;
    };
    return altered;
  }

  test.each(ALTERED)('%s: %s', async (_what, rule, change) => {
    const altered = inEntry(both.requestOpening, change);
    expect(await verify(both.requestOpening)).toEqual({ code: 1, proven: [], rules: [rule] });
    expect(altered.count).toBeGreaterThan(0);
  });

  test.each([
    ['no closing', 'closing', ALTERED[0]?.[2] as Change],
    ['the signature of its closing', 'signature', byOtherKey],
  ])('of an answer %s: %s', async (_what, rule, change) => {
    inEntry(both.answer, change);
    expect(await verify(both.request)).toEqual({ code: 1, proven: [], rules: [rule] });
  });

  test.each(['consumer', 'provider'] as const)(
    'another closing in the log of the %s: copies',
    async (who) => {
      inEntry(both.requestOpening, byOtherKey, who);
      expect(await verify(both.request)).toEqual({ code: 1, proven: [], rules: ['copies'] });
    },
  );

  test('the closing of the answer in place of that of the request: closing', async () => {
    const { closing: other } = await entryOf(both.answer);
    inEntry(both.requestOpening, (entry) => (entry.closing = other));
    expect(await verify(both.request)).toEqual({ code: 1, proven: [], rules: ['closing'] });
  });

  test('a closing of a message whose body does not follow: closing', async () => {
    const { closing: other } = await entryOf(both.request);
    for (const mid of whole) {
      inEntry(mid, (entry) => (entry.closing = other));
      expect(await verify(whole[0])).toEqual({ code: 1, proven: [], rules: ['closing'] });
    }
  });

  test('a request that its sender shows without the closing that its receiver holds: copies', async () => {
    const change: Change = (entry) => {
      entry.type = 'refusal';
      delete entry.closing;
    };
    inEntry(both.requestOpening, change, 'consumer');
    expect(await verify(both.request)).toEqual({ code: 1, proven: [], rules: ['copies'] });
  });

  test.each([
    ['streamed', BYTES],
    ['whole', 1_000],
  ] as const)(
    'a provider that enters a %s request as refused, and answers it: binding',
    async (_what, bytes) => {
      const denied = `${audited.offering}/none` as typeof service.id;
      const { answerId } = await stream(audited, denied, 1_000);
      const { refusal } = (await entryOf(answerId)) as unknown as RefusalEntry;
      const { log } = audited.provider.running.exchange;
      const append = log.appendRequest.bind(log);
      const liar = jest
        .spyOn(log, 'appendRequest')
        .mockImplementation(({ closing: _, ...entry }, ...rest) => {
          const refused = { ...entry, type: 'refusal', refusal };
          return append(refused as unknown as typeof entry, ...rest);
        });
      const { id, status } = await stream(audited, service.id, bytes);
      liar.mockRestore();
      expect(status).toBe(200);
      // Without its closing the provider's entry is known by the opening alone.
      const opening = midOf((await entryOf(id)).message);
      expect(await verify(opening)).toEqual({ code: 1, proven: [], rules: ['binding'] });
    },
  );

  test('a request whose closing was signed after its entry was made: time', async () => {
    const { clock, consumer } = audited;
    const { log } = consumer.running.exchange;
    const spool = log.spool.bind(log);
    const append = log.appendRequest.bind(log);
    const spooling = jest.spyOn(log, 'spool').mockImplementation(async () => {
      const writer = await spool();
      const end = writer.end.bind(writer);
      jest.spyOn(writer, 'end').mockImplementation(async () => {
        const body = await end();
        clock.offsetMs = 200_000;
        return body;
      });
      return writer;
    });
    const appending = jest
      .spyOn(log, 'appendRequest')
      .mockImplementation((...entry: Parameters<typeof append>) => {
        clock.offsetMs = 0;
        return append(...entry);
      });
    const { id, code } = await stream(audited, service.id, BYTES);
    spooling.mockRestore();
    appending.mockRestore();
    expect(code).toBe('message_from_future');
    expect(await verify(id)).toEqual({ code: 1, proven: [], rules: ['time'] });
  });

  const flipped = (text: string, at: number): string => {
    const bytes = Buffer.from(text, 'base64');
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes.toString('base64');
  };
  test.each([
    ['the first octet', 'request', (content) => (content.body = flipped(content.body as string, 0))],
    ['the last octet', 'answer', (content) => (content.body = flipped(content.body as string, BYTES - 1))],
    [
      'one octet less',
      'request',
      (content) => {
        content.body = Buffer.from(content.body as string, 'base64')
          .subarray(1)
          .toString('base64');
      },
    ],
    ['no body', 'answer', (content) => (content.body = null)],
    ['another salt', 'request', ({ salts }) => (salts.body = flipped(salts.body as string, 0))],
  ] as [string, 'request' | 'answer', Change][])(
    'of the streamed body %s, of the %s: commitment',
    async (_what, which, change) => {
      audited.alter = (answer, path, from) => {
        if (path === `/messages/${both[which]}/content` && from === 'provider') change(answer);
        return answer as unknown;
      };
      expect(await verify(both.request)).toEqual({ code: 1, proven: [], rules: ['commitment'] });
    },
  );
});
