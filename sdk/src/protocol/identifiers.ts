// Identifiers of members, subsystems, services and security servers in their one text form
// (docs/protocol.md#identifiers; parts and escapes as X-Road's REST protocol has them).
import type { ClientId, MemberId, SecurityServerId, ServiceId, SubsystemId } from '@onceway/schemas';
import { OncewayError } from './errors.js';
import { IDENTIFIER_PART_BYTES_MAX } from './limits.js';

export interface MemberParts {
  readonly instance: string;
  readonly memberClass: string;
  readonly memberCode: string;
}
export interface SubsystemParts extends MemberParts {
  readonly subsystemCode: string;
}
export interface ServiceParts extends SubsystemParts {
  readonly serviceCode: string;
}
export interface SecurityServerParts extends MemberParts {
  readonly serverCode: string;
}

const LITERAL = /[A-Za-z0-9'()+,\-.=?_~]/;
/** Nearly every part: it is its own canonical form. Two dots could be `..`. */
const PLAIN = /^(?!\.{1,2}$)[A-Za-z0-9'()+,\-.=?_~]+$/;
// A question mark is plain in identifiers, though a URL needs it escaped (targetOf in head.ts).
const SEGMENT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@?]|%[0-9A-Fa-f]{2})+$/;
// Controls, zero-width space and byte order mark: two identifiers must never look alike because of them.
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u200b\ufeff]/;

function invalid(why: string): OncewayError {
  return new OncewayError('identifier_invalid', why);
}

function checkPart(part: string): string {
  if (part === '' || part === '.' || part === '..') throw invalid('a part is empty, "." or ".."');
  if (!part.isWellFormed() || part.normalize('NFC') !== part)
    throw invalid('a part is not well-formed Unicode in NFC');
  if (FORBIDDEN.test(part)) throw invalid('a part holds a control or zero-width character');
  if (Buffer.byteLength(part) > IDENTIFIER_PART_BYTES_MAX)
    throw invalid(`a part exceeds ${IDENTIFIER_PART_BYTES_MAX} octets`);
  return part;
}

function encodePart(part: string): string {
  let text = '';
  for (const character of checkPart(part))
    text += LITERAL.test(character)
      ? character
      : [...Buffer.from(character)].map((o) => `%${o.toString(16).toUpperCase().padStart(2, '0')}`).join('');
  return text;
}

/** Decodes one path segment once. `+` stays a plus sign; bad escapes and bad UTF-8 are refused.
 *  @throws {OncewayError} `identifier_invalid` */
export function decodeSegment(segment: string): string {
  if (!SEGMENT.test(segment)) throw invalid('a part is empty or holds a character that must be escaped');
  try {
    return checkPart(decodeURIComponent(segment));
  } catch (cause) {
    if (cause instanceof OncewayError) throw cause;
    throw invalid('a part is not UTF-8');
  }
}

const canonicalSegment = (segment: string): string =>
  segment.length <= IDENTIFIER_PART_BYTES_MAX && PLAIN.test(segment)
    ? segment
    : encodePart(decodeSegment(segment));

/** Nearly every identifier: plain parts only, so that it is in its one form already. */
const PLAIN_PARTS =
  /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9'()+,\-.=?_~]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9'()+,\-.=?_~]+)*$/;

function countParts(text: string): number {
  let count = 1;
  for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) count++;
  return count;
}

function parse(text: string, counts: readonly number[], strict: boolean): string {
  if (text.length <= IDENTIFIER_PART_BYTES_MAX && counts.includes(countParts(text)) && PLAIN_PARTS.test(text))
    return text;
  const segments = text.split('/');
  if (!counts.includes(segments.length)) throw invalid(`expected ${counts.join(' or ')} parts`);
  const canonical = segments.map(canonicalSegment).join('/');
  if (strict && canonical !== text) throw invalid('not in the one form (docs/protocol.md#identifiers)');
  return canonical;
}

const format = (...parts: readonly string[]): string => parts.map(encodePart).join('/');
const decode = (id: string): string[] => id.split('/').map(decodeURIComponent);

// Each parser takes the one form only. What people and X-Road clients write (lower-case hex, needless escapes)
// is brought into it by the read functions.

/** @throws {OncewayError} `identifier_invalid` */
export const parseMemberId = (text: string): MemberId => parse(text, [3], true) as MemberId;
/** @throws {OncewayError} `identifier_invalid` */
export const parseSubsystemId = (text: string): SubsystemId => parse(text, [4], true) as SubsystemId;
/** @throws {OncewayError} `identifier_invalid` */
export const parseClientId = (text: string): ClientId => parse(text, [3, 4], true) as ClientId;
/** @throws {OncewayError} `identifier_invalid` */
export const parseServiceId = (text: string): ServiceId => parse(text, [5], true) as ServiceId;
/** @throws {OncewayError} `identifier_invalid` */
export const parseSecurityServerId = (text: string): SecurityServerId =>
  parse(text, [4], true) as SecurityServerId;

/** Reads `X-Road-Client` in any valid escaping. @throws {OncewayError} `identifier_invalid` */
export const readClientId = (text: string): ClientId => parse(text, [3, 4], false) as ClientId;
/** Reads `X-Road-Security-Server` in any valid escaping. @throws {OncewayError} `identifier_invalid` */
export const readSecurityServerId = (text: string): SecurityServerId =>
  parse(text, [4], false) as SecurityServerId;
/** Reads five path segments in any valid escaping. @throws {OncewayError} `identifier_invalid` */
export const readServiceId = (text: string): ServiceId => parse(text, [5], false) as ServiceId;

export const formatMemberId = (id: MemberParts): MemberId =>
  format(id.instance, id.memberClass, id.memberCode) as MemberId;
export const formatSubsystemId = (id: SubsystemParts): SubsystemId =>
  format(id.instance, id.memberClass, id.memberCode, id.subsystemCode) as SubsystemId;
export const formatServiceId = (id: ServiceParts): ServiceId =>
  format(id.instance, id.memberClass, id.memberCode, id.subsystemCode, id.serviceCode) as ServiceId;
export const formatSecurityServerId = (id: SecurityServerParts): SecurityServerId =>
  format(id.instance, id.memberClass, id.memberCode, id.serverCode) as SecurityServerId;

export function memberParts(id: MemberId): MemberParts {
  const [instance, memberClass, memberCode] = decode(id) as [string, string, string];
  return { instance, memberClass, memberCode };
}
export function subsystemParts(id: SubsystemId): SubsystemParts {
  const [instance, memberClass, memberCode, subsystemCode] = decode(id) as [string, string, string, string];
  return { instance, memberClass, memberCode, subsystemCode };
}
export function serviceParts(id: ServiceId): ServiceParts {
  const [instance, memberClass, memberCode, subsystemCode, serviceCode] = decode(id) as [
    string,
    string,
    string,
    string,
    string,
  ];
  return { instance, memberClass, memberCode, subsystemCode, serviceCode };
}
export function securityServerParts(id: SecurityServerId): SecurityServerParts {
  const [instance, memberClass, memberCode, serverCode] = decode(id) as [string, string, string, string];
  return { instance, memberClass, memberCode, serverCode };
}

/** The member a client, service or security server belongs to. */
export function memberOf(id: ClientId | ServiceId | SecurityServerId): MemberId {
  const end = id.indexOf('/', id.indexOf('/', id.indexOf('/') + 1) + 1);
  return (end < 0 ? id : id.slice(0, end)) as MemberId;
}
/** The subsystem that offers a service. */
export function subsystemOf(id: ServiceId): SubsystemId {
  return id.slice(0, id.lastIndexOf('/')) as SubsystemId;
}
