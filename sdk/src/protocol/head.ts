// The head of a request or answer: the header block that is signed and hashed, as octets (docs/protocol.md#head).
// What the lines mean to X-Road or to datasets is not decided here.
import type { ServiceId } from '@onceway/schemas';
import { OncewayError } from './errors.js';
import { readServiceId } from './identifiers.js';
import { HEAD_BYTES_MAX, HEAD_LINES_MAX } from './limits.js';

/** Name and value in their order and case. Each character is one octet (ISO 8859-1), as node:http gives and takes
 *  them; text in UTF-8 is decoded by who reads it. */
export type HeadLine = readonly [name: string, value: string];

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly lines: readonly HeadLine[];
}

export interface AnswerHead {
  readonly status: number;
  readonly lines: readonly HeadLine[];
}

/** Lower-case names of the lines that never travel: they belong to one connection (X-Road's thirteen). */
export const STRIPPED_HEADERS: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'connection',
  'user-agent',
  'host',
  'content-length',
  'server',
  'expect',
]);

/** X-Road's verbs. */
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
const TARGET = /^[\x21-\x7e]+$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// RFC 9110 §5.5: no controls but the tab, no blanks at the ends. Whatever else could not be delivered as it stands.
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const STATUS = /^[2-5]\d\d$/;

/** Lines of node's `rawHeaders` without the thirteen. */
export function linesOf(rawHeaders: readonly string[]): HeadLine[] {
  const lines: HeadLine[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!STRIPPED_HEADERS.has(name.toLowerCase())) lines.push([name, rawHeaders[i + 1] as string]);
  }
  return lines;
}

/** @throws {OncewayError} `method_invalid`, `request_target_invalid`, `head_invalid`, `head_too_large` */
export function encodeRequestHead(head: RequestHead): Buffer {
  checkStart(head.method, head.target);
  return encodeHead(`${head.method}\r\n${head.target}\r\n`, head.lines);
}

/** @throws {OncewayError} `head_invalid`, `head_too_large` */
export function encodeAnswerHead(head: AnswerHead): Buffer {
  return encodeHead(`${checkStatus(String(head.status))}\r\n`, head.lines);
}

/** @throws {OncewayError} `method_invalid`, `request_target_invalid`, `head_invalid`, `head_too_large` */
export function parseRequestHead(octets: Uint8Array): RequestHead {
  const [method = '', target = '', ...lines] = splitHead(octets);
  checkStart(method, target);
  return { method, target, lines: parseLines(lines) };
}

/** @throws {OncewayError} `head_invalid`, `head_too_large` */
export function parseAnswerHead(octets: Uint8Array): AnswerHead {
  const [status = '', ...lines] = splitHead(octets);
  return { status: Number(checkStatus(status)), lines: parseLines(lines) };
}

/** Values of all lines with this name, compared without case, in their order. */
export function valuesOf(lines: readonly HeadLine[], name: string): string[] {
  const wanted = name.toLowerCase();
  const values: string[] = [];
  for (const [given, value] of lines)
    if (given.length === wanted.length && given.toLowerCase() === wanted) values.push(value);
  return values;
}

/** The value of the last line with this name; undefined without one. */
export function lastValueOf(lines: readonly HeadLine[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (let i = lines.length - 1; i >= 0; i--) {
    const [given, value] = lines[i] as HeadLine;
    if (given.length === wanted.length && given.toLowerCase() === wanted) return value;
  }
  return undefined;
}

/** Which service a target calls: origin-form, `/r1/` and five parts, each decoded once. `path` (`''` or from its `/`)
 *  and `query` (`''` or from its `?`) stay as they were sent: dots and escapes in them are not yet judged.
 *  @throws {OncewayError} `request_target_invalid` */
export function targetService(target: string): { service: ServiceId; path: string; query: string } {
  if (!target.startsWith('/r1/') || !TARGET.test(target) || target.includes('#'))
    throw new OncewayError('request_target_invalid', 'not /r1/ in origin-form');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  let end = 3;
  for (let part = 0; part < 5 && end >= 0; part++) end = path.indexOf('/', end + 1);
  const identifier = end < 0 ? path.slice(4) : path.slice(4, end);
  try {
    return {
      service: readServiceId(identifier),
      path: end < 0 ? '' : path.slice(end),
      query: mark < 0 ? '' : target.slice(mark),
    };
  } catch (cause) {
    throw new OncewayError('request_target_invalid', 'not the five parts of a service', { cause });
  }
}

/** The target that calls a service: a question mark, plain in identifiers, must be escaped in a URL. */
export function targetOf(service: ServiceId, rest: string = ''): string {
  return `/r1/${service.replaceAll('?', '%3F')}${rest}`;
}

function encodeHead(start: string, lines: readonly HeadLine[]): Buffer {
  let text = start;
  for (const [name, value] of checkCount(lines)) {
    checkLine(name, value);
    text += `${name}:${value}\r\n`;
  }
  checkSize(text.length);
  return Buffer.from(text, 'latin1');
}

function splitHead(octets: Uint8Array): string[] {
  checkSize(octets.length);
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
  const lines = text.split('\r\n');
  if (lines.pop() !== '') throw new OncewayError('head_invalid', 'the last line does not end');
  return lines;
}

function parseLines(lines: readonly string[]): HeadLine[] {
  return checkCount(lines).map((line) => {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1);
    checkLine(name, value);
    return [name, value];
  });
}

function checkStart(method: string, target: string): void {
  if (!METHODS.has(method)) throw new OncewayError('method_invalid', 'not a method that is carried');
  if (!TARGET.test(target)) throw new OncewayError('request_target_invalid', 'not visible ASCII');
}

function checkStatus(status: string): string {
  if (!STATUS.test(status)) throw new OncewayError('head_invalid', 'not a final status');
  return status;
}

function checkLine(name: string, value: string): void {
  if (!NAME.test(name)) throw new OncewayError('head_invalid', 'a name is not a token');
  if (!VALUE.test(value)) throw new OncewayError('head_invalid', `the value of ${name} can not be carried`);
  const lower = name.toLowerCase();
  if (STRIPPED_HEADERS.has(lower) || lower.startsWith('exchange-'))
    throw new OncewayError('head_invalid', `${lower} does not travel in a head`);
}

function checkCount<T>(lines: readonly T[]): readonly T[] {
  if (lines.length > HEAD_LINES_MAX)
    throw new OncewayError('head_too_large', `more than ${HEAD_LINES_MAX} lines`);
  return lines;
}

function checkSize(bytes: number): void {
  if (bytes > HEAD_BYTES_MAX) throw new OncewayError('head_too_large', `more than ${HEAD_BYTES_MAX} octets`);
}
