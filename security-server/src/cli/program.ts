// The program's frame: options that every command has, and how results are printed.
import { readFileSync } from 'node:fs';
import { OncewayError } from '@onceway/sdk/protocol';
import { Command } from 'commander';

export function createProgram(): Command {
  return new Command('onceway-server')
    .description('Runs and administers a security server of an Onceway instance.')
    .option('--json', 'print JSON, one value')
    .showHelpAfterError('(--help shows examples)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples, in the order of a new server:
  $ onceway-server init --folder ss1 --id VN/GOV/MOH/ss1 --anchor anchor.json --pin-file pin.txt
  $ onceway-server enrol --folder ss1 --address https://ss1.example:5500 --token-file token.txt --pin-file pin.txt
  $ onceway-server run --folder ss1 --pin-file pin.txt
  $ onceway-server client add VN/GOV/MOH/birth --folder ss1
  $ onceway-server service add VN/GOV/MOH/birth/notifications --base-url http://127.0.0.1:8080 --folder ss1
  $ onceway-server right grant VN/GOV/MOH/birth/notifications --client VN/GOV/MOJ/civil-status \\
      --reason "Decree 87/2020" --folder ss1`,
    );
}

/** The option that says where the PIN is; it is never an argument, where every user of the machine could read it. */
export function withPin(command: Command): Command {
  return command.option('--pin-file <file>', 'file that holds the PIN; else the environment, ONCEWAY_PIN');
}

/** @throws {OncewayError} `pin_incorrect` when there is none, `not_found` without the file */
export function readPin(pinFile: string | undefined, environment: NodeJS.ProcessEnv): string {
  const pin = pinFile === undefined ? environment['ONCEWAY_PIN'] : readText(pinFile).replace(/\r?\n$/, '');
  if (pin === undefined || pin === '')
    throw new OncewayError(
      'pin_incorrect',
      'there is no PIN: name its file with --pin-file, or set ONCEWAY_PIN',
    );
  return pin;
}

/** @throws {OncewayError} `not_found` */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OncewayError('not_found', `${file} can not be read`, { cause });
  }
}

/** Prints a result: as JSON where that was asked for, else as lines of `name  value`.
 *  @param shorten what of it people are shown, where that is not all */
export function print(
  command: Command,
  value: unknown,
  shorten: (value: unknown) => unknown = (all) => all,
): void {
  const isJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
  const result = isJson ? value : shorten(value);
  if (isJson) console.log(JSON.stringify(result ?? null));
  else if (Array.isArray(result)) console.log(result.length === 0 ? 'none' : result.map(lineOf).join('\n'));
  else if (result !== undefined) console.log(blockOf(result));
}

const TIME = /^(?:at|from|until|issued|expires)S?$|At$|^not(?:Before|After)Ms$/;
const MS_FROM = 1e11;

/** For people: a time (seconds or milliseconds since 1970, by its name) as they write one. `--json` keeps numbers. */
function timeOf(name: string, value: unknown): string | undefined {
  if (typeof value !== 'number' || value < 1e9 || !TIME.test(name)) return undefined;
  return new Date(value < MS_FROM ? value * 1000 : value).toISOString().replace(/\.\d+Z$/, 'Z');
}

const short = ([name, value]: readonly [string, unknown]): string =>
  timeOf(name, value) ??
  (value === null || typeof value !== 'object' ? String(value) : JSON.stringify(value));

/** One item of a list: what is long is left out, `--json` has it. */
function lineOf(item: unknown): string {
  if (item === null || typeof item !== 'object') return String(item);
  const texts = Object.entries(item).map(short);
  return texts.filter((text) => text.length <= 120).join('  ');
}

export function blockOf(result: unknown): string {
  if (result === null || typeof result !== 'object') return String(result).trimEnd();
  const width = Math.max(...Object.keys(result).map((name) => name.length));
  return Object.entries(result)
    .map((member) => `${member[0].padEnd(width)}  ${short(member)}`)
    .join('\n');
}
