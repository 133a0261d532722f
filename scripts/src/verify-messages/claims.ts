// The claims of a message, as the table in docs/protocol.md has them: which a request, an answer and a refusal hold, and
// what each may be. What they say of each other and of logs: copy.ts and exchange.ts.
import { isUtf8 } from 'node:buffer';
import { prove } from './finding.js';
import type { Json } from './octets.js';
import { EMPTY_ROOT } from './tree.js';

export type Kind = 'request' | 'answer' | 'refusal';

export interface Claims extends Json {
  readonly exp: number;
  readonly iss: string;
  readonly aud: string;
  readonly server: string;
  readonly to: string;
  readonly cfg: { readonly seq: number; readonly digest: string };
  readonly log: {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly index?: number;
  };
  readonly head?: { readonly digest: string };
  readonly body?: null | { readonly digest?: string; readonly follows?: true };
  readonly re?: string;
}

type Check = (value: unknown) => boolean;

const PART_BYTES_MAX = 200;
const LIFETIME_S_MAX = 300;

const text =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const integer: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check) && new Set(value).size === value.length;
/** Exactly these members; one whose name ends in a question mark may be left out. */
const object =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
    const names = Object.keys(members);
    return (
      Object.keys(value).every((name) => name in members || `${name}?` in members) &&
      names.every((name) => {
        const given = (value as Json)[name.replace(/\?$/, '')];
        return given === undefined ? name.endsWith('?') : members[name]?.(given) === true;
      })
    );
  };

const digest = text(/^[\w-]{42}[AEIMQUYcgkosw048]$/);
const word = text(/^[!-~]{1,200}$/);
const pointer = text(/^(?:\/(?:[^~/]|~[01])*)+$/);
const version = text(/^(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})$/);

/** Parts in their one form (docs/protocol.md, Identifiers). */
const identifier =
  (...lengths: readonly number[]): Check =>
  (value) => {
    if (typeof value !== 'string') return false;
    const parts = value.split('/');
    return lengths.includes(parts.length) && parts.every(isPart);
  };

function isPart(part: string): boolean {
  if (!/^(?:[A-Za-z0-9'()+,\-.=?_~]|%[0-9A-F]{2})+$/.test(part)) return false;
  const octets = Buffer.from(
    part.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );
  const decoded = octets.toString('utf8');
  const again = [...octets]
    .map((octet) => {
      const character = String.fromCharCode(octet);
      return /[A-Za-z0-9'()+,\-.=?_~]/.test(character)
        ? character
        : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
  const isPlain = isUtf8(octets) && decoded.normalize('NFC') === decoded && octets.length <= PART_BYTES_MAX;
  return isPlain && again === part && !/^\.\.?$|[\p{Cc}\u200b\ufeff]/u.test(decoded);
}

const client = identifier(3, 4);
const position = {
  origin: text(/^[A-Za-z0-9.-]+(?:\/(?:[\w\-.]|%[0-9A-F]{2})+)+$/),
  size: integer,
  root: digest,
};
const commitment = object({ digest });
const EVERY = {
  v: (value: unknown): boolean => value === 1,
  jti: text(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  exp: integer,
  server: identifier(4),
  to: identifier(4),
  cfg: object({ seq: integer, digest }),
  // What must be known is not known here: nothing was added to the protocol yet.
  'ext?': (value: unknown): boolean =>
    value !== null && typeof value === 'object' && !Array.isArray(value) && !('must' in value),
};
const CONTENT = {
  'trace?': text(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
  head: commitment,
  body: either((value) => value === null, commitment, object({ follows: (value) => value === true })),
  'purpose?': word,
};
const operation = text(/^(?:DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) (?:\*|\/[!-~]*)$/);
const origins = either(digest, text(/^(?:typed|changed|follows)$/));
const facts: Check = (value) =>
  value !== null &&
  typeof value === 'object' &&
  Object.entries(value).every(([k, v]) => pointer(k) && origins(v));

const KINDS: Readonly<Record<Kind, Check>> = {
  request: object({
    ...EVERY,
    ...CONTENT,
    iss: client,
    aud: identifier(5),
    log: object(position),
    'form?': object({ form: word, version, facts }),
  }),
  answer: object({
    ...EVERY,
    ...CONTENT,
    iss: identifier(4),
    aud: client,
    log: object({ ...position, index: integer }),
    re: digest,
    op: operation,
    'right?': digest,
    'data?': object({ dataset: word, version, asked: listOf(pointer), given: listOf(pointer) }),
  }),
  refusal: object({
    ...EVERY,
    iss: identifier(3),
    aud: client,
    log: object({ ...position, 'index?': integer }),
    re: digest,
    'op?': operation,
    code: text(/^[a-z][a-z0-9_]{0,63}$/),
    'rule?': word,
    retry: either((value) => value === null, integer),
  }),
};

const CLOSING = object({ v: EVERY.v, re: digest, digest });

function checkHeader(header: Json): void {
  const isKnown = integer(header['iat']) && digest(header['x5t#S256']);
  prove(isKnown, 'form', 'a header that no message may have');
}

/** @throws {Finding} `form` */
export function checkClosing({ header, payload }: { readonly header: Json; readonly payload: Json }): void {
  checkHeader(header);
  const isClosing = header['typ'] === 'exchange-body+jws' && CLOSING(payload);
  prove(isClosing, 'form', 'typ or claims are none of a closing');
}

/** @throws {Finding} `form` */
export function checkClaims(kind: Kind, header: Json, payload: Json): Claims {
  checkHeader(header);
  const { iat } = header;
  prove(KINDS[kind](payload), 'form', `claims that no ${kind} may hold`);
  const claims = payload as Claims;
  const isTimely = claims.exp >= Number(iat) && claims.exp <= Number(iat) + LIFETIME_S_MAX;
  prove(isTimely, 'form', `exp is not within ${LIFETIME_S_MAX} s of iat`);
  const { size, root, index } = claims.log;
  prove(size > 0 || root === EMPTY_ROOT, 'form', 'an empty log with a root of its own');
  const isRecorded = payload['code'] !== 'not_recorded';
  prove(kind !== 'refusal' || (index !== undefined) === isRecorded, 'form', 'log.index and code disagree');
  const { asked = [], given = [] } = (payload['data'] ?? {}) as { asked?: unknown[]; given?: unknown[] };
  prove(
    given.every((one) => asked.includes(one)),
    'form',
    'more was given than was asked',
  );
  return claims;
}
