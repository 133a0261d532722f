// The examples of docs/ that need a country, against a real one: what a reader types there works.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bringUp, type Country } from '../../src/country/country.js';
import { writeCountryFile } from '../../src/country/country-file.js';
import { runSnippet } from '../../src/snippets.js';
import { exampleFolder, examplesIn, surroundings } from '../examples.js';

const root = process.cwd();
const COUNTRY_MS_MAX = 120_000;
const EXAMPLE_MS_MAX = 100_000;

describe('documents, in a country', () => {
  let country: Country | undefined;
  const folder = exampleFolder();

  beforeAll(async () => {
    const home = join(folder, 'var', 'country');
    mkdirSync(home, { recursive: true });
    country = await bringUp({ folder: home, progress: () => undefined });
    country.failed.catch(() => undefined);
    writeCountryFile(join(home, 'country.json'), country.file);
  }, COUNTRY_MS_MAX);

  afterAll(async () => {
    await country?.end();
    rmSync(folder, { recursive: true, force: true });
  }, COUNTRY_MS_MAX);

  test.each(examplesIn('country').map((snippet) => [`${snippet.path}:${snippet.line}`, snippet] as const))(
    'example at %s runs',
    async (_place, snippet) => {
      const { status, output } = await runSnippet(snippet, root, await surroundings(snippet, folder));
      expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' });
    },
    EXAMPLE_MS_MAX,
  );
});
