// How results are printed: JSON for programs, tables and lines for people.
import type { Command } from 'commander';

/** Prints a result: with `--json` as it came, else a table for a list and lines of `name  value` for one thing.
 *  @param shorten what of it people are shown, where that is not all */
export function print(
  command: Command,
  value: unknown,
  shorten: (value: unknown) => unknown = (all) => all,
): void {
  const isJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
  const result = isJson ? value : shorten(value);
  if (isJson) console.log(JSON.stringify(result ?? null));
  else if (Array.isArray(result)) console.log(result.length === 0 ? emptyOf(command) : tableOf(result));
  else if (result !== undefined) console.log(blockOf(result));
}

const MAKERS = ['add', 'create', 'generate', 'grant', 'put'];

/** An empty list in words, with the command beside it that makes a first one. */
function emptyOf(command: Command): string {
  const group = command.parent;
  if (group === null || command.name() !== 'list') return 'nothing yet';
  const maker = group.commands.find((each) => MAKERS.includes(each.name()));
  const hint = maker === undefined ? '' : `; \`onceway-server ${group.name()} ${maker.name()} …\` makes one`;
  return `no ${group.name()}s${hint}`;
}

const TIME = /^(?:at|from|until|issued|expires)S?$|At$|^not(?:Before|After)Ms$/;
const MS_FROM = 1e11;
const PEM = /^-----BEGIN /;

type Members = readonly (readonly [name: string, value: unknown])[];

const isObject = (value: unknown): value is object => value !== null && typeof value === 'object';
const isNames = (value: object): value is { en: string; vi: string } => 'en' in value && 'vi' in value;

/** Named as in the JSON, `a.b` for what lies in an object. PEM is left to `--json`. */
function membersOf(value: object, prefix = ''): Members {
  return Object.entries(value as Record<string, unknown>).flatMap(([name, member]): Members => {
    if (member === undefined || (typeof member === 'string' && PEM.test(member))) return [];
    if (isObject(member) && !Array.isArray(member) && !isNames(member))
      return membersOf(member, `${prefix}${name}.`);
    return [[prefix + name, member]];
  });
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'number' && value >= 1e9 && TIME.test(name.slice(name.lastIndexOf('.') + 1)))
    return new Date(value < MS_FROM ? value * 1000 : value).toISOString().replace(/\.\d+Z$/, 'Z');
  if (Array.isArray(value)) return listOf(value);
  if (isObject(value) && isNames(value)) return `${value.en} / ${value.vi}`;
  if (value === null) return '-';
  // Others wrote some of it: a control character could move the cursor and show what is not there.
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\p{Cc}+/gu, ' ');
}

/** Things by their id, where they have none, only how many. */
function listOf(items: readonly unknown[]): string {
  if (items.length === 0) return 'none';
  const texts = items.map((item) =>
    textOf('', isObject(item) ? ((item as { id?: string }).id ?? null) : item),
  );
  return texts.includes('-') ? String(items.length) : texts.join(', ');
}

function tableOf(items: readonly unknown[]): string {
  const rows = items.map(
    (item) =>
      new Map(
        membersOf(isObject(item) ? item : { value: item }).map(([name, value]) => [
          name,
          textOf(name, value),
        ]),
      ),
  );
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const columns = names.map((name) => [name, ...rows.map((row) => row.get(name) ?? '-')]);
  const widths = columns.map((column) => Math.max(...column.map((text) => text.length)));
  return [names, ...rows]
    .map((_, line) =>
      columns
        .map((column, at) => (column[line] ?? '').padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function blockOf(result: unknown): string {
  if (!isObject(result)) return String(result).trimEnd();
  const members = membersOf(result);
  const isTable = (value: unknown): value is unknown[] => Array.isArray(value) && value.some(isObject);
  const lines = members.filter(([, value]) => !isTable(value));
  const width = Math.max(...lines.map(([name]) => name.length));
  const tables = members.flatMap(([name, value]) =>
    isTable(value) ? [`\n${name}\n${tableOf(value).replaceAll(/^/gm, '  ')}`] : [],
  );
  return [...lines.map(([name, value]) => `${name.padEnd(width)}  ${textOf(name, value)}`), ...tables].join(
    '\n',
  );
}
