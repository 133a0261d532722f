// `npm start`: a whole country on this machine, from nothing, until Ctrl-C. Plays one birth, says in plain words what
// happened and where to look, and stays up.
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringUp, type Country } from './country.js';
import { removeCountryFile, writeCountryFile, type CountryFile } from './country-file.js';
import { curlOf } from './examples.js';
import { whenAskedToEnd } from './ending.js';
import { playBirth, type LifeEvent } from './life-event.js';
import type { Program } from './program.js';

/** A country is found at the same addresses every time: the witness comes first, and the registry's management gets the
 *  port at which its commands look. */
const PORT_BASE = 4099;

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = join(root, 'var', 'country');
const countryFile = join(folder, 'country.json');
const here = (path: string): string => relative(root, path);
const say = (text = ''): void => void process.stdout.write(`${text}\n`);

function tell(country: Country, birth: LifeEvent): void {
  const { file } = country;
  const servers = new Map(
    file.members.flatMap(({ servers: own }) => own).map((server) => [server.id, server]),
  );
  say();
  say('What happened');
  say(
    `  A child was born, and its parent answered six questions once. ${birth.exchanges.length} signed exchanges did the rest:`,
  );
  for (const { title, messages } of birth.steps) say(`  - ${title.en} (${messages.length})`);
  say(`  The child's number is ${birth.personalNumber}; case ${birth.caseId}. Persons are fictitious.`);
  for (const { title, ok } of birth.agreement) say(`  - ${ok ? 'yes' : 'NO'}: ${title}`);
  say();
  say('Where everything is');
  say(`  registry       management ${file.registry.management}   distribution ${file.registry.distribution}`);
  for (const { id, client, management } of servers.values())
    say(`  ${id.padEnd(22)} for systems ${client}   management ${management}`);
  for (const { name, address } of file.witnesses) say(`  witness ${name} ${address}`);
  for (const [name, desk] of Object.entries(country.desks)) say(`  desk of ${name.padEnd(16)} ${desk}`);
  say(`  API keys       ${here(file.registry.keys)}/, ${here(join(folder, 'servers'))}/*/keys/`);
  say(`  everything     ${here(countryFile)}; logs of the processes in ${here(join(folder, 'logs'))}/`);
  say();
  say('Try next');
  for (const example of file.examples) {
    say(`  # ${example.title} (${example.expect.status})`);
    say(`  ${curlOf(example)}`);
  }
  const [health] = servers.values();
  const message = birth.steps.flatMap(({ messages }) => messages)[0] ?? '';
  if (health !== undefined) {
    say('  # The proof of the first exchange, from the log of its server');
    say(
      `  npx onceway-server message show ${message} --folder ${here(join(folder, 'servers', health.id.slice(health.id.lastIndexOf('/') + 1)))} --json`,
    );
  }
  say('  # What the registry did, and who asked for it');
  say(
    `  npx onceway-registry audit --url ${file.registry.management} --api-key-file ${here(file.registry.keys)}/api-key-auditor.txt`,
  );
  say();
  say('The country stays up. Ctrl-C ends it.');
}

/** One that runs here must not lose its files. */
async function isUpAlready(): Promise<boolean> {
  try {
    const { registry } = JSON.parse(readFileSync(countryFile, 'utf8')) as CountryFile;
    await fetch(`${registry.management}/health`);
    return true;
  } catch {
    return false;
  }
}

async function main(started: Program[], asked: Promise<void>): Promise<number> {
  if (await isUpAlready()) throw new Error(`a country is up already, see ${here(countryFile)}: end it first`);
  rmSync(folder, { recursive: true, force: true });
  say('A country comes up: a registry, two witnesses, four security servers, six agencies.');
  const country = await bringUp({
    folder,
    portBase: PORT_BASE,
    progress: (step) => say(`  ${step} …`),
    started: (program) => started.push(program),
  });
  try {
    const birth = await Promise.race([
      playBirth({
        desks: { health: country.desks['health'] ?? '', portal: country.desks['portal'] ?? '' },
        databases: country.databases,
        hospitalRecord: `HS-${Date.now()}`,
        childName: 'Nguyễn Minh An',
        bornOn: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10),
        clock: Date.now,
      }),
      country.failed,
    ]);
    writeCountryFile(countryFile, country.file);
    tell(country, birth);
    await Promise.race([asked, country.failed]);
    return 0;
  } finally {
    removeCountryFile(countryFile);
    await country.end();
  }
}

const started: Program[] = [];
let isUp = true;
const asked = new Promise<void>((resolve) => {
  whenAskedToEnd(() => {
    resolve();
    // Asked while it was still coming up, or once more: at once.
    if (!isUp) return;
    isUp = false;
    void Promise.all(started.map((program) => program.end()));
  });
});

process.exitCode = await main(started, asked).catch((error: unknown) => {
  if (!isUp) return 0;
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
