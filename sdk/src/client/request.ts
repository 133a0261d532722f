// Builds one request of X-Road's REST protocol from a call: target and header lines. Sends nothing.
import type { Readable } from 'node:stream';
import type { ClientId, ServiceId } from '@onceway/schemas';
import { CLIENT_HEAD_BYTES_MAX, CLIENT_HEAD_LINES_MAX } from '../protocol/limits.js';
import { ExchangeError } from './exchange-error.js';

export type Query = Readonly<Record<string, string | number | boolean | undefined>> | URLSearchParams;

export interface CallOptions {
  /** GET, or POST when there is a body. */
  readonly method?: string;
  /** What follows the service in the address, percent-encoded, from its `/`. */
  readonly path?: string;
  readonly query?: Query;
  /** Further headers; they are signed. An `accept` of your own makes refusals come as plain X-Road faults. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly body?: string | Uint8Array | Readable;
  /** The person who asks, `<type>:<id>` (`X-Road-UserId`). */
  readonly userId?: string;
  /** The case this belongs to (`X-Road-Issue`). */
  readonly issue?: string;
  /** Whom it is about, `<type>:<id>` (`Data-Subject`): keys of persons go here or in the body, not in the path. */
  readonly subject?: string;
  /** What for (`Data-Purpose`). */
  readonly purpose?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface PreparedRequest {
  readonly method: string;
  readonly target: string;
  /** Name, value, name, value: order and case are kept, since they are signed. */
  readonly lines: readonly string[];
  readonly body: CallOptions['body'];
}

const METHODS: ReadonlySet<string> = new Set([
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);
const WITH_BODY: ReadonlySet<string> = new Set(['PATCH', 'POST', 'PUT']);
const PATH = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*$/;
const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;
const NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
// Visible ASCII, blanks and tabs inside: what reads the same for every server on the way.
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;
/** Made by the client or by the connection: setting them by hand would contradict what is signed. */
const RESERVED =
  /^(?:x-road-(?:client|id|userid|issue|request-id|request-hash)|data-(?:purpose|subject)|exchange-.*|host|connection|keep-alive|te|trailer|upgrade|expect|content-length|transfer-encoding|proxy-.*|user-agent)$/i;

function refuse(
  code: 'request_target_invalid' | 'head_invalid' | 'head_too_large',
  why: string,
): ExchangeError {
  return new ExchangeError(code, why, { hop: 'client', outcome: 'not_sent' });
}

function checkPath(path: string): string {
  if (!PATH.test(path) || path.split('/').some((segment) => DOT_SEGMENT.test(segment)))
    throw refuse(
      'request_target_invalid',
      'a path begins with "/", is percent-encoded, and has no dot segments',
    );
  return path;
}

function queryText(query: Query | undefined): string {
  if (query === undefined) return '';
  const pairs =
    query instanceof URLSearchParams
      ? query
      : new URLSearchParams(
          Object.entries(query).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)] as [string, string]],
          ),
        );
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}

/** @throws {ExchangeError} `request_target_invalid`, `head_invalid`, `head_too_large`, all `not_sent`.
 *  @throws {TypeError} options that contradict each other. */
export function prepareRequest(
  client: ClientId,
  service: ServiceId,
  options: CallOptions,
  made: { readonly xRoadId: string; readonly language: 'en' | 'vi' | undefined },
): PreparedRequest {
  if (options.json !== undefined && options.body !== undefined)
    throw new TypeError('give json or body, not both');
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const method = options.method ?? (body === undefined ? 'GET' : 'POST');
  if (!METHODS.has(method)) throw new TypeError(`not a method of the exchange: ${method}`);
  // X-Road signs such a body and then drops it before the service: better to say so here.
  if (body !== undefined && !WITH_BODY.has(method)) throw new TypeError(`${method} carries no body`);

  const lines: string[] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value === undefined) return;
    if (!NAME.test(name) || !VALUE.test(value))
      throw refuse('head_invalid', `header ${JSON.stringify(name)} is not visible ASCII`);
    lines.push(name, value);
  };
  const given = Object.entries(options.headers ?? {});
  const has = (name: string): boolean => given.some(([own]) => own.toLowerCase() === name);
  add('X-Road-Client', client);
  add('X-Road-Id', made.xRoadId);
  add('X-Road-UserId', options.userId);
  add('X-Road-Issue', options.issue);
  add('Data-Subject', options.subject);
  add('Data-Purpose', options.purpose);
  // The sole type on which a security server explains a refusal (rule, hint); services keep answering what they do.
  if (!has('accept')) add('Accept', 'application/problem+json');
  if (!has('accept-language')) add('Accept-Language', made.language);
  if (options.json !== undefined && !has('content-type')) add('Content-Type', 'application/json');
  for (const [name, value] of given) {
    if (RESERVED.test(name)) throw new TypeError(`header ${name} is made by the client`);
    add(name, value);
  }
  const target = `/r1/${service}${checkPath(options.path ?? '')}${queryText(options.query)}`;
  const octets = lines.reduce((sum, text) => sum + text.length + 2, method.length + target.length + 3);
  if (octets > CLIENT_HEAD_BYTES_MAX || lines.length / 2 > CLIENT_HEAD_LINES_MAX)
    throw refuse('head_too_large', `the head has ${octets} octets in ${lines.length / 2} lines`);
  return { method, target, lines, body };
}
