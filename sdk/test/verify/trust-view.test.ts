// Whom a configuration names: clients and groups, and nobody else.
import { expect, test } from '@jest/globals';
import {
  parseMemberId,
  parseSubsystemId,
  type ConfigurationHead,
  type ConfigurationRecord,
  type ConfigurationReference,
  type Digest,
} from '../../src/protocol/index.js';
import { TrustView } from '../../src/verify/index.js';

const id = parseMemberId('VN/GOV/MOJ');
const subsystem = parseSubsystemId('VN/GOV/MOJ/civil-status');
const names = { en: 'a', vi: 'a' };
const records = [
  { type: 'policy' },
  { v: 1, type: 'member', id, name: names, subsystems: [{ id: subsystem }] },
  { v: 1, type: 'global-group', code: 'empty', description: names, members: [] },
] as unknown as ConfigurationRecord[];
const view = new TrustView(
  {} as ConfigurationHead,
  {} as ConfigurationReference,
  records.map((record, index) => [String(index) as Digest, record] as const),
);

test('a client is a member or a subsystem of one', () => {
  expect(view.hasClient(id)).toBe(true);
  expect(view.hasClient(subsystem)).toBe(true);
  expect(view.hasClient(parseSubsystemId('VN/GOV/MOJ/civil-statsu'))).toBe(false);
  expect(view.hasClient(parseMemberId('VN/GOV/MOH'))).toBe(false);
});

test('a group is there without members too', () => {
  expect(view.hasGroup('empty')).toBe(true);
  expect(view.hasGroup('other')).toBe(false);
});
