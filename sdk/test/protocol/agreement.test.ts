// Head and envelope must say the same.
import { describe, expect, test } from '@jest/globals';
import {
  checkHeadAgrees,
  formUseOf,
  purposeOf,
  type FormUse,
  type HeadLine,
  type RequestClaims,
} from '../../src/protocol/index.js';

const form: FormUse = {
  form: 'birth',
  version: '1.0',
  facts: { '/child/name': 'typed', '/place': 'changed' },
};
const formLine = (value: unknown): HeadLine => [
  'Data-Form',
  Buffer.from(JSON.stringify(value)).toString('base64url'),
];
const claims = { aud: 'VN/GOV/G12/civil-status/births', purpose: 'registration', form } as RequestClaims;
const head = {
  method: 'POST',
  target: '/r1/VN/GOV/G12/civil%2dstatus/births/x?y',
  lines: [['data-purpose', 'registration'], formLine(form)] as HeadLine[],
};

describe('a head and its envelope', () => {
  test('agree, and give what is for the service', () => {
    expect(checkHeadAgrees(head, claims)).toEqual({ path: '/x', query: '?y' });
    const plain = { ...head, lines: [] };
    expect(checkHeadAgrees(plain, { aud: claims.aud })).toEqual({ path: '/x', query: '?y' });
  });

  test('agree whatever the order of the facts', () => {
    const facts = { '/place': 'changed', '/child/name': 'typed' } as const;
    expect(() => checkHeadAgrees(head, { ...claims, form: { ...form, facts } })).not.toThrow();
  });

  test.each([
    ['another service', { target: '/r1/VN/GOV/G12/civil-status/deaths' }, 'target_mismatch'],
    ['no service', { target: '/births' }, 'request_target_invalid'],
    ['another purpose', { lines: [['Data-Purpose', 'research'], formLine(form)] }, 'purpose_invalid'],
    ['no purpose', { lines: [formLine(form)] }, 'purpose_invalid'],
    ['two purposes', { lines: [...head.lines, ['Data-Purpose', 'registration']] }, 'purpose_invalid'],
    ['no form', { lines: head.lines.slice(0, 1) }, 'form_invalid'],
    ['other facts', { lines: [...head.lines.slice(0, 1), formLine({ ...form, facts: {} })] }, 'form_invalid'],
  ] as [string, Partial<typeof head>, string][])('disagree: %s', (_what, change, code) => {
    expect(() => checkHeadAgrees({ ...head, ...change }, claims)).toThrow(expect.objectContaining({ code }));
  });

  test('a purpose that the head alone names is refused', () => {
    const { purpose: _purpose, ...without } = claims;
    expect(() => checkHeadAgrees(head, without)).toThrow(
      expect.objectContaining({ code: 'purpose_invalid' }),
    );
  });
});

describe('the lines that become claims', () => {
  test('are read', () => {
    expect(purposeOf([['DATA-PURPOSE', 'a']])).toBe('a');
    expect(purposeOf([])).toBeUndefined();
    expect(formUseOf([formLine(form)])).toEqual(form);
    expect(formUseOf([])).toBeUndefined();
  });

  test.each(['', 'a b', 'ổ', 'x'.repeat(201)])('the purpose %j is refused', (value) => {
    expect(() => purposeOf([['data-purpose', value]])).toThrow(
      expect.objectContaining({ code: 'purpose_invalid' }),
    );
  });

  test.each<[string, HeadLine]>([
    ['no base64url', ['data-form', '{}']],
    ['JSON with blanks', ['data-form', Buffer.from('{ }').toString('base64url')]],
    ['no form', formLine({})],
    ['a value in place of an origin', formLine({ ...form, facts: { '/name': 'Nguyen An' } })],
    ['too long', ['data-form', 'A'.repeat(11_000)]],
  ])('a form is refused: %s', (_what, line) => {
    expect(() => formUseOf([line])).toThrow(expect.objectContaining({ code: 'form_invalid' }));
  });

  test('two forms are refused', () => {
    expect(() => formUseOf([formLine(form), formLine(form)])).toThrow(
      expect.objectContaining({ code: 'form_invalid' }),
    );
  });
});
