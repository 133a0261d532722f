// Each rule of .dependency-cruiser.cjs is broken once, in a small tree of the same shape: a rule that matches nothing
// would look just like a tree in order.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const repository = process.cwd();
let root: string;

const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};

const sdk = (subpath: string): string => `import '@onceway/sdk/${subpath}';`;

const TREE: Record<string, string> = {
  'schemas/src/index.ts': 'export {};',
  'sdk/dist/src/protocol/index.js': '',
  'sdk/dist/src/verify/index.js': '',
  'sdk/src/protocol/index.ts': "import 'node:crypto';",
  'sdk/src/verify/index.ts': "import '../protocol/index.js';",
  'security-server/src/main.ts': "import './http/peer.js'; import './keys/software-token.js';",
  'security-server/src/http/peer.ts': "import '../exchange/provide.js';",
  'security-server/src/exchange/provide.ts': "import '../keys/token.js'; import '@onceway/sdk/verify';",
  'security-server/src/keys/token.ts': sdk('protocol'),
  'security-server/src/keys/software-token.ts': "import './token.js';",
  'central-registry/src/members/member.ts': sdk('protocol'),
  'scripts/src/country/agencies/health.ts': sdk('protocol'),
  'scripts/src/verify-messages/main.ts': "import 'node:crypto'; import './tree.js';",
  'scripts/src/verify-messages/tree.ts': 'export {};',
};

const BREAKS: Record<string, Record<string, string>> = {
  'no-cycles': { 'sdk/src/protocol/a.ts': "import './b.js';", 'sdk/src/protocol/b.ts': "import './a.js';" },
  'packages-only-by-name': {
    'security-server/src/keys/c.ts': "import '../../../sdk/src/protocol/index.js';",
  },
  'protocol-is-pure': { 'sdk/src/protocol/d.ts': "import '../verify/index.js';" },
  'verify-needs-only-protocol': {
    'sdk/src/verify/e.ts': "import '../client/f.js';",
    'sdk/src/client/f.ts': 'export {};',
  },
  'formats-do-no-io': { 'sdk/src/verify/g.ts': "import 'node:fs';" },
  'schemas-import-nothing': { 'schemas/src/h.ts': sdk('protocol') },
  'sdk-knows-no-server': { 'sdk/src/client/i.ts': "import '../../../security-server/src/keys/token.js';" },
  'servers-never-each-other': {
    'central-registry/src/members/j.ts': "import '../../../security-server/src/keys/token.js';",
  },
  'concepts-never-drivers': { 'security-server/src/keys/k.ts': "import '../http/peer.js';" },
  'concepts-never-the-line': { 'security-server/src/keys/l.ts': "import '../exchange/provide.js';" },
  'agencies-use-only-the-sdk': {
    'scripts/src/country/agencies/m.ts': "import '../n.js';",
    'scripts/src/country/n.ts': 'export {};',
  },
  'auditor-shares-no-code': { 'scripts/src/verify-messages/r.ts': sdk('protocol') },
  'bench-baseline-is-not-the-product': { 'scripts/src/bench/unsigned-proxy.ts': sdk('protocol') },
  'sources-never-tests': {
    'sdk/src/client/o.ts': "import '../../test/p.js';",
    'sdk/test/p.ts': 'export {};',
  },
  resolvable: { 'sdk/src/client/q.ts': "import './nowhere.js';" },
};

function violatedRules(): Map<string, Set<string>> {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(repository, 'node_modules/.bin/depcruise'),
      '--config',
      join(repository, '.dependency-cruiser.cjs'),
      '--output-type=json',
      'schemas/src',
      'sdk/src',
      'security-server/src',
      'central-registry/src',
      'scripts/src',
    ],
    { cwd: root, encoding: 'utf8' },
  );
  if (!stdout.startsWith('{')) throw new Error(stderr);
  const report = JSON.parse(stdout) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  const rules = new Map<string, Set<string>>();
  for (const { from, rule } of report.summary.violations)
    rules.set(from, (rules.get(from) ?? new Set()).add(rule.name));
  return rules;
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'onceway-boundaries-'));
  put('package.json', '{ "name": "x", "private": true }');
  put('sdk/package.json', '{ "name": "@onceway/sdk", "exports": { "./*": "./dist/src/*/index.js" } }');
  mkdirSync(join(root, 'node_modules/@onceway'), { recursive: true });
  symlinkSync('../../sdk', join(root, 'node_modules/@onceway/sdk'));
  for (const [path, text] of Object.entries(TREE)) put(path, text);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a tree of the right shape passes', () => {
  expect(violatedRules()).toEqual(new Map());
});

test('each rule finds the import that breaks it', () => {
  for (const files of Object.values(BREAKS))
    for (const [path, text] of Object.entries(files)) put(path, text);
  const rules = violatedRules();
  for (const [rule, files] of Object.entries(BREAKS)) {
    const [breaking = ''] = Object.keys(files);
    expect([breaking, [...(rules.get(breaking) ?? [])]]).toEqual([breaking, expect.arrayContaining([rule])]);
  }
});
