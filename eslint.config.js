// Rules that find bugs. Formatting is prettier's, import boundaries are dependency-cruiser's, dead code is knip's.
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const CLOCK = [
  {
    object: 'Date',
    property: 'now',
    message: 'Take the clock as an argument: tests and verifiers decide the time.',
  },
  {
    object: 'Math',
    property: 'random',
    message: 'Use randomBytes of node:crypto, or take it as an argument.',
  },
];

export default defineConfig(
  { ignores: ['**/dist/', '**/node_modules/', 'var/', 'coverage/', 'schemas/src/generated/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-param-reassign': 'error',
      'no-unreachable-loop': 'error',
      'no-template-curly-in-string': 'error',
      '@typescript-eslint/strict-boolean-expressions': [
        'error',
        { allowNullableBoolean: true, allowString: true, allowNumber: false },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],

      // Numbers read well in messages; everything else that would print "[object Object]" stays an error.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Style: a void value that is *used* is found by other rules.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // `read<T>(text): T` is a cast, and reads as one where it is called.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // We have no enums (erasableSyntaxOnly); those of libraries stand for numbers of an RFC.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      // Identifiers, digests and base64url are ASCII: spreading such a string splits nothing that belongs together.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // Interfaces are asynchronous from the first day (design §8), also where today's implementation is not.
      '@typescript-eslint/require-await': 'off',
      // `_` names what a signature demands and the body does not need.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // What was caught may be thrown on as it is.
      '@typescript-eslint/only-throw-error': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: false, allowRethrowing: true },
      ],
      // node:http says Socket where a TLS listener's is a TLSSocket; such casts are stated, not hidden.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Style: `void promise` says what it means also where the type is already void, and spelling out a default type
      // argument hurts nobody.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      // A class of constants only is refused; one with a decorated or inherited shape is not our style anyway.
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    files: ['sdk/src/protocol/**/*.ts', 'sdk/src/verify/**/*.ts'],
    rules: { 'no-restricted-properties': ['error', ...CLOCK] },
  },
  {
    // Limits that depend on each other are compared when the module loads: constant today, a guard tomorrow.
    files: ['**/limits.ts'],
    rules: { '@typescript-eslint/no-unnecessary-condition': 'off' },
  },
  {
    // Programs that talk to a terminal.
    files: ['**/cli/**/*.ts', '**/main.ts', '**/*-process.ts', 'scripts/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/test/**/*.ts', 'test/**/*.ts'],
    rules: {
      // Jest's matchers are typed `any`, answers of a server under test are parsed JSON, and a missing element
      // fails the test anyway.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/strict-boolean-expressions': 'off',
      'no-console': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: { globals: { process: 'readonly', module: 'writable', console: 'readonly' } },
  },
);
