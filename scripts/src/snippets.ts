// The examples in our documents, as programs: a fence of `ts run` or `sh run` is taken out and run as it stands, so that
// no page promises what does not work; `run country` needs a country that is up. Other fences are only read.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Snippet {
  readonly path: string;
  /** Of the opening fence, counted from 1; of several, of the first. */
  readonly line: number;
  readonly language: 'ts' | 'sh';
  /** What it needs around it: a clone, or a clone in which `npm start` runs. */
  readonly place: 'clone' | 'country';
  readonly code: string;
}

export interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>;
  /** Working folder, in the repository; its root unless given. */
  readonly folder?: string;
  /** Stands in for a port that the example names (14000 to 14999), so that two runs do not meet. */
  readonly port?: (named: number) => number;
}

/** What a run left: `status` null where it was ended for taking too long. */
export interface SnippetResult {
  readonly status: number | null;
  readonly output: string;
}

const RUN_MS_MAX = 90_000;
/** Ports of examples, by which nothing else goes. */
export const PORT = /\b14\d{3}\b/g;

/** Each `ts` fence is a program; the `sh` fences of a page are one script, since a reader types them one after another.
 *  @throws {TypeError} a fence marked `run` in a language that is not run here */
export function snippetsOf(path: string, text: string): Snippet[] {
  const snippets: Snippet[] = [];
  for (const found of text.matchAll(/^```(\S+) run( country)?\n([\s\S]*?)^```$/gm)) {
    const [, language = '', marked, code = ''] = found;
    const line = text.slice(0, found.index).split('\n').length;
    if (language !== 'ts' && language !== 'sh')
      throw new TypeError(`${path}:${line}: ${language} is not run here`);
    const place = marked === undefined ? 'clone' : 'country';
    const script = snippets.findIndex((known) => known.language === 'sh' && known.place === place);
    const begun = snippets[script];
    if (language === 'sh' && begun !== undefined) snippets[script] = { ...begun, code: begun.code + code };
    else snippets.push({ path, line, language, place, code });
  }
  return snippets;
}

/** Runs one snippet from the root of the repository; `ts` is compiled as strictly as our own code, and finds our packages
 *  by name as a user's program does. */
export async function runSnippet(
  snippet: Snippet,
  root: string,
  { environment = {}, folder: cwd = root, port }: Surroundings = {},
): Promise<SnippetResult> {
  const env = { ...process.env, ...environment };
  const code =
    port === undefined ? snippet.code : snippet.code.replace(PORT, (named) => String(port(Number(named))));
  if (snippet.language === 'sh') return run('bash', ['-euo', 'pipefail', '-c', code], cwd, env);
  // Inside the repository, where packages are found by name.
  mkdirSync(join(root, 'var'), { recursive: true });
  const folder = mkdtempSync(join(root, 'var/snippet-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'snippet.ts'), code);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.base.json',
        compilerOptions: { composite: false, declaration: false },
        files: ['snippet.ts'],
      }),
    );
    const compiled = await run(process.execPath, ['node_modules/.bin/tsc', '-p', folder], root, env);
    if (compiled.status !== 0) return compiled;
    return await run(process.execPath, [join(folder, 'snippet.js')], cwd, env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<SnippetResult> {
  return new Promise((resolve, reject) => {
    // A group of its own: servers that an example has started end with it.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nobody is left.
      }
    };
    const timer = setTimeout(end, RUN_MS_MAX);
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', end);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}
