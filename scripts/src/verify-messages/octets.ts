// Octets, digests and the one text form of each: base64url without padding, base64, JSON as JSON.stringify writes it.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { prove, type Rule } from './finding.js';

export type Json = Readonly<Record<string, unknown>>;

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function digestOf(...parts: readonly Uint8Array[]): string {
  return sha256(...parts).toString('base64url');
}

/** Node skips what it does not know; written again, only the one form comes out as it was. */
export function decode(text: unknown, encoding: 'base64' | 'base64url', rule: Rule = 'form'): Buffer {
  const octets = Buffer.from(String(text), encoding);
  prove(octets.toString(encoding) === text, rule, `not ${encoding} in its one form`);
  return octets;
}

const DEPTH_MAX = 32;

function checkValue(value: unknown, depth: number): void {
  prove(depth <= DEPTH_MAX, 'form', `JSON deeper than ${DEPTH_MAX}`);
  if (typeof value === 'number')
    prove(!Number.isInteger(value) || Number.isSafeInteger(value), 'form', 'an integer beyond 2^53 - 1');
  else if (typeof value === 'string') prove(value.isWellFormed(), 'form', 'a lone surrogate');
  else if (value !== null && typeof value === 'object')
    for (const [name, item] of Object.entries(value)) {
      const isName = Array.isArray(value) || !(/^(?:0|[1-9]\d*)$/.test(name) || name === '__proto__');
      prove(isName && name.isWellFormed(), 'form', 'a name of JSON that is not allowed');
      checkValue(item, depth + 1);
    }
}

/** A JSON object in the one form that signatures and hashes stand over. */
export function parseStrict(octets: Uint8Array): Json {
  prove(isUtf8(octets), 'form', 'not UTF-8');
  const text = Buffer.from(octets).toString('utf8');
  const value = JSON.parse(text) as unknown;
  checkValue(value, 0);
  prove(JSON.stringify(value) === text, 'form', 'JSON that JSON.stringify would write otherwise');
  prove(value !== null && typeof value === 'object' && !Array.isArray(value), 'form', 'no JSON object');
  return value as Json;
}
