// Whom and what an exchange is about, as this party's own pseudonyms (design §5): made from the head, entered in the
// log, never sent. A person known only from a path or body of a plain service leaves none.
import { createHmac } from 'node:crypto';
import type { MemberId } from '@onceway/schemas';
import { lastValueOf, type About, type HeadLine } from '@onceway/sdk/protocol';

const PSEUDONYM_BYTES = 16;
/** ASCII without blanks: trimmed and normalised as it stands. */
const PLAIN = /^[\x21-\x7e]*$/;

/** The quarter of a time, `YYYY-Qn`, UTC. */
export function quarterOf(atMs: number): string {
  const date = new Date(atMs);
  return `${String(date.getUTCFullYear())}-Q${String(Math.floor(date.getUTCMonth() / 3) + 1)}`;
}

/** Lines hold one octet per character; what people wrote in them is UTF-8. */
const normalized = (value: string): string =>
  Buffer.from(value, 'latin1').toString('utf8').trim().normalize('NFC');

/** The pseudonyms of one party for a head. `keyOf` gives that party's key of a quarter. */
export function about(
  lines: readonly HeadLine[],
  member: MemberId,
  atMs: number,
  keyOf: (member: MemberId, quarter: string) => Buffer,
): About[] {
  const found: About[] = [];
  const k = quarterOf(atMs);
  const add = (role: About['role'], type: string, value: string | undefined): void => {
    const id = value === undefined || PLAIN.test(value) ? (value ?? '') : normalized(value);
    if (id === '') return;
    const mac = createHmac('sha256', keyOf(member, k)).update(`${type}\0${id}`).digest();
    found.push({ role, k, p: mac.subarray(0, PSEUDONYM_BYTES).toString('base64url') });
  };
  const typed = (role: About['role'], value: string | undefined, otherwise: string): void => {
    const colon = value?.indexOf(':') ?? -1;
    if (value !== undefined && colon > 0) add(role, value.slice(0, colon), value.slice(colon + 1));
    else add(role, otherwise, value);
  };
  const last = (name: string): string | undefined => lastValueOf(lines, name);
  typed('subject', last('Data-Subject'), 'subject');
  typed('actor', last('X-Road-UserId'), 'user');
  add('case', 'case', last('X-Road-Issue'));
  add('exchange', 'x-road-id', last('X-Road-Id'));
  return found;
}
