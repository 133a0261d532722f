// `npm run demo`: the whole country once, and every step proven. Exits 0 only then; leaves result.json, the logs and the
// databases in var/demo.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringUp, type Country } from './country.js';
import { removeCountryFile, writeCountryFile, type CountryFile } from './country-file.js';
import { whenAskedToEnd } from './ending.js';
import { playBirth } from './life-event.js';
import { memoryMibOf } from './memory.js';
import { runToEnd, type Program } from './program.js';
import { readUnits } from './read-units.js';
import { playRefusals } from './refusals.js';

const UNITS = 14_332;
const LIFE_EVENT_EXCHANGES_MIN = 10;
const MEMBERS_MIN = 6;
const MEMORY_MIB_MAX = 1_229;

interface Step {
  readonly title: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly messages: readonly string[];
}

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const [option, given] = process.argv.slice(2);
if (option !== undefined && (option !== '--folder' || given === undefined))
  throw new TypeError('usage: demo [--folder FOLDER]   (var/demo by default; it is emptied first)');
const folder = given === undefined ? join(root, 'var', 'demo') : resolve(given);
const countryFile = join(folder, 'country.json');
const resultFile = join(folder, 'result.json');
const verifier = fileURLToPath(new URL('../verify-messages/main.js', import.meta.url));
const beganMs = Date.now();
const say = (text: string): void => {
  process.stdout.write(`${((Date.now() - beganMs) / 1000).toFixed(1).padStart(5)} s  ${text}\n`);
};

const steps: Step[] = [];

/** One step of the demo: what it throws, and what it says is not as it must be, ends it. */
async function step<T>(
  title: string,
  run: () => Promise<T>,
  judge: (result: T) => { ok: boolean; messages?: readonly string[]; why?: string },
): Promise<T> {
  const began = Date.now();
  const result = await run();
  const { ok, messages = [], why } = judge(result);
  steps.push({ title, ok, seconds: (Date.now() - began) / 1000, messages });
  say(`${ok ? 'ok  ' : 'FAIL'} ${title}${messages.length === 0 ? '' : ` (${messages.length} exchanges)`}`);
  if (!ok) throw new Error(`${title}: ${why ?? 'not as it must be'}`);
  return result;
}

async function play(country: Country): Promise<void> {
  const listenerOf = (member: string): string =>
    country.file.members.find(({ id }) => id === member)?.servers[0]?.client ?? '';
  const units = await step(
    'The Portal reads all administrative units and compares them with their source',
    () => readUnits(listenerOf('VN/GOV/PSP')),
    ({ records, differences, messages }) => ({
      ok: records === UNITS && differences.length === 0,
      messages,
      why: `${records} records; ${differences.slice(0, 3).join('; ')}`,
    }),
  );
  const birth = await step(
    'A birth goes from the hospital to identity, residence, insurance and statistics',
    () =>
      playBirth({
        desks: { health: country.desks['health'] ?? '', portal: country.desks['portal'] ?? '' },
        databases: country.databases,
        hospitalRecord: `HS-${beganMs}`,
        childName: 'Nguyễn Minh An',
        bornOn: new Date(beganMs - 86_400_000).toISOString().slice(0, 10),
        clock: Date.now,
      }),
    ({ steps: own, exchanges }) => {
      const members = new Set(
        exchanges.flatMap(({ client, service }) => [memberOf(client), memberOf(service)]),
      );
      return {
        ok:
          own.every(({ ok }) => ok) &&
          exchanges.length >= LIFE_EVENT_EXCHANGES_MIN &&
          members.size >= MEMBERS_MIN,
        messages: own.flatMap(({ messages }) => messages),
        why: `${exchanges.length} exchanges between ${members.size} members`,
      };
    },
  );
  for (const { title } of birth.steps) say(`       ${title.en} · ${title.vi}`);
  await step(
    "Each agency's own database is read: they agree",
    async () => birth.agreement,
    (findings) => ({
      ok: findings.every(({ ok }) => ok),
      why: findings.flatMap(({ ok, title }) => (ok ? [] : [title])).join('; '),
    }),
  );
  await step(
    'The examples of country.json answer as they say',
    () => Promise.all(country.file.examples.map(tried)),
    (answers) => ({
      ok: answers.every(({ ok }) => ok),
      messages: answers.flatMap(({ message }) => message ?? []),
      why: answers.flatMap(({ ok, what }) => (ok ? [] : [what])).join('; '),
    }),
  );
  const memoryMib = await step(
    'Memory of all processes under this load',
    async () => memoryMibOf(country.programs.map(({ pid }) => pid)),
    (mib) => ({ ok: mib < MEMORY_MIB_MAX, why: `${mib} MiB` }),
  );
  say(`       ${memoryMib} MiB in ${country.programs.length} processes`);
  await step(
    'Refused: a call without right, a replay, an altered body, a revoked server',
    () => playRefusals(country),
    (refusals) => ({
      ok: refusals.every(({ expected, found }) => expected === found),
      messages: refusals.flatMap(({ messages }) => messages),
      why: refusals
        .map(({ title, expected, found }) => `${title}: ${found}, expected ${expected}`)
        .join('; '),
    }),
  );
  writeResult(true, units.records, memoryMib);
  await step(
    'Every message is found in both logs and verified by a program that shares no code',
    () =>
      runToEnd({
        name: 'verify-messages',
        args: [verifier, '--country', countryFile, '--result', resultFile],
        logFile: join(folder, 'logs', 'verify-messages.log'),
      }),
    (text) => {
      writeFileSync(join(folder, 'verified.txt'), text);
      return { ok: true };
    },
  );
  say(`       ${readFileSync(join(folder, 'verified.txt'), 'utf8').trimEnd().split('\n').at(-1) ?? ''}`);
  writeResult(true, units.records, memoryMib);
}

async function tried({ method, url, headers, body, expect }: CountryFile['examples'][number]) {
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  await answer.arrayBuffer();
  return {
    ok: answer.status === expect.status,
    what: `${url} answered ${answer.status}, not ${expect.status}`,
    // Refused or answered: what was recorded can be verified.
    message: answer.headers.get('exchange-answer') === null ? undefined : answer.headers.get('exchange-id'),
  };
}

function writeResult(ok: boolean, records: number, memoryMib: number): void {
  const evidence = ['verified.txt', 'country.json', 'registry/anchor.json', 'logs', 'servers', 'agencies'];
  writeFileSync(
    resultFile,
    `${JSON.stringify(
      {
        ok,
        seconds: (Date.now() - beganMs) / 1000,
        steps,
        records,
        evidence: evidence.map((name) => relative(root, join(folder, name))),
        memoryMib,
      },
      null,
      2,
    )}\n`,
  );
}

function memberOf(id: string): string {
  return id.split('/').slice(0, 3).join('/');
}

let programs: readonly Program[] = [];
async function main(): Promise<number> {
  rmSync(folder, { recursive: true, force: true });
  const started: Program[] = [];
  programs = started;
  const country = await bringUp({
    folder,
    progress: say,
    started: (program) => {
      started.push(program);
      say(`       ${program.name} runs (pid ${program.pid})`);
    },
  });
  writeCountryFile(countryFile, country.file);
  try {
    await Promise.race([play(country), country.failed]);
    say(`All steps were proven. Evidence: ${relative(root, folder)}`);
    return 0;
  } finally {
    removeCountryFile(countryFile);
    await country.end();
  }
}

// Ctrl-C comes twice, from the terminal and from npm: the second one must not end it before its processes.
let isEnding = false;
whenAskedToEnd(() => {
  if (isEnding) return;
  isEnding = true;
  void Promise.all(programs.map((program) => program.end())).then(() => process.exit(130));
});

process.exitCode = await main().catch((error: unknown) => {
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
