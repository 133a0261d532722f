// Writes docs/problems.md from the table of problems. The page is where `type` of a problem leads, so each code has an
// anchor of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROBLEMS, type ProblemSpec } from '@onceway/sdk/protocol';

const PAGE = 'docs/problems.md';

const INTRODUCTION = `# Problems

Each refusal has one code. It is the \`code\` of an RFC 9457 problem (\`application/problem+json\`, \`type\` =
\`https://onceway.dev/problems#<code>\`) on every management interface and, where a client accepts nothing else, on the
client listener. Everybody else gets an X-Road fault there: status 500, type \`Server.<proxy>.<fault>\`, where the proxy is
\`ClientProxy\` if the consumer's security server refused and \`ServerProxy\` if the provider's did
([divergences.md](divergences.md#x-road)).

Decide on the code, never on the text. This page is generated from the table in
[problems.ts](../sdk/src/protocol/problems.ts) by \`node scripts/dist/src/generate-problems.js\`.
`;

function section(code: string, problem: ProblemSpec): string {
  return [
    `## ${code}`,
    `${problem.title}. Status ${problem.status}, X-Road fault \`${problem.fault}\`.`,
    `- en: ${problem.hint.en}\n- vi: ${problem.hint.vi}`,
  ].join('\n\n');
}

function problemsPage(): string {
  const sections = Object.entries(PROBLEMS).map(([code, problem]) => section(code, problem));
  return `${[INTRODUCTION.trimEnd(), ...sections].join('\n\n')}\n`;
}

/** What is wrong with the page at `root`: nothing, or that it must be written again. */
export function checkProblemsPage(root: string): string[] {
  const page = join(root, PAGE);
  return existsSync(page) && readFileSync(page, 'utf8') === problemsPage()
    ? []
    : [`${PAGE} is not what the table says: run node scripts/dist/src/generate-problems.js`];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(PAGE, problemsPage());
