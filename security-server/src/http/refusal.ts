// Writes a failed exchange to an information system: X-Road's fault in JSON or XML, or, where
// application/problem+json is the sole type it accepts, a problem (RFC 9457). Only the table's text goes out.
import { STATUS_CODES, type ServerResponse } from 'node:http';
import { faultOf, problemOf } from '@onceway/sdk/protocol';
import type { ExchangeFailure } from '../exchange/failure.js';

/** X-Road gives every fault of a server this status. */
const FAULT_STATUS = 500;

export interface Asked {
  readonly accept: string | undefined;
  readonly language: string | undefined;
}

/** @param detail random UUID that stands in the server's own log, too */
export function writeRefusal(
  response: ServerResponse,
  failure: ExchangeFailure,
  asked: Asked,
  detail: string,
): void {
  const { status, type, text } = rendering(failure, asked, detail);
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'X-Road-Error': faultOf(failure.code, failure.hop, { spelling: 'camel', detail }).type,
    ...(failure.requestId === undefined ? {} : { 'Exchange-Id': failure.requestId }),
    ...(failure.answerId === undefined ? {} : { 'Exchange-Answer': failure.answerId }),
    ...(failure.retrySeconds === null ? {} : { 'Retry-After': String(failure.retrySeconds) }),
  });
  response.end(text);
}

/** For a client whose request could not even be read: the same, as octets for its connection, which then ends. */
export function unreadRefusal(failure: ExchangeFailure, detail: string): string {
  const { type, text } = rendering(failure, { accept: undefined, language: undefined }, detail);
  return [
    `HTTP/1.1 ${FAULT_STATUS} ${STATUS_CODES[FAULT_STATUS]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    `X-Road-Error: ${faultOf(failure.code, failure.hop, { spelling: 'camel', detail }).type}`,
    'Connection: close',
    '',
    text,
  ].join('\r\n');
}

function rendering(
  failure: ExchangeFailure,
  asked: Asked,
  detail: string,
): { status: number; type: string; text: string } {
  const accepted = (asked.accept ?? '')
    .split(',')
    .map((type) => (type.split(';')[0] ?? '').trim().toLowerCase());
  if (accepted.length === 1 && accepted[0] === 'application/problem+json') {
    const problem = problemOf(failure.code, {
      hop: failure.hop,
      language: asked.language?.trim().toLowerCase().startsWith('vi') === true ? 'vi' : 'en',
      messageId: failure.requestId,
      rule: failure.rule,
      retrySeconds: failure.retrySeconds,
      instance: `urn:uuid:${detail}`,
    });
    return { status: problem.status, type: 'application/problem+json', text: JSON.stringify(problem) };
  }
  const fault = faultOf(failure.code, failure.hop, { spelling: 'camel', detail });
  const xml = accepted.find((type) => type === 'text/xml' || type === 'application/xml' || type === 'text/*');
  if (xml === undefined)
    return { status: FAULT_STATUS, type: 'application/json', text: JSON.stringify(fault) };
  const element = (name: keyof typeof fault): string => `<${name}>${escapeXml(fault[name])}</${name}>`;
  return {
    status: FAULT_STATUS,
    type: `${xml === 'text/*' ? 'text/xml' : xml};charset=utf-8`,
    text: `<?xml version="1.0" encoding="UTF-8"?><error>${element('type')}${element('message')}${element('detail')}</error>`,
  };
}

function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
