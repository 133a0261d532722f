// A minimal walk over DER (X.690): enough to read imprints, serial numbers and times. Signatures over what is read here
// are judged by openssl (openssl.ts).
import { prove, type Rule } from './finding.js';

export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly octets: Buffer;
}

export const TAG = { integer: 0x02, octets: 0x04, oid: 0x06, time: 0x18, sequence: 0x30, set: 0x31 };

/** The values that stand one after the other. */
function readAll(octets: Buffer, rule: Rule): Der[] {
  const found: Der[] = [];
  for (let at = 0; at < octets.length;) {
    const tag = octets[at] ?? 0;
    const first = octets[at + 1] ?? 0x80;
    const more = first >= 0x80 ? first & 0x7f : 0;
    prove((tag & 0x1f) !== 0x1f && first !== 0x80 && more <= 4, rule, 'not DER');
    const begin = at + 2 + more;
    const length = more === 0 ? first : octets.readUIntBE(at + 2, more);
    prove(begin + length <= octets.length, rule, 'DER that is cut off');
    found.push({
      tag,
      content: octets.subarray(begin, begin + length),
      octets: octets.subarray(at, begin + length),
    });
    at = begin + length;
  }
  return found;
}

export class DerReader {
  readonly #values: Der[];
  readonly #rule: Rule;

  constructor(octets: Buffer, rule: Rule) {
    this.#values = readAll(octets, rule);
    this.#rule = rule;
  }

  /** The next value, which must have this tag. */
  next(tag: number): Der {
    const value = this.#values.shift();
    prove(value?.tag === tag, this.#rule, `DER: tag ${tag} expected, ${String(value?.tag)} found`);
    return value;
  }

  /** The next value, if it has this tag. */
  optional(tag: number): Der | undefined {
    return this.#values[0]?.tag === tag ? this.#values.shift() : undefined;
  }

  /** Into the next value. */
  into(tag: number): DerReader {
    return new DerReader(this.next(tag).content, this.#rule);
  }

  any(): Der {
    const value = this.#values.shift();
    prove(value !== undefined, this.#rule, 'DER that is too short');
    return value;
  }

  get isAtEnd(): boolean {
    return this.#values.length === 0;
  }
}

/** GeneralizedTime as RFC 3161 and 5280 have it: `YYYYMMDDhhmmss[.f]Z`; ms since 1970. */
export function timeOf({ content }: Der, rule: Rule): number {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z$/.exec(content.toString('latin1'));
  prove(found !== null, rule, 'not a GeneralizedTime in UTC');
  const [, year, month, day, hour, minute, second, fraction = ''] = found;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return ms + Math.floor(Number(`0${fraction}`) * 1000);
}
