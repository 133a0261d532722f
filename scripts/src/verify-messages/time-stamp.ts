// What an RFC 3161 token says: over which octets, and when. Who signed it is judged by openssl (openssl.ts).
import { createHash } from 'node:crypto';
import { hashOf } from './certificate.js';
import { DerReader, TAG, timeOf } from './der.js';
import { prove } from './finding.js';

const TST_INFO = '2a864886f70d0109100104';

/** @returns the last moment that the token can mean: genTime and its accuracy, ms since 1970 */
export function stampedAtMs(token: Buffer, data: Uint8Array): number {
  const rule = 'time_stamp';
  const content = new DerReader(token, rule).into(TAG.sequence);
  content.next(TAG.oid);
  const signed = content.into(0xa0).into(TAG.sequence);
  signed.next(TAG.integer);
  signed.next(TAG.set);
  const encapsulated = signed.into(TAG.sequence);
  const type = encapsulated.next(TAG.oid).content.toString('hex');
  prove(type === TST_INFO, rule, 'the token holds no time-stamp');
  const info = encapsulated.into(0xa0).into(TAG.octets).into(TAG.sequence);
  info.next(TAG.integer);
  info.next(TAG.oid);
  const imprint = info.into(TAG.sequence);
  const hash = hashOf(imprint.next(TAG.sequence), rule);
  const digest = createHash(hash).update(data).digest();
  const isOver = hash !== 'sha1' && imprint.next(TAG.octets).content.equals(digest);
  prove(isOver, rule, 'the time-stamp is over other octets than the checkpoint');
  info.next(TAG.integer);
  const genTimeMs = timeOf(info.next(TAG.time), rule);
  const accuracy = info.optional(TAG.sequence);
  const seconds = accuracy && new DerReader(accuracy.content, rule).optional(TAG.integer);
  return (
    genTimeMs + (seconds === undefined ? 0 : seconds.content.readUIntBE(0, seconds.content.length) * 1000)
  );
}
