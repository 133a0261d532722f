// JSON in the one form that a signature may stand over: byte-equal to JSON.stringify(JSON.parse(x)).
// Not RFC 8785: claims keep their writer's order.
import { isUtf8 } from 'node:buffer';
import { OncewayError } from './errors.js';
import { JSON_DEPTH_MAX } from './limits.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

const ARRAY_INDEX = /^(?:0|[1-9]\d*)$/;
const NINE = '9'.charCodeAt(0);

function invalid(why: string): OncewayError {
  return new OncewayError('json_invalid', why);
}

/** @param surrogates whether the text can hold lone ones at all: only as escapes, or in a text that is not well-formed */
function check(value: unknown, depth: number, surrogates: boolean): void {
  if (depth > JSON_DEPTH_MAX) throw invalid(`deeper than ${JSON_DEPTH_MAX}`);
  if (typeof value === 'number') {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw invalid('integer beyond 2^53 - 1');
  } else if (typeof value === 'string') {
    if (surrogates && !value.isWellFormed()) throw invalid('lone surrogate');
  } else if (Array.isArray(value)) {
    for (const item of value) check(item, depth + 1, surrogates);
  } else if (value !== null && typeof value === 'object') {
    // No names of a prototype: what JSON.parse makes has none that are enumerable.
    for (const name in value) {
      // Engines order such names first, so that a re-serialised object would change its octets.
      if (name.charCodeAt(0) <= NINE && ARRAY_INDEX.test(name))
        throw invalid('a name reads as an array index');
      if (name === '__proto__' || (surrogates && !name.isWellFormed()))
        throw invalid('a name is not allowed');
      check((value as Record<string, unknown>)[name], depth + 1, surrogates);
    }
  }
}

/** Parses JSON that must be in the one form: no blanks, no duplicate names, one spelling of each number and string.
 *  @throws {OncewayError} `json_invalid` */
export function parseStrictJson(text: string): JsonValue {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OncewayError('json_invalid', 'not JSON', { cause });
  }
  // Duplicate names, blanks, `1.0`, `\u0041` and `__proto__` all change the text when written again.
  check(value, 0, text.includes('\\u') || !text.isWellFormed());
  if (JSON.stringify(value) !== text)
    throw invalid('not in the one form (JSON.stringify(JSON.parse(x)) differs)');
  return value as JsonValue;
}

/** As parseStrictJson, and the value must be an object. @throws {OncewayError} `json_invalid` */
export function parseStrictObject(text: string): JsonObject {
  const value = parseStrictJson(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid('not an object');
  return value as JsonObject;
}

/** As parseStrictObject, from octets, which must be UTF-8. @throws {OncewayError} `json_invalid` */
export function parseStrictOctets(octets: Buffer): JsonObject {
  // Decoding would put U+FFFD for whatever is not UTF-8, and the text would look fine.
  if (!isUtf8(octets)) throw invalid('not UTF-8');
  return parseStrictObject(octets.toString('utf8'));
}
