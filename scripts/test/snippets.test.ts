// Runs every example of README.md and docs/ that is marked for it and needs no country, and shows that a broken one would
// be noticed. Those that need one: country/documents.test.ts.
import { rmSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { runSnippet, type Snippet, snippetsOf } from '../src/snippets.js';
import { exampleFolder, examplesIn, surroundings } from './examples.js';

const root = process.cwd();
const EXAMPLE_MS_MAX = 100_000;
const snippets = examplesIn('clone');

describe('documents', () => {
  test('there are examples to run', () => {
    expect(snippets.length).toBeGreaterThan(0);
  });

  test.each(snippets.map((snippet) => [`${snippet.path}:${snippet.line}`, snippet] as const))(
    'example at %s runs',
    async (_place, snippet) => {
      const folder = exampleFolder();
      try {
        const around = snippet.language === 'sh' ? await surroundings(snippet, folder) : {};
        const { status, output } = await runSnippet(snippet, root, around);
        expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    EXAMPLE_MS_MAX,
  );
});

describe('a broken example is noticed', () => {
  const broken = (language: Snippet['language'], code: string): Snippet => ({
    path: 'x.md',
    line: 1,
    language,
    place: 'clone',
    code,
  });

  test.each([
    ['when it does not compile', broken('ts', 'const count: number = "one";\nconsole.log(count);\n')],
    [
      'when it names an export that is gone',
      broken('ts', "import { gone } from '@onceway/sdk/protocol';\ngone();\n"),
    ],
    ['when it throws', broken('ts', "throw new Error('no');\n")],
    ['when a command in the middle fails', broken('sh', 'false\ntrue\n')],
  ])('%s', async (_fact, snippet) => {
    expect((await runSnippet(snippet, root)).status).not.toBe(0);
  });
});

test('only fences marked for it are run', () => {
  const text = 'text\n```ts\nno();\n```\n\n```sh run\ntrue\n```\n\n```ts run country\nyes();\n```\n';
  expect(snippetsOf('a.md', text)).toEqual([
    { path: 'a.md', line: 6, language: 'sh', place: 'clone', code: 'true\n' },
    { path: 'a.md', line: 10, language: 'ts', place: 'country', code: 'yes();\n' },
  ]);
  expect(() => snippetsOf('a.md', '```py run\n1\n```\n')).toThrow(TypeError);
});

test('the shell fences of a page are one script', async () => {
  const [script, ...more] = snippetsOf('a.md', '```sh run\none=1\n```\n\n```sh run\ntest "$one" = 1\n```\n');
  expect(more).toEqual([]);
  expect(script && (await runSnippet(script, root)).status).toBe(0);
});

test('an example runs on ports of its own, and what it started ends with it', async () => {
  const code = 'sleep 300 &\necho 127.0.0.1:14100 127.0.0.1:14100 $!\n';
  const snippet: Snippet = { path: 'a.md', line: 1, language: 'sh', place: 'clone', code };
  const { output } = await runSnippet(snippet, root, { port: (named) => named + 1 });
  expect(output).toMatch(/^127\.0\.0\.1:14101 127\.0\.0\.1:14101 \d+\n$/);
});
