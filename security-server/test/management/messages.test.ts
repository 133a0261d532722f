// What an auditor gets for a message is enough to verify it by node:crypto alone: nothing of ours is imported for that.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHash, createPublicKey, randomBytes, verify, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import supertest from 'supertest';
import { codeOf, digestOf } from '@onceway/sdk/protocol';
import { fileOf } from '../../src/message-log/storage/files.js';
import { answer, content, refusal, request } from '../message-log/fixture.js';
import { administration, owner, type Administration } from './administration.js';

let all: Administration;
beforeEach(async () => {
  all = await administration();
});
afterEach(() => all.close());

interface Proven {
  readonly index: number;
  readonly entry: string;
  readonly size: number;
  readonly checkpoint: string;
  readonly proof: string[];
}
const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 9162 §2.1.3.2, and the root that a signed note names. */
function check({ index, entry, size, checkpoint, proof }: Proven, key: Parameters<typeof verify>[2]): void {
  let [node, last, hash] = [index, size - 1, sha256(Buffer.of(0), Buffer.from(entry))];
  for (const text of proof) {
    const sibling = Buffer.from(text, 'base64');
    if (node % 2 === 1 || node === last) {
      hash = sha256(Buffer.of(1), sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node >> 1, last >> 1];
    } else hash = sha256(Buffer.of(1), hash, sibling);
    [node, last] = [node >> 1, last >> 1];
  }
  const [note = '', signatures = ''] = checkpoint.split('\n\n');
  expect(note.split('\n').slice(1, 3)).toEqual([String(size), hash.toString('base64')]);
  const signature = Buffer.from(signatures.split(' ').at(2) ?? '', 'base64').subarray(4);
  expect(verify(null, Buffer.from(`${note}\n`), key, signature)).toBe(true);
}

const read = (path: string) =>
  supertest(all.http)
    .get(path)
    .set({ authorization: all.keyOf('auditor') });
const post = (path: string, body?: object) =>
  supertest(all.http)
    .post(path)
    .set({ authorization: all.keyOf('auditor') })
    .send(body);

/** An exchange of which the answer relied on a certificate. */
async function exchange(): Promise<{ mid: string; certificate: X509Certificate }> {
  const { certificate } = all.token.signingKey(owner);
  const digest = digestOf(certificate.raw);
  const asked = request('1');
  await all.log.appendRequest({ ...asked.entry, chain: [digest] }, asked.mid, {
    content: content('GET\r\n', 'a body'),
    materials: [{ kind: 'certificate', digest, octets: () => certificate.raw }],
  });
  const answered = answer(asked.mid, '2');
  await all.log.appendAnswer(answered.entry, answered.mid, asked.mid, {
    content: content('200\r\n', null),
    materials: [],
  });
  return { mid: asked.mid, certificate };
}

test('a message is proven from its octets up to the server’s checkpoint', async () => {
  const { mid, certificate } = await exchange();
  const early = await read(`/messages/${mid}`);
  expect(early.body).toEqual({ mid, entries: [expect.not.objectContaining({ lane: expect.anything() })] });
  const sealed = await post('/checkpoint');
  expect(sealed.body).toMatchObject({ failed: ['witness'], counts: { uncovered: 0 } });

  const { body } = await read(`/messages/${mid}`);
  const [message] = (body as { entries: unknown }).entries as [
    Proven & {
      lane: Proven;
      server: Proven;
      materials: { kind: string; pem: string }[];
    },
  ];
  const logKey = (name: string) => createPublicKey(all.token.logKey(name));
  check({ ...message.lane, index: message.index, entry: message.entry }, logKey('lane-0'));
  check(message.server, logKey('server'));
  // The lane's checkpoint is what the server's log holds.
  expect((JSON.parse(message.server.entry) as { note: string }).note).toBe(message.lane.checkpoint);
  const [signingInput] = /^[^.]+\.[^.]+/.exec((JSON.parse(message.entry) as { message: string }).message) ?? [
    '',
  ];
  expect(sha256(Buffer.from(signingInput)).toString('base64url')).toBe(mid);
  expect(new X509Certificate(message.materials[0]?.pem ?? '').raw).toEqual(certificate.raw);
  expect((await read('/checkpoints')).body).toMatchObject({ lane: { size: 3 }, server: { size: 2 } });
});

test('its content is given out on a ground, which the log keeps', async () => {
  const { mid } = await exchange();
  const before = all.log.counts().server;
  const { body } = await post(`/messages/${mid}/content`, { ground: 'QD-2026/17' });
  const {
    head,
    body: carried,
    salts,
  } = body as { head: string; body: string; salts: { head: string; body: string } };
  expect(Buffer.from(head, 'base64').toString()).toBe('GET\r\n');
  expect(Buffer.from(carried, 'base64').toString()).toBe('a body');
  expect(Buffer.from(salts.body, 'base64')).toHaveLength(32);
  const entry = JSON.parse((await all.log.entry(all.log.server, before)).toString()) as { note: string };
  expect(entry.note).toBe(`content of ${mid} exported by test-auditor: QD-2026/17`);
  expect((await post(`/messages/${mid}/content`, { ground: 'no ground at all' })).body).toMatchObject({
    code: 'request_invalid',
  });
  expect(all.log.counts().server).toBe(before + 1);
});

test('a streamed body is given out in pieces, as the same JSON', async () => {
  const octets = randomBytes(200_000);
  const writer = await all.log.spool();
  await writer.write(octets);
  const streamed = request('streamed');
  const kept = { ...content('GET\r\n', 'x'), body: await writer.end() };
  await all.log.appendRequest(streamed.entry, streamed.mid, { content: kept, materials: [] });
  const { body, type } = await post(`/messages/${streamed.mid}/content`, { ground: 'QD-2026/18' });
  expect(type).toBe('application/json');
  expect(body).toEqual({
    head: Buffer.from('GET\r\n').toString('base64'),
    body: octets.toString('base64'),
    salts: { head: kept.salts.head.toString('base64'), body: kept.salts.body?.toString('base64') },
  });
});

test('content that turns out broken on its way is not whole, and the operator is told', async () => {
  const writer = await all.log.spool();
  await writer.write(randomBytes(2_000_000));
  const streamed = request('streamed');
  const kept = { ...content('GET\r\n', 'x'), body: await writer.end() };
  const { index } = await all.log.appendRequest(streamed.entry, streamed.mid, {
    content: kept,
    materials: [],
  });
  const file = fileOf.body(all.dir.file('log'), index);
  const octets = readFileSync(file);
  octets.writeUInt8(octets.readUInt8(1_500_000) ^ 1, 1_500_000);
  writeFileSync(file, octets);
  await expect(post(`/messages/${streamed.mid}/content`, { ground: 'QD-2026/19' })).rejects.toThrow(
    'aborted',
  );
  expect(all.broken.map(codeOf)).toEqual(['log_broken']);
});

test('a message that is not here is not found, and asking stands in the trail', async () => {
  const unknown = 'A'.repeat(43);
  expect((await read(`/messages/${unknown}`)).body).toMatchObject({ code: 'not_found' });
  expect((await post(`/messages/${unknown}/content`, { ground: 'a' })).body).toMatchObject({
    code: 'not_found',
  });
  const { mid } = await exchange();
  await read(`/messages/${mid}`);
  expect(all.audit.list(0, 10).map(({ act, subject, outcome }) => [act, subject, outcome])).toEqual([
    ['getMessage', unknown, 'not_found'],
    ['exportContent', unknown, 'not_found'],
    ['getMessage', mid, 'done'],
  ]);
});

test('a refused request shows the request and its signed refusal', async () => {
  const asked = request('9');
  const refused = refusal(asked, '10');
  await all.log.appendRefusal(() => refused, asked.mid, { materials: [] });
  const { body } = await read(`/messages/${refused.mid}`);
  const [refusing] = (body as { entries: unknown }).entries as [Proven & { materials: unknown[] }];
  expect(JSON.parse(refusing.entry)).toMatchObject({ type: 'refusal', message: asked.entry.message });
  expect(refusing.materials).toEqual([]);
});
