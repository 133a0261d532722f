// Logs in temporary folders, and messages that look like those of the wire. Nothing here is signed for real.
import { createCipheriv, createDecipheriv, createHash, createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageId, SecurityServerId } from '@onceway/schemas';
import { digestOf, type MessageEntry, type RefusalEntry } from '@onceway/sdk/protocol';
import type { Content, Draft, LogKeys, Material } from '../../src/message-log/message-log.js';
import { logOrigin, type MessageLogOptions } from '../../src/message-log/sqlite-message-log.js';

const SERVER = 'VN/GOV/A/ss1' as SecurityServerId;
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);

/** The same keys in every process that uses the same seed. */
export function keysOf(seed: string): LogKeys {
  const octets = (name: string): Buffer => createHash('sha256').update(`${seed}/${name}`).digest();
  return {
    logKey: (name) =>
      createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, octets(name)]), format: 'der', type: 'pkcs8' }),
    wrapContentKey: (raw) => {
      const cipher = createCipheriv('id-aes256-wrap', octets('wrap'), KEY_WRAP_IV);
      return Buffer.concat([cipher.update(raw), cipher.final()]);
    },
    unwrapContentKey: (wrapped) => {
      const decipher = createDecipheriv('id-aes256-wrap', octets('wrap'), KEY_WRAP_IV);
      return Buffer.concat([decipher.update(wrapped), decipher.final()]);
    },
  };
}

export function optionsOf(seed = 'a', clock: () => number = Date.now): MessageLogOptions {
  return { origin: logOrigin('exchange.example', SERVER), keys: keysOf(seed), clock };
}

/** A folder for one test, with a path for a log in it. */
export function temporaryFolder(): { readonly log: string; readonly folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'message-log-'));
  return {
    log: join(folder, 'log'),
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function compactOf(typ: string, payload: object): { compact: string; mid: MessageId } {
  const input = `${encode({ alg: 'ES256', typ, iat: 1_800_000_000 })}.${encode(payload)}`;
  const mid = createHash('sha256').update(input).digest('base64url') as MessageId;
  return { compact: `${input}.${Buffer.alloc(64, 7).toString('base64url')}`, mid };
}

const ground = {
  peer: 'VN/GOV/B/ss2' as SecurityServerId,
  cfg: { seq: 1, digest: digestOf(Buffer.from('configuration')) },
  chain: [digestOf(Buffer.from('leaf'))],
  about: [{ role: 'exchange', k: '2026-Q4', p: 'AAAAAAAAAAAAAAAAAAAAAA' }],
} as const;

export const EXP_S = 1_800_000_300;

export function request(
  jti: string,
  dir: 'in' | 'out' = 'in',
): { entry: Draft<MessageEntry>; mid: MessageId } {
  const { compact, mid } = compactOf('exchange-request+jws', { v: 1, jti, exp: EXP_S, iss: 'VN/GOV/B/app' });
  return { entry: { type: 'message', dir, message: compact, ...ground }, mid };
}

export function answer(
  re: MessageId,
  jti: string,
  dir: 'in' | 'out' = 'out',
): { entry: Draft<MessageEntry>; mid: MessageId } {
  const { compact, mid } = compactOf('exchange-answer+jws', {
    v: 1,
    jti,
    exp: EXP_S,
    iss: 'VN/GOV/A/app',
    re,
  });
  return { entry: { type: 'message', dir, message: compact, ...ground }, mid };
}

export function refusal(
  of: { entry: Draft<MessageEntry>; mid: MessageId },
  jti: string,
): { entry: Draft<RefusalEntry>; mid: MessageId } {
  const { compact, mid } = compactOf('exchange-refusal+jws', { v: 1, jti, exp: EXP_S, re: of.mid });
  const { dir, message } = of.entry;
  return { entry: { type: 'refusal', dir, message, refusal: compact, ...ground }, mid };
}

export function content(head: string, body: Buffer | string | null): Content {
  return {
    head: Buffer.from(head),
    body: body === null ? null : Buffer.from(body),
    salts: { head: randomBytes(32), body: body === null ? null : randomBytes(32) },
  };
}

export const plain = (text = 'head'): { content: Content; materials: readonly Material[] } => ({
  content: content(text, 'body'),
  materials: [],
});

export function material(text: string, kind: Material['kind'] = 'certificate'): Material {
  const octets = Buffer.from(text);
  return { kind, digest: digestOf(octets), octets: () => octets };
}
