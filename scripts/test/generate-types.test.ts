// The generated schemas and types are what schemas/json says.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { checkGeneratedTypes } from '../src/generate-types.js';

test('what is committed is what the generator writes', async () => {
  expect(await checkGeneratedTypes('.')).toEqual([]);
});

test('a schema that was changed alone is found', async () => {
  const root = mkdtempSync(join(tmpdir(), 'onceway-'));
  try {
    for (const path of ['schemas/json', 'schemas/src/generated', '.prettierrc.json'])
      cpSync(path, join(root, path), { recursive: true });
    expect(await checkGeneratedTypes(root)).toEqual([]);
    const schema = join(root, 'schemas/json/exchange-body.schema.json');
    writeFileSync(schema, readFileSync(schema, 'utf8').replaceAll('"digest"', '"hash"'));
    expect(await checkGeneratedTypes(root)).toHaveLength(2);
    rmSync(join(root, 'schemas/src/generated'), { recursive: true });
    expect(await checkGeneratedTypes(root)).toHaveLength(2);
  } finally {
    rmSync(root, { recursive: true });
  }
});
