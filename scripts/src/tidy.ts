// House rules that no linter knows: sizes, names, first lines, reasons for exceptions, links that lead somewhere.
// Rules about the code itself are in eslint.config.js, about imports in .dependency-cruiser.cjs.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, normalize, sep } from 'node:path';

const SOURCE_LINES_MAX = 350;

/** Files that may be longer, because they are one table. */
const TABLES = new Set(['sdk/src/protocol/problems.ts']);

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'var', 'coverage', '.git', 'generated']);

/** A folder is a concept of the field; these say nothing about what is inside. */
const NAMELESS_FOLDERS = /^(utils?|helpers?|commons?|shared|managers?|misc|impl|adapters?|ports|domain)$/;

const SOURCE_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/;
/** These two files hold what the rules look for. */
const OWN = /^scripts\/(src|test)\/tidy(\.test)?\.ts$/;

const UNFINISHED = /\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\): \S)/;
const MACHINE_PATH = /(?:^|[\s'"`(=:[])\/(?:home|root|Users|work|mnt|tmp)\/[\w.$-]/;
const REGISTRY_ADDRESS = /"resolved": "https?:/;
const FOCUSED = /\b(?:test|it|describe)\.only\b|\bf(?:it|describe)\(/;
const SKIPPED = /\b(?:test|it|describe)\.(?:skip|todo|failing)\(|\bx(?:it|test|describe)\(/;
const SUPPRESSED =
  /eslint-disable(?!.* -- \S)|@ts-ignore|@ts-nocheck|prettier-ignore(?!.* -- \S)|istanbul ignore/;

type Finding = (line: string, before: string) => string | undefined;

const LINE_RULES: readonly Finding[] = [
  (line) =>
    UNFINISHED.test(line) ? 'names unfinished work without an issue: write it as NAME(#12): text' : undefined,
  (line) => (MACHINE_PATH.test(line) ? 'holds a path of one machine' : undefined),
];

const CODE_RULES: readonly Finding[] = [
  (line) => (SUPPRESSED.test(line) ? 'suppresses a check without saying why (" -- reason")' : undefined),
];

const TEST_RULES: readonly Finding[] = [
  (line) => (FOCUSED.test(line) ? 'runs one test and hides the others' : undefined),
  (line, before) =>
    SKIPPED.test(line) && !/\/\/ \S/.test(line) && !/\/\/ \S/.test(before)
      ? 'skips a test without a comment that says why'
      : undefined,
];

/** What is wrong with one file, one text a finding. `path` is relative to the root, with `/`. */
export function faultsOf(path: string, text: string): string[] {
  const faults: string[] = [];
  const lines = text.split('\n');
  const isCode = /\.(ts|js|cjs|mjs)$/.test(path);
  const isSource = /^[^/]+\/src\/.*\.ts$/.test(path);
  const rules = [
    ...(/\.(ts|js|cjs|mjs|md|json|yaml)$|^\.ci\//.test(path) ? LINE_RULES : []),
    ...(isCode ? CODE_RULES : []),
    ...(path.endsWith('.test.ts') ? TEST_RULES : []),
  ];
  lines.forEach((line, index) => {
    if (OWN.test(path)) return;
    for (const rule of rules) {
      const fault = rule(line, lines[index - 1] ?? '');
      if (fault !== undefined) faults.push(`${path}:${index + 1}: ${fault}`);
    }
  });
  for (const folder of path.split('/').slice(0, -1))
    if (NAMELESS_FOLDERS.test(folder)) faults.push(`${path}: the folder "${folder}" names no concept`);
  if (isSource && lines.length - 1 > SOURCE_LINES_MAX && !TABLES.has(path))
    faults.push(
      `${path}: ${lines.length - 1} lines, at most ${SOURCE_LINES_MAX}: it holds more than one concept`,
    );
  if (isSource && !/^(\/\/ |\/\*\* |#!)/.test(text))
    faults.push(`${path}:1: the first line does not say what the file is and is not`);
  if (path.endsWith('.ts') && !SOURCE_NAME.test(basename(path)))
    faults.push(`${path}: file names are kebab-case`);
  if (path === 'package-lock.json' && REGISTRY_ADDRESS.test(text))
    faults.push(`${path}: names a registry; .npmrc has omit-lockfile-registry-resolved for that`);
  return faults;
}

/** The fragment a heading gets on a code forge: lower case, blanks to hyphens, punctuation gone. */
export function anchorOf(heading: string): string {
  return heading
    .replace(/[`*]/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

/** Links of a Markdown file that lead nowhere in the tree. `read` gives a file's text, or undefined if there is none
 *  (an empty text for a folder). */
export function brokenLinks(
  path: string,
  text: string,
  read: (path: string) => string | undefined,
): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const faults: string[] = [];
  for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/.test(target)) continue;
    const [file = '', fragment] = target.split('#');
    const found =
      file === ''
        ? path
        : normalize(join(dirname(path), file))
            .split(sep)
            .join('/');
    const page = found === path ? text : read(found);
    if (page === undefined) faults.push(`${path}: ${target} leads nowhere`);
    else if (fragment !== undefined && found.endsWith('.md') && !anchorsOf(page).has(fragment))
      faults.push(`${path}: ${target} has no such heading`);
  }
  return faults;
}

function anchorsOf(page: string): Set<string> {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
  const named = [...page.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return new Set([...headings, ...named]);
}

/** Everything untidy in the tree at `root`. */
export function tidy(root: string): string[] {
  const read = (path: string): string | undefined => {
    const file = join(root, path);
    if (!existsSync(file)) return undefined;
    return statSync(file).isDirectory() ? '' : readFileSync(file, 'utf8');
  };
  const faults: string[] = [];
  const walk = (folder: string): void => {
    for (const item of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? item.name : `${folder}/${item.name}`;
      if (item.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(item.name)) walk(path);
      } else if (item.isFile()) {
        const text = readFileSync(join(root, path), 'utf8');
        faults.push(...faultsOf(path, text));
        if (path.endsWith('.md')) faults.push(...brokenLinks(path, text, read));
      }
    }
  };
  walk('');
  return faults;
}
