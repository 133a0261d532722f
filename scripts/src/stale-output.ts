// Removes compiled files whose source is gone: Jest would run a test that no longer is. Nothing else is touched, so that
// a country that runs from the same clone keeps its code (`npm run clean` wipes everything).
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const WORKSPACES = ['schemas', 'sdk', 'security-server', 'central-registry', 'scripts', 'test'];
const COMPILED = /(?:\.d\.ts|\.js)(?:\.map)?$/;

/** @returns what was removed, relative to the root */
export function removeStaleOutput(root: string): string[] {
  const stale = WORKSPACES.flatMap((workspace) => {
    const dist = join(root, workspace, 'dist');
    const files = existsSync(dist) ? readdirSync(dist, { recursive: true, encoding: 'utf8' }) : [];
    return files
      .filter((file) => COMPILED.test(file))
      .filter((file) => !existsSync(join(root, workspace, file.replace(COMPILED, '.ts'))))
      .map((file) => join(workspace, 'dist', file));
  });
  for (const file of stale) rmSync(join(root, file));
  return stale;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) removeStaleOutput('.');
