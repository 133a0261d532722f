// What a peer can send again, ask about afterwards, or send too much of: replays, outcomes, void messages, floods of
// refusals, credentials and rights.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RefusalNotes } from '@onceway/security-server/exchange/refusal-notes';
import { RefusalRate } from '@onceway/security-server/exchange/refusal-rate';
import {
  CLOCK_SKEW_MS_MAX,
  OncewayError,
  parseAnswerEnvelope,
  type Digest,
  type LogEntry,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import { Federation, TestClock, type TestServer, type TestService } from './federation.js';
import { HostilePeer, identityOf, stranger, type Alterations, type Reply } from './hostile-peer.js';
import { recordsOf } from './peer-records.js';

let federation: Federation;
let consumer: TestServer;
let provider: TestServer;
let spare: TestServer;
let client: SubsystemId;
let echo: TestService;
let peer: HostilePeer;
const providerClock = new TestClock();

beforeAll(async () => {
  federation = await Federation.start();
  const member = federation.member('CONSUMER');
  consumer = await federation.server(member, 'SS1');
  spare = await federation.server(member, 'SS3');
  provider = await federation.server(federation.member('PROVIDER'), 'SS2', { clock: providerClock });
  client = await federation.client(consumer, 'CLIENT');
  const offering = await federation.client(provider, 'OFFERING');
  await consumer.running.exchange.configuration.refresh();
  await spare.running.exchange.configuration.refresh();
  echo = await federation.service(provider, offering, 'echo');
  const grant = { service: echo.id, subject: { client }, reason: 'for the test' };
  await provider.running.services.grant(grant, 'test');
  peer = new HostilePeer(consumer, provider, client, echo.id);
});
afterAll(() => federation.stop());
beforeEach(() => {
  echo.calls.length = 0;
  echo.handler = (_request, response) => response.end('ok');
});

const envelopeOf = (reply: Reply): string => String(reply.headers['exchange-message']);
const isAnswer = (reply: Reply): boolean => reply.headers['exchange-head'] !== undefined;
const wrongBody: Alterations = { sent: (message) => (message.body = Buffer.from('altered')) };
const replayed = { status: 409, shown: 'message_replayed', logged: 'message_replayed' };

describe('a message that came before', () => {
  test('is refused unsigned, and is no entry', async () => {
    const message = peer.message();
    expect(isAnswer(await peer.send(message))).toBe(true);
    const records = recordsOf(provider);
    expect(peer.unsigned(await peer.send(message))).toEqual(replayed);
    expect(echo.calls).toHaveLength(1);
    expect(await records()).toEqual([[]]);
  });

  test('is refused under another signature and mid, too: its jti is known', async () => {
    const jti = '019abcde-0000-7000-8000-000000000001';
    const again: Alterations = { unsigned: ({ claims }) => (claims['jti'] = jti) };
    expect(isAnswer(await peer.send(peer.message(again)))).toBe(true);
    expect(peer.unsigned(await peer.send(peer.message(again)))).toEqual(replayed);
    expect(echo.calls).toHaveLength(1);
  });

  test('is refused also after it was refused, whatever it now brings', async () => {
    const message = peer.message();
    const { body } = message;
    expect(peer.refusal(await peer.send({ ...message, body: Buffer.from('altered') }))).toMatchObject({
      code: 'commitment_mismatch',
    });
    expect(peer.unsigned(await peer.send({ ...message, body }))).toEqual(replayed);
    expect(echo.calls).toHaveLength(0);
  });

  test('twice at one instant is executed once', async () => {
    const message = peer.message();
    const replies = await Promise.all([message, message, message].map((copy) => peer.send(copy)));
    expect(replies.filter(isAnswer)).toHaveLength(1);
    for (const reply of replies)
      if (!isAnswer(reply)) expect(peer.unsigned(reply)).toMatchObject({ shown: 'message_replayed' });
    expect(echo.calls).toHaveLength(1);
  });

  test('does not disturb the first while that is served, even altered', async () => {
    const message = peer.message();
    const copies: Promise<Reply>[] = [];
    echo.handler = (_request, response) => {
      copies.push(peer.send({ ...message, body: Buffer.from('altered') }), peer.send(message));
      void Promise.all(copies).then(() => response.end('ok'));
    };
    const records = recordsOf(provider);
    expect(isAnswer(await peer.send(message))).toBe(true);
    for (const copy of copies) expect(peer.unsigned(await copy)).toEqual(replayed);
    expect(echo.calls).toHaveLength(1);
    expect(await records()).toEqual([['message in', 'message out']]);
  });

  test('is refused after a restart, answered or refused', async () => {
    const [answered, refused] = [peer.message(), peer.message(wrongBody)];
    await peer.send(answered);
    peer.refusal(await peer.send(refused));
    await provider.restart();
    const records = recordsOf(provider);
    for (const message of [answered, refused])
      expect(peer.unsigned(await peer.send(message))).toEqual(replayed);
    expect(echo.calls).toHaveLength(1);
    expect(await records()).toEqual([[]]);
  });
});

describe('the outcome of a message', () => {
  test('that was answered is the answer, octet for octet, to its sender only', async () => {
    const message = peer.message();
    const answer = await peer.send(message);
    const records = recordsOf(provider);
    const fetched = await peer.get(`/exchange/${message.mid}`);
    for (const name of ['exchange-message', 'exchange-head', 'exchange-salt'])
      expect(fetched.headers[name]).toBe(answer.headers[name]);
    expect(fetched.body).toEqual(answer.body);
    const other = await peer.get(`/exchange/${message.mid}`, identityOf(spare));
    expect(peer.unsigned(other)).toEqual({ status: 404, shown: 'not_found', logged: 'not_found' });
    expect(peer.unsigned(await peer.get(`/exchange/${message.mid}`, stranger()))).toMatchObject({
      status: 403,
    });
    expect(await records()).toEqual([[]]);
  });

  test('that was refused is the refusal, octet for octet', async () => {
    const message = peer.message(wrongBody);
    const refusal = await peer.send(message);
    const fetched = await peer.get(`/exchange/${message.mid}`);
    expect(peer.refusal(fetched)).toMatchObject({ code: 'commitment_mismatch', re: message.mid });
    expect(envelopeOf(fetched)).toBe(envelopeOf(refusal));
    expect((await peer.get(`/exchange/${message.mid}`, identityOf(spare))).status).toBe(404);
  });

  test('that is served is not known yet; another server learns nothing and can not have it declared void', async () => {
    const message = peer.message();
    let asked: Promise<Reply[]> | undefined;
    echo.handler = (_request, response) => {
      const path = `/exchange/${message.mid}`;
      asked = Promise.all([peer.get(path), peer.get(path, identityOf(spare))]);
      void asked.then(() => response.end('ok'));
    };
    expect(isAnswer(await peer.send(message))).toBe(true);
    const [own, other] = (await asked) ?? [];
    expect(own).toMatchObject({ status: 202 });
    expect(own?.body).toHaveLength(0);
    expect(other).toMatchObject({ status: 404 });
  });

  test('that never came is not_recorded, and it is refused from then on, after a restart too', async () => {
    const message = peer.message();
    const records = recordsOf(provider);
    const claims = peer.refusal(await peer.get(`/exchange/${message.mid}`));
    expect(claims).toMatchObject({ code: 'not_recorded', re: message.mid, to: consumer.id });
    expect(claims.log.index).toBeUndefined();
    const isVoid = { status: 409, shown: 'message_void', logged: 'message_void' };
    expect(peer.unsigned(await peer.send(message))).toEqual(isVoid);
    await provider.restart();
    expect(peer.unsigned(await peer.send(message))).toEqual(isVoid);
    // It was taken for once, void or not.
    expect(peer.unsigned(await peer.send({ ...message, body: null }))).toMatchObject({
      logged: 'message_replayed',
    });
    // ... nor is a refusal of such a one entered: nothing of it ever came.
    const other = peer.message(wrongBody);
    peer.refusal(await peer.get(`/exchange/${other.mid}`));
    expect(peer.unsigned(await peer.send(other))).toEqual(isVoid);
    expect(echo.calls).toHaveLength(0);
    // A restart sums up what was refused unsigned until then.
    expect((await records()).flat().filter((kind) => kind !== 'note')).toEqual([]);
  });
});

describe('refusals', () => {
  test('beyond ten a second of one peer are unsigned and only counted', async () => {
    const refusals = new RefusalRate(() => 0);
    Object.assign(provider.running.exchange, { refusals });
    const records = recordsOf(provider);
    const replies: Reply[] = [];
    for (let i = 0; i < 13; i++) replies.push(await peer.send(peer.message(wrongBody)));
    for (const reply of replies.slice(0, 10)) peer.refusal(reply);
    for (const reply of replies.slice(10)) {
      expect(peer.unsigned(reply)).toEqual({ status: 503, shown: 'busy', logged: 'busy' });
      expect(reply.headers['retry-after']).toBe('1');
    }
    expect(refusals.unsigned).toBe(3);
    // What was accepted is not in that count: its sender learns what became of it.
    echo.handler = (_request, response) => response.destroy();
    expect(peer.refusal(await peer.send(peer.message()))).toMatchObject({ code: 'service_failed' });
    expect(await records()).toEqual([[...Array<string>(10).fill('refusal'), 'message in', 'refusal']]);
  });

  test('without a signature are summed up, one note for each peer and one for strangers', async () => {
    const { notes, log } = provider.running.exchange;
    await notes.flush();
    const before = log.counts().server;
    const message = peer.message();
    await peer.send(message);
    await peer.send(message); // a replay: only counted
    for (const to of [spare.id, consumer.id])
      await peer.send(peer.message({ unsigned: ({ claims }) => (claims['to'] = to) }));
    await peer.send(peer.message({ unsigned: ({ claims }) => (claims['v'] = 2) }));
    await peer.send(peer.message(), stranger());
    await provider.restart(); // closing enters what was counted
    const entries: LogEntry[] = [];
    const { log: reopened } = provider.running.exchange;
    for (let index = before; index < reopened.counts().server; index++)
      entries.push(JSON.parse((await reopened.entry(reopened.server, index)).toString()) as LogEntry);
    expect(entries.filter(({ type }) => type === 'note')).toEqual([
      {
        v: 1,
        type: 'note',
        at: expect.any(Number),
        note: 'refused without a signature: message_misdirected 2, envelope_invalid 1',
        count: 3,
        peer: consumer.id,
      },
      {
        v: 1,
        type: 'note',
        at: expect.any(Number),
        note: 'refused without a signature: peer_not_authenticated 1',
        count: 1,
      },
    ]);
  });

  test('that can not be entered are kept for the next summary, which comes by itself', async () => {
    const entered: unknown[] = [];
    let attempts = 0;
    await new Promise<void>((resolve) => {
      const notes = new RefusalNotes(async (note) => {
        if (++attempts === 1) throw new OncewayError('log_unavailable', 'for the test');
        entered.push(note);
        resolve();
      }, 1);
      for (const code of ['not_found', 'not_found', 'busy'] as const) notes.add(code, undefined);
    });
    expect(entered).toEqual([{ type: 'note', note: 'refused without a signature: not_found 2', count: 2 }]);
  });
});

describe('credentials', () => {
  const show = async (digest: Digest, of?: TestServer): Promise<{ status: number; shown: unknown }> => {
    const reply = await peer.get(`/credentials/${digest}`, of && identityOf(of));
    return { status: reply.status, shown: JSON.parse(reply.body.toString()) };
  };

  test('of the server are shown to peers', async () => {
    const { token, configuration } = provider.running.exchange;
    for (const digest of [
      token.authentication().certificateDigest,
      token.signingKey(provider.id.split('/').slice(0, 3).join('/') as never).certificateDigest,
    ])
      expect(await show(digest)).toMatchObject({ status: 200, shown: { type: 'certificate' } });
    expect(await show(configuration.current().reference.digest)).toMatchObject({
      shown: { type: 'configuration' },
    });
    const { certificateDigest } = consumer.running.exchange.token.authentication();
    expect(await show(certificateDigest)).toMatchObject({ status: 404, shown: { code: 'not_found' } });
  });

  test('of a right are shown to its parties only', async () => {
    const [right] = provider.running.services.directory.rights();
    const digest = right?.digest ?? ('' as Digest);
    expect(await show(digest, spare)).toMatchObject({ status: 404 });
    const { shown } = await show(digest);
    expect(shown).toEqual({ type: 'right', right: provider.running.services.directory.right(digest)?.right });
    // ... of a group, to those who host one of it.
    const { groups, publication } = federation.registry.registry;
    groups.put('friends', { en: 'Friends', vi: 'Bạn' }, [client]);
    await publication.changed();
    await provider.running.exchange.configuration.refresh();
    const subject = { group: 'friends' };
    const granted = await provider.running.services.grant(
      { service: echo.id, subject, reason: 'for the test' },
      'test',
    );
    expect(await show(granted.digest)).toMatchObject({ status: 200, shown: { type: 'right' } });
    expect(await show(granted.digest, spare)).toMatchObject({ status: 404 });
    await provider.running.services.revoke(granted.id, 'for the test', 'test');
  });
});

describe('a provider whose log was lost and restored from a copy', () => {
  test('takes no message from before, until one can be told from a replay', async () => {
    const folder = join(provider.folder, 'log');
    const copy = join(provider.folder, 'log-copy');
    await provider.stop();
    cpSync(folder, copy, { recursive: true });
    await provider.start();
    const lost = peer.message();
    expect(isAnswer(await peer.send(lost))).toBe(true);
    await provider.stop();
    // What was promised lies beside the log, and is not in the copy.
    cpSync(folder, copy, {
      recursive: true,
      filter: (path) => path === folder || path.endsWith('promised.json'),
    });
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });
    await provider.start();
    const { restoredAtMs } = provider.running.exchange.log;
    expect(restoredAtMs).toBeDefined();
    const records = recordsOf(provider);
    for (const message of [lost, peer.message()])
      expect(peer.unsigned(await peer.send(message))).toEqual(replayed);
    expect(echo.calls).toHaveLength(1);
    expect(await records()).toEqual([[]]);
    providerClock.offsetMs = CLOCK_SKEW_MS_MAX + 2_000;
    const later = Math.floor(providerClock.now() / 1000);
    const fresh = peer.message({
      unsigned: ({ header, claims }) => {
        header['iat'] = later;
        claims['exp'] = later + 60;
      },
    });
    expect(parseAnswerEnvelope(envelopeOf(await peer.send(fresh))).claims.re).toBe(fresh.mid);
    expect(echo.calls).toHaveLength(2);
  });
});
