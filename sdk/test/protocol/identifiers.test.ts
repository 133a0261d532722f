// Properties of identifiers; their vectors are in test/conformance.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeSegment,
  formatMemberId,
  formatSecurityServerId,
  formatServiceId,
  formatSubsystemId,
  memberOf,
  memberParts,
  parseClientId,
  parseMemberId,
  parseSecurityServerId,
  parseServiceId,
  parseSubsystemId,
  readClientId,
  readServiceId,
  securityServerParts,
  serviceParts,
  subsystemOf,
  subsystemParts,
  targetOf,
  targetService,
} from '../../src/protocol/index.js';

// eslint-disable-next-line no-control-regex -- control characters are what identifiers refuse
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u200b\ufeff]/;
const part = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    fc.constantFrom('a/b', 'a?b', '%2F', '...'),
  )
  .map((text) => text.normalize('NFC'))
  .filter((text) => !['', '.', '..'].includes(text) && !REFUSED.test(text) && Buffer.byteLength(text) <= 200);

describe('identifiers', () => {
  test('what is formatted is parsed into the same parts', () => {
    fc.assert(
      fc.property(
        part,
        part,
        part,
        part,
        part,
        (instance, memberClass, memberCode, subsystemCode, serviceCode) => {
          const member = { instance, memberClass, memberCode };
          expect(memberParts(parseMemberId(formatMemberId(member)))).toEqual(member);
          const subsystem = { ...member, subsystemCode };
          expect(subsystemParts(parseSubsystemId(formatSubsystemId(subsystem)))).toEqual(subsystem);
          const service = { ...subsystem, serviceCode };
          const id = formatServiceId(service);
          expect(serviceParts(parseServiceId(id))).toEqual(service);
          const server = { ...member, serverCode: subsystemCode };
          expect(securityServerParts(parseSecurityServerId(formatSecurityServerId(server)))).toEqual(server);
          expect(memberOf(id)).toBe(formatMemberId(member));
          expect(subsystemOf(id)).toBe(formatSubsystemId(subsystem));
          expect(targetService(targetOf(id, '/x?y'))).toEqual({ service: id, path: '/x', query: '?y' });
        },
      ),
    );
  });

  test('the one form is a fixed point of reading, however a client escapes', () => {
    fc.assert(
      fc.property(part, part, part, part, fc.boolean(), (a, b, c, d, lower) => {
        const escapeAll = (text: string): string =>
          [...Buffer.from(text)]
            .map((octet) => `%${octet.toString(16).padStart(2, '0')}`)
            .map((escape) => (lower ? escape : escape.toUpperCase()))
            .join('');
        const one = readClientId([a, b, c, d].map(escapeAll).join('/'));
        expect(one).toBe(formatSubsystemId({ instance: a, memberClass: b, memberCode: c, subsystemCode: d }));
        expect(readClientId(one)).toBe(one);
        expect(parseClientId(one)).toBe(one);
      }),
    );
  });

  test('any text is either in the one form or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        let id: string;
        try {
          id = readServiceId(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'identifier_invalid' });
          return;
        }
        expect(parseServiceId(id)).toBe(id);
      }),
    );
  });

  test('a segment is decoded once', () => {
    expect(decodeSegment('a%252Fb')).toBe('a%2Fb');
    expect(() => decodeSegment('%')).toThrow(expect.objectContaining({ code: 'identifier_invalid' }));
  });

  test('a member that is no identifier can not be formatted', () => {
    for (const memberCode of ['', '..', 'A\u030a', '\ud800', 'a\u0000'])
      expect(() => formatMemberId({ instance: 'VN', memberClass: 'GOV', memberCode })).toThrow(
        expect.objectContaining({ code: 'identifier_invalid' }),
      );
  });
});
