// The program's frame: options that every command has, and how results are printed.
import { Command } from 'commander';

export interface CommonOptions {
  readonly json?: boolean;
}

export function createProgram(): Command {
  return new Command('onceway-registry')
    .description('Runs and administers the central registry of an Onceway instance.')
    .option('--json', 'print JSON, one value')
    .showHelpAfterError('(--help shows examples)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  $ onceway-registry init --folder registry --instance VN --domain onceway.example --own-witness
  $ onceway-registry run --folder registry --trust-services
  $ onceway-registry member add GOV MOH --name-en "Ministry of Health" --name-vi "Bộ Y tế" \\
      --url http://127.0.0.1:4100 --api-key-file registry/keys/api-key-registration-officer.txt
  $ onceway-registry request list --state waiting`,
    );
}

/** Prints a result: as JSON where that was asked for, else as lines of `name  value`. */
export function print(command: Command, result: unknown): void {
  if (command.optsWithGlobals<CommonOptions>().json === true) console.log(JSON.stringify(result ?? null));
  else if (Array.isArray(result)) {
    for (const item of result) console.log(lineOf(item));
    if (result.length === 0) console.log('none');
  } else if (result !== undefined) console.log(blockOf(result));
}

const TIME = /^(?:at|from|until|issued|expires)S?$|At$|^not(?:Before|After)Ms$/;
const MS_FROM = 1e11;

/** For people: a time (seconds or milliseconds since 1970, by its name) as they write one. `--json` keeps numbers. */
function timeOf(name: string, value: unknown): string | undefined {
  if (typeof value !== 'number' || value < 1e9 || !TIME.test(name)) return undefined;
  return new Date(value < MS_FROM ? value * 1000 : value).toISOString().replace(/\.\d+Z$/, 'Z');
}

const short = ([member, value]: readonly [string, unknown]): string => {
  const time = timeOf(member, value);
  if (time !== undefined) return time;
  if (value === null || typeof value !== 'object') return String(value);
  const { en, vi } = value as { en?: unknown; vi?: unknown };
  return typeof en === 'string' ? `${en} / ${String(vi)}` : JSON.stringify(value);
};

/** One item of a list: its plain values, what is long left out. */
function lineOf(item: unknown): string {
  if (item === null || typeof item !== 'object') return String(item);
  return Object.entries(item)
    .map(short)
    .filter((text) => text.length <= 200)
    .join('  ');
}

function blockOf(result: unknown): string {
  if (result === null || typeof result !== 'object') return String(result);
  const width = Math.max(...Object.keys(result).map((name) => name.length));
  return Object.entries(result)
    .map((member) => `${member[0].padEnd(width)}  ${short(member)}`)
    .join('\n');
}
