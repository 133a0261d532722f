// Writes schemas/src/generated from schemas/json: the schemas as data (for Ajv), and TypeScript types with branded
// identifiers. Both are committed; `npm run check` fails where they differ from what this would write.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import * as prettier from 'prettier';
import ts from 'typescript';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Schema = Record<string, Json>;

const SOURCES = 'schemas/json';
const TARGET = 'schemas/src/generated';
const SUFFIX = '.schema.json';

function readSchemas(root: string): Map<string, Schema> {
  const names = readdirSync(join(root, SOURCES)).filter((file) => file.endsWith(SUFFIX));
  return new Map(
    names
      .sort()
      .map((file) => [file, JSON.parse(readFileSync(join(root, SOURCES, file), 'utf8')) as Schema] as const),
  );
}

/** Rebuilds a JSON value; `change` may replace an object once its members are done. */
function rebuild(value: Json, change: (object: Schema) => Json): Json {
  if (Array.isArray(value)) return value.map((item) => rebuild(item, change));
  if (value === null || typeof value !== 'object') return value;
  return change(
    Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rebuild(item, change)])),
  );
}

/** What a validator needs: no texts, no hints for the types. A property may itself be called `description`. */
function withoutNotes(schema: Schema): Json {
  return rebuild(schema, (object) => {
    if (typeof object['tsType'] === 'string') delete object['tsType'];
    if (typeof object['description'] === 'string') delete object['description'];
    return object;
  });
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw new TypeError('a schema lacks a title, or refers to nothing');
  return value;
}

/** One schema that holds all, so that each type is written once. A reference becomes the name of its type: a brand
 *  where the definition has one, else what is generated here. */
function bundle(schemas: Map<string, Schema>): { bundled: Schema; brands: string[] } {
  const definitions: Record<string, Schema> = {};
  for (const { $defs, $id: _id, $schema: _schema, ...rest } of schemas.values()) {
    if (rest['title'] !== 'Common') definitions[textOf(rest['title'])] = rest;
    Object.assign(definitions, $defs);
  }
  const brands = new Set<string>();
  const named = rebuild(definitions, (object) => {
    if (typeof object['$ref'] !== 'string') return object;
    const [file = '', pointer = ''] = object['$ref'].split('#');
    const name = pointer === '' ? textOf(schemas.get(file)?.['title']) : pointer.slice('/$defs/'.length);
    const tsType = textOf(definitions[name]?.['tsType'] ?? name);
    if (/^[A-Z]\w+$/.test(tsType) && tsType !== name) brands.add(tsType);
    // A brand explains itself; a plain number or text needs its unit or form said again.
    const inherited = /^[A-Z]/.test(tsType) ? undefined : definitions[name]?.['description'];
    const description = object['description'] ?? inherited;
    return typeof description === 'string' ? { tsType, description } : { tsType };
  }) as Schema;
  const types = Object.entries(named).filter(([name]) => /^[A-Z]/.test(name));
  return { bundled: { $defs: Object.fromEntries(types) }, brands: [...brands].sort() };
}

/** Makes every property and array readonly: a parsed object is never changed. */
function readonly(code: string): string {
  const source = ts.createSourceFile('types.ts', code, ts.ScriptTarget.Latest, true);
  const places: number[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node) || ts.isIndexSignatureDeclaration(node) || ts.isArrayTypeNode(node))
      places.push(node.getStart());
    ts.forEachChild(node, visit);
  };
  visit(source);
  return places
    .sort((a, b) => b - a)
    .reduce((text, place) => `${text.slice(0, place)}readonly ${text.slice(place)}`, code);
}

async function generate(root: string): Promise<Map<string, string>> {
  const schemas = readSchemas(root);
  const options = { ...(await prettier.resolveConfig(join(root, 'package.json'))), parser: 'typescript' };
  const { bundled, brands } = bundle(schemas);
  const types = await compile(bundled, 'Bundle', {
    additionalProperties: false,
    bannerComment: '',
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
  });
  const notice = '// Written by scripts/src/generate-types.ts from schemas/json: change those.';
  const data = Object.fromEntries(
    [...schemas].map(([file, schema]) => [file.slice(0, -SUFFIX.length), withoutNotes(schema)]),
  );
  const files = new Map([
    ['types.ts', `${notice}\nimport type { ${brands.join(', ')} } from '../brands.js';\n\n${tidy(types)}`],
    [
      'schemas.ts',
      `${notice}\nexport type SchemaName = ${Object.keys(data)
        .map((name) => `'${name}'`)
        .join(' | ')};\n
       /** All schemas by the name of their file, without texts. */
       export const SCHEMAS: Readonly<Record<SchemaName, object>> = ${JSON.stringify(data)};`,
    ],
  ]);
  for (const [file, text] of files) files.set(file, await prettier.format(text, options));
  return files;
}

/** Readonly, and with comments that say only what the schemas say. */
function tidy(types: string): string {
  return readonly(types)
    .replace(/export interface Bundle \{[^}]*\}/, '')
    .replace(/^ *\* (?:@m\w+Items \d+|This interface was referenced by .*|via the `definition` .*)\n/gm, '')
    .replace(/\/\*\*\n(?: *\*\n)*((?: *\* .*\n)*)(?: *\*\n)* *\*\//g, (_, lines: string) => {
      const text = lines.replace(/^ *\* /gm, '').trim();
      return text === '' ? '' : `/** ${text.replace(/\n/g, '\n * ')} */`;
    });
}

/** What is wrong with the committed files at `root`: nothing, or that they must be written again. */
export async function checkGeneratedTypes(root: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [file, text] of await generate(root)) {
    const path = join(root, TARGET, file);
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text)
      stale.push(
        `${TARGET}/${file} is not what schemas/json says: run node scripts/dist/src/generate-types.js`,
      );
  }
  return stale;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--check')) {
    const stale = await checkGeneratedTypes('.');
    for (const line of stale) console.error(line);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else for (const [file, text] of await generate('.')) writeFileSync(join(TARGET, file), text);
}
