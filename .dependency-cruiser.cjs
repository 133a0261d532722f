// Imports run one way (docs/architecture.md, "Layers"). Packages import each other by name, so the compiled files
// (dist) are what such an import reaches; a path into another package's src is always wrong.
const servers = 'security-server|central-registry';
const drivers = '(http|cli|jobs)/|main\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'packages-only-by-name',
      comment: 'The published subpaths are the only way in',
      severity: 'error',
      from: { path: '^(schemas|sdk|security-server|central-registry|scripts|test)/' },
      to: { path: '^(schemas|sdk|security-server|central-registry)/src/', pathNot: '^$1/' },
    },
    {
      name: 'protocol-is-pure',
      comment: 'Formats know nothing of ours but the schemas',
      severity: 'error',
      from: { path: '^sdk/src/protocol/' },
      to: {
        path: '^(sdk|security-server|central-registry|scripts)/',
        pathNot: '^sdk/(src/protocol|node_modules)/',
      },
    },
    {
      name: 'verify-needs-only-protocol',
      comment: 'An auditor lifts it out and runs it on a laptop',
      severity: 'error',
      from: { path: '^sdk/src/verify/' },
      to: {
        path: '^(sdk|security-server|central-registry|scripts)/',
        pathNot: '^sdk/src/(protocol|verify)/',
      },
    },
    {
      name: 'formats-do-no-io',
      severity: 'error',
      from: { path: '^sdk/src/(protocol|verify)/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer|util)$' },
    },
    {
      name: 'schemas-import-nothing',
      severity: 'error',
      from: { path: '^schemas/src/' },
      to: { path: '^(sdk|security-server|central-registry|scripts)/' },
    },
    {
      name: 'sdk-knows-no-server',
      severity: 'error',
      from: { path: '^sdk/' },
      to: { path: `^(${servers}|scripts)/` },
    },
    {
      name: 'servers-never-each-other',
      severity: 'error',
      from: { path: `^(${servers})/` },
      to: { path: `^(${servers}|scripts)/`, pathNot: '^$1/' },
    },
    {
      name: 'concepts-never-drivers',
      comment: 'http/, cli/ and jobs/ call inward, nothing calls them; only main.ts wires',
      severity: 'error',
      from: { path: `^(${servers})/src/[^/]+/`, pathNot: `^(${servers})/src/(http|cli|jobs)/` },
      to: { path: `^(${servers})/src/(${drivers})` },
    },
    {
      name: 'concepts-never-the-line',
      comment: 'exchange/ calls the concepts',
      severity: 'error',
      from: {
        path: '^security-server/src/[^/]+/',
        pathNot: '^security-server/src/(exchange|http|cli|jobs)/',
      },
      to: { path: '^security-server/src/exchange/' },
    },
    {
      name: 'agencies-use-only-the-sdk',
      comment: 'An information system is written with what a developer outside gets',
      severity: 'error',
      from: { path: '^scripts/src/country/agencies/' },
      to: {
        path: `^(${servers}|sdk|schemas|scripts)/`,
        pathNot: '^(sdk/dist/|scripts/src/country/agencies/)',
      },
    },
    {
      name: 'auditor-shares-no-code',
      comment: 'Its verdict must not rest on what it judges, nor on anything from npm',
      severity: 'error',
      from: { path: '^scripts/src/verify-messages/' },
      to: { pathNot: '^scripts/src/verify-messages/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'bench-baseline-is-not-the-product',
      comment: 'What the product is measured against shares no code with it',
      severity: 'error',
      from: { path: '^scripts/src/bench/(unsigned-proxy|node-backend)' },
      to: { path: `^(${servers}|sdk|schemas)/` },
    },
    {
      name: 'sources-never-tests',
      severity: 'error',
      from: { pathNot: '(^|/)test/' },
      to: { path: '(^|/)test/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-development-dependencies-in-products',
      severity: 'error',
      from: { path: `^(schemas|sdk|${servers})/src/` },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only', 'npm-peer'],
      },
    },
  ],
  options: {
    doNotFollow: { path: '(^|/)(node_modules|dist)/' },
    exclude: { path: '/dist/test/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
