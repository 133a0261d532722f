// The auditor's program against two live servers: what is honest is verified, and each thing that is altered on the way
// is found, by the rule that it breaks.
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '@onceway/sdk/protocol';
import { Audited, type Alteration, type Answer } from './audited.js';

let audited: Audited;
let withBody: [string, string];
let withoutBody: [string, string];

beforeAll(async () => {
  audited = await Audited.start();
  withBody = await audited.exchange('ping');
  withoutBody = await audited.exchange(undefined);
});
afterAll(() => audited.stop());
beforeEach(() => {
  audited.alter = (answer) => answer as unknown;
});

describe('an honest country', () => {
  test('every message of a result, not covered by a checkpoint before, is found in both logs and verified', async () => {
    const file = join(audited.federation.folder, 'result.json');
    const messages = [withBody[0], withoutBody[0], withBody[1]];
    writeFileSync(file, JSON.stringify({ steps: [{ messages: messages.slice(0, 1) }, { messages }] }));
    const { code, stdout, stderr } = await audited.verify('--result', file);
    expect([code, stderr, stdout.match(/^FAIL.*/gm)]).toEqual([0, '', null]);
    for (const mid of [...withBody, ...withoutBody])
      expect(stdout.match(new RegExp(`^ok   ${mid} .*; content verified$`, 'gm'))).toHaveLength(1);
    expect(stdout).toMatch(/\n2 exchanges, 4 messages, each found in both logs and verified\n$/);
  });

  test('an answer leads to its request, and contents are left where they are when told so', async () => {
    const before = audited.provider.running.exchange.log.counts().server;
    const { code, stdout } = await audited.verify(`--message=${withBody[1]}`, '--without-content', '--json');
    const report = JSON.parse(stdout) as { messages: { mid: string; content: string }[] };
    expect([code, report]).toMatchObject([0, { ok: true, exchanges: 1, failures: [] }]);
    expect(report.messages.map(({ mid, content }) => [mid, content])).toEqual(
      withBody.map((mid) => [mid, 'not asked for']),
    );
    expect(audited.provider.running.exchange.log.counts().server).toBe(before);
  });

  test('a refused request is verified with its signed refusal', async () => {
    const denied = await audited.exchange('ping', `${audited.service.slice(0, -4)}none`);
    const { code, stdout } = await audited.verify(`--message=${denied[0]}`);
    expect([code, stdout.match(/ (request|refusal) /g), stdout.match(/^FAIL.*/gm)]).toEqual([
      0,
      [' request ', ' refusal '],
      null,
    ]);
  });

  test('a message of an earlier configuration is verified, also after a restart', async () => {
    const { federation, consumer } = audited;
    const { seq } = consumer.running.exchange.configuration.current().reference;
    federation.member('LATER');
    await federation.registry.registry.publication.changed();
    await consumer.running.exchange.configuration.refresh();
    await consumer.restart();
    const later = await audited.exchange('pong');
    expect(consumer.running.exchange.configuration.current().reference.seq).toBeGreaterThan(seq);
    const { code, stdout } = await audited.verify(`--message=${withBody[0]}`, `--message=${later[0]}`);
    expect([code, stdout.match(/^FAIL.*/gm)]).toEqual([0, null]);
    const configurations = [...stdout.matchAll(/configuration (\d+)/g)].map(([, number]) => Number(number));
    expect(configurations).toEqual([seq, seq, expect.any(Number), expect.any(Number)]);
    expect(Math.max(...configurations)).toBeGreaterThan(seq);
  });

  test('both copies are found in the one lane of a server that hosts both parties', async () => {
    const { mids, id } = await audited.exchangeWithinConsumer();
    const { code, stdout } = await audited.verify(`--message=${mids[0]}`);
    expect([code, stdout.match(/^FAIL.*/gm)]).toEqual([0, null]);
    const places = [...stdout.matchAll(/; (\S+) #(\d+) and (\S+) #(\d+);/g)];
    expect(places.map(([, one, first, other, second]) => [one, other, first === second])).toEqual([
      [id, id, false],
      [id, id, false],
    ]);
  });

  test('what is called wrongly exits 2, and help names an example', async () => {
    expect(await audited.verify()).toMatchObject({ code: 2, stdout: '' });
    expect(await audited.verify('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('--country var/demo/country.json --result var/demo/result.json'),
    });
  });
});

/** Changes one bit of the octets behind a text; a negative place counts from the end. */
function flip(text: string, encoding: 'base64' | 'base64url', at = 40): string {
  const octets = Buffer.from(text, encoding);
  const place = at < 0 ? octets.length + at : at;
  octets.writeUInt8(octets.readUInt8(place) ^ 1, place);
  return octets.toString(encoding);
}

/** Alters the entry of the message with a body: its request, or its answer. */
const entryOf =
  (which: 0 | 1, change: (entry: Answer) => void, only?: 'consumer' | 'provider'): Alteration =>
  (answer, path, from) => {
    if (path !== `/messages/${withBody[which]}` || (only !== undefined && from !== only)) return answer;
    change(answer.entries[0]);
    return answer;
  };

/** The same for what its content is said to be. */
const contentOf =
  (change: (content: Answer) => void): Alteration =>
  (answer, path, from) => {
    if (path === `/messages/${withBody[0]}/content` && from === 'provider') change(answer);
    return answer;
  };

const inMessage =
  (change: (compact: string) => string) =>
  (shown: Answer): void => {
    const entry = JSON.parse(shown.entry as string) as { message: string };
    shown.entry = JSON.stringify({ ...entry, message: change(entry.message) });
  };

const part = (n: number, change: (text: string) => string) => (compact: string) =>
  compact
    .split('.')
    .map((text, i) => (i === n ? change(text) : text))
    .join('.');

const reencoded = (change: (claims: Answer) => unknown) => (text: string) =>
  Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(text, 'base64url').toString())))).toString(
    'base64url',
  );

/** Line n of a note, counted from its end. */
const noteLine = (n: number, change: (line: string) => string) => (note: string) =>
  note
    .split('\n')
    .map((line, i, lines) => (i === lines.length - 1 - n ? change(line) : line))
    .join('\n');

const signatureLine = (line: string): string => {
  const encoded = line.slice(line.lastIndexOf(' ') + 1);
  return line.replace(encoded, flip(encoded, 'base64'));
};

const ALTERED: [what: string, rule: string, alteration: Alteration][] = [
  [
    'a signature, in both logs',
    'signature',
    entryOf(0, inMessage(part(2, (text) => flip(text, 'base64url')))),
  ],
  [
    'a signature, in one log',
    'copies',
    entryOf(0, inMessage(part(2, (text) => flip(text, 'base64url'))), 'provider'),
  ],
  [
    'a claim',
    'form',
    entryOf(
      0,
      inMessage(
        part(
          1,
          reencoded((claims) => ({ ...claims, purpose: 'other' })),
        ),
      ),
    ),
  ],
  [
    'a header',
    'form',
    entryOf(
      1,
      inMessage(
        part(
          0,
          reencoded((header) => ({ ...header, iat: 1 })),
        ),
      ),
    ),
  ],
  [
    'the padding of a signature',
    'form',
    entryOf(
      0,
      inMessage((compact) => `${compact}=`),
    ),
  ],
  [
    'the time of an entry',
    'inclusion',
    entryOf(1, (shown) => {
      shown.entry = shown.entry.replace(/"at":(\d+)/, (_: string, at: string) => `"at":${Number(at) + 1}`);
    }),
  ],
  [
    'the place of an entry',
    'inclusion',
    entryOf(1, (shown) => (shown.index = Number(shown.index) + 1), 'consumer'),
  ],
  [
    'a proof in the lane',
    'inclusion',
    entryOf(0, ({ lane }) => (lane.proof[0] = flip(lane.proof[0], 'base64', 0))),
  ],
  [
    'a proof in the log of the server',
    'inclusion',
    entryOf(0, ({ server }) => (server.proof[0] = flip(server.proof[0], 'base64', 0))),
  ],
  [
    'the root of the lane’s checkpoint',
    'checkpoint',
    entryOf(0, ({ lane }) => {
      lane.checkpoint = noteLine(3, (line) => flip(line, 'base64', 0))(lane.checkpoint as string);
    }),
  ],
  [
    'the log’s own signature',
    'checkpoint',
    entryOf(0, ({ lane }) => (lane.checkpoint = noteLine(1, signatureLine)(lane.checkpoint as string))),
  ],
  [
    'the size of the server’s checkpoint',
    'checkpoint',
    entryOf(0, ({ server }) => (server.checkpoint = server.checkpoint.replace(/\n\d+\n/, '\n999\n'))),
  ],
  [
    'the entry of the lane’s checkpoint',
    'inclusion',
    entryOf(0, ({ server }) => (server.entry = server.entry.replace('"at":1', '"at":2'))),
  ],
  [
    'a cosignature',
    'cosignature',
    entryOf(0, ({ server }) => (server.checkpoint = noteLine(1, signatureLine)(server.checkpoint as string))),
  ],
  [
    'no cosignature',
    'cosignature',
    entryOf(0, ({ server }) => (server.checkpoint = server.checkpoint.replace(/[^\n]+\n$/, ''))),
  ],
  [
    'the imprint of the time-stamp',
    'time_stamp',
    entryOf(0, ({ server }) => {
      const token = Buffer.from(server.timeStamp as string, 'base64');
      const imprint = token.indexOf(Buffer.from('0420', 'hex'));
      server.timeStamp = flip(server.timeStamp as string, 'base64', imprint + 5);
    }),
  ],
  [
    'the signature of the time-stamping authority',
    'time_stamp',
    entryOf(0, ({ server }) => (server.timeStamp = flip(server.timeStamp as string, 'base64', -1))),
  ],
  ['no time-stamp', 'time_stamp', entryOf(0, ({ server }) => delete server.timeStamp)],
  [
    'no certificate',
    'certificate',
    entryOf(1, (shown) => {
      shown.materials = shown.materials.filter(({ kind }: Answer) => kind !== 'certificate');
    }),
  ],
  [
    'a bit of the certificate',
    'certificate',
    entryOf(1, ({ materials }) => {
      for (const each of materials)
        if (each.kind === 'certificate') each.octets = flip(each.octets, 'base64');
    }),
  ],
  [
    'a bit of the OCSP answer',
    'certificate_status',
    entryOf(1, ({ materials }) => {
      for (const each of materials) if (each.kind === 'ocsp') each.octets = flip(each.octets, 'base64');
    }),
  ],
  [
    'no OCSP answer',
    'certificate_status',
    entryOf(1, (shown) => (shown.materials = shown.materials.filter(({ kind }: Answer) => kind !== 'ocsp'))),
  ],
  [
    'the signature of the configuration',
    'configuration',
    entryOf(0, ({ configuration }) => {
      configuration.head[0] = part(2, (text) => flip(text, 'base64url'))(configuration.head[0] as string);
    }),
  ],
  [
    'no delegation from the roots',
    'configuration',
    entryOf(0, ({ configuration }) => (configuration.delegations = [])),
  ],
  [
    'the registry’s entry of the head',
    'configuration',
    entryOf(0, ({ configuration }) => {
      configuration.entry = configuration.entry.replace('"at":1', '"at":2');
    }),
  ],
  ['no configuration', 'configuration', entryOf(0, (shown) => delete shown.configuration)],
  ['a record that is not listed', 'records', entryOf(0, ({ configuration }) => configuration.digests.pop())],
  [
    'what a record says',
    'records',
    entryOf(0, ({ configuration }) => {
      configuration.records = configuration.records.map((text: string) => text.replace('"ES256"', '"RS256"'));
    }),
  ],
  [
    'no record of the servers',
    'listed',
    entryOf(0, ({ configuration }) => {
      configuration.records = configuration.records.filter(
        (text: string) => !text.includes('security-server'),
      );
    }),
  ],
  ['the head', 'commitment', contentOf((content) => (content.head = flip(content.head, 'base64', 0)))],
  ['the body', 'commitment', contentOf((content) => (content.body = flip(content.body, 'base64', 0)))],
  ['no body', 'commitment', contentOf((content) => (content.body = null))],
  [
    'the salt of the body',
    'commitment',
    contentOf(({ salts }) => (salts.body = flip(salts.body, 'base64', 0))),
  ],
  [
    'a log without the request',
    'copies',
    (answer, path, from) => (path === `/messages/${withBody[0]}` && from === 'provider' ? undefined : answer),
  ],
  [
    'a log without the answer',
    'copies',
    (answer, path, from) => (path === `/messages/${withBody[1]}` && from === 'consumer' ? undefined : answer),
  ],
  [
    'a log that holds it twice',
    'copies',
    (answer, path) =>
      path === `/messages/${withBody[0]}`
        ? { ...answer, entries: [...answer.entries, answer.entries[0]] }
        : answer,
  ],
  [
    'another answer, by one party',
    'copies',
    entryOf(0, (shown) => (shown.answer = withoutBody[1]), 'provider'),
  ],
  ['another answer, by both parties', 'binding', entryOf(0, (shown) => (shown.answer = withoutBody[1]))],
];

describe('what was altered is found by the rule that it breaks', () => {
  beforeAll(async () => {
    for (const server of [audited.consumer, audited.provider])
      await audited.ask(server, 'POST', '/checkpoint', {});
  });

  test.each(ALTERED)('%s: %s', async (_what, rule, alteration) => {
    let altered = false;
    audited.alter = (answer, path, from) => {
      const before = JSON.stringify(answer);
      const after = alteration(answer, path, from);
      altered ||= JSON.stringify(after) !== before;
      return after;
    };
    const { code, stdout } = await audited.verify(`--message=${withBody[0]}`, '--json');
    const { failures } = JSON.parse(stdout) as { failures: { rule: string; mid: string }[] };
    expect([code, altered, failures]).toEqual([1, true, [expect.objectContaining({ rule })]]);
    expect([...withBody, ...withoutBody]).toContain(failures[0]?.mid);
  });

  test.each([
    ['another root key', 'configuration', (anchor: Answer) => (anchor.roots.keys = [])],
    [
      'another key of the registry log',
      'configuration',
      (anchor: Answer) => (anchor.log.key = anchor.witnesses.witnesses[0].key),
    ],
    ['one witness more', 'cosignature', (anchor: Answer) => (anchor.witnesses.threshold = 2)],
    ['another instance', 'configuration', (anchor: Answer) => (anchor.instance = 'OTHER')],
  ])('an anchor with %s proves nothing: %s', async (_what, rule, change) => {
    const { code, stdout } = await audited.verifyUnder(change, `--message=${withBody[0]}`, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { failures: [{ rule }] }]);
  });

  test('a server that promises another root than it showed others is found', async () => {
    const { log } = audited.provider.running.exchange;
    await audited.ask(audited.provider, 'POST', '/checkpoint', {});
    const promised = log.promise();
    // Held fast, so that no checkpoint in between changes what is promised.
    const liar = jest.spyOn(log, 'promise').mockReturnValue(promised);
    const honest = await audited.exchange('one');
    liar.mockReturnValue({ ...promised, root: withBody[0] as Digest });
    const dishonest = await audited.exchange('two');
    liar.mockRestore();
    const { code, stdout } = await audited.verify(
      `--message=${honest[0]}`,
      `--message=${dishonest[0]}`,
      '--json',
    );
    const { failures } = JSON.parse(stdout) as { failures: { rule: string }[] };
    expect([code, failures.map(({ rule }) => rule)]).toEqual([1, ['promise']]);
  });

  test('an answer that names another place of its request is found', async () => {
    const { log } = audited.provider.running.exchange;
    const promised = log.promise();
    // The origin of the server's own log: of no lane that holds messages.
    const liar = jest.spyOn(log, 'promise').mockReturnValue({ ...promised, origin: log.server });
    const [mid] = await audited.exchange('three');
    liar.mockRestore();
    const { code, stdout } = await audited.verify(`--message=${mid}`, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { failures: [{ rule: 'promise' }] }]);
  });

  test('a message from a clock that is ahead of the time-stamps is found', async () => {
    // Within what peers tolerate, but an entry can not be younger than the stamp over it.
    audited.clock.offsetMs = 20_000;
    const [mid] = await audited.exchange('four');
    audited.clock.offsetMs = 0;
    const { code, stdout } = await audited.verify(`--message=${mid}`, '--json');
    const failures = [{ rule: 'time', server: audited.consumer.id, mid }];
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { failures }]);
  });

  test('a finding names server, message and rule in one line', async () => {
    audited.alter = contentOf((content) => (content.body = flip(content.body, 'base64', 0)));
    const { code, stdout } = await audited.verify(`--message=${withBody[0]}`);
    expect([code, stdout.split('\n')[0]]).toEqual([
      1,
      `FAIL ${withBody[0]} ${audited.provider.id}: commitment: the body is not the one that was committed to`,
    ]);
  });

  test('an interface that refuses is named', async () => {
    writeFileSync(join(audited.consumer.folder, 'keys', 'api-key-auditor.txt'), 'none');
    const { code, stdout } = await audited.verify(`--message=${withBody[0]}`, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      1,
      { ok: false, failures: [{ rule: 'interface', server: audited.consumer.id }] },
    ]);
  });
});
