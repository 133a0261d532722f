// The example of a docstring and the program that the compiler sees: two texts that must be one.
import { readFileSync } from 'node:fs';

const workspace = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, workspace), 'utf8');
const trim = (text: string): string =>
  text
    .replace(/^[ *]+/gm, '')
    .replace(/\s+/g, ' ')
    .trim();

/** Both without what only lays them out; undefined where one of them is not there.
 *  @param source whose first `@example` it is; @param example a program with it between `// begin` and `// end` */
export function exampleOf(
  source: string,
  example: string,
): { readonly documented: string | undefined; readonly compiled: string | undefined } {
  const documented = /@example\n \* {2}```ts\n([\s\S]*?)```/.exec(read(source))?.[1];
  const compiled = /\/\/ begin\n([\s\S]*?)\/\/ end/.exec(read(example))?.[1];
  return { documented: documented && trim(documented), compiled: compiled && trim(compiled) };
}
