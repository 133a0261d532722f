// The examples of README.md and docs/ as tests run them: each shell script in an empty folder, on ports of its own.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../src/free-port.js';
import { PORT, snippetsOf, type Snippet, type Surroundings } from '../src/snippets.js';

const root = process.cwd();
const pages = ['README.md', ...readdirSync('docs').map((file) => `docs/${file}`)].filter((path) =>
  path.endsWith('.md'),
);

export function examplesIn(place: Snippet['place']): Snippet[] {
  return pages
    .flatMap((path) => snippetsOf(path, readFileSync(path, 'utf8')))
    .filter((snippet) => snippet.place === place);
}

/** As a reader's clone in which nothing has run: inside the repository, so that packages are found. Remove it. */
export function exampleFolder(): string {
  mkdirSync(join(root, 'var'), { recursive: true });
  const folder = mkdtempSync(join(root, 'var', 'documents-'));
  symlinkSync(join(root, 'scripts'), join(folder, 'scripts'));
  return folder;
}

/** Commands by their names, and free ports in place of those that an example names. */
export async function surroundings(snippet: Snippet, folder: string): Promise<Surroundings> {
  const ports = new Map<number, number>();
  for (const [named] of snippet.code.matchAll(PORT))
    if (!ports.has(Number(named))) ports.set(Number(named), await freePort());
  return {
    folder,
    environment: { PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}` },
    port: (named) => ports.get(named) ?? named,
  };
}
