// docs/protocol.md shows octets of the vectors, and where the code points to it, there is such a section.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { vectorsOf } from './vectors.js';

const document = readFileSync('docs/protocol.md', 'utf8');

test('the examples of docs/protocol.md are those of the vectors', () => {
  const envelope = (description: string): { header: string; claims: string; mid: string } => {
    const found = vectorsOf<unknown, { header: object; claims: object; mid: string }>('envelopes').find(
      (vector) => vector.description === description,
    )?.result;
    if (found === undefined) throw new TypeError(`no vector ${description}`);
    return { header: JSON.stringify(found.header), claims: JSON.stringify(found.claims), mid: found.mid };
  };
  const [head] = vectorsOf<{ octets: string }, unknown>('heads');
  const { header, claims, mid } = envelope('a request, RS256');
  for (const shown of [
    header,
    claims,
    mid,
    envelope('an answer').claims,
    head?.input.octets.replaceAll('\r\n', '\n'),
    vectorsOf<unknown, string>('request-hash').at(-1)?.result,
    vectorsOf<{ digest: string }, unknown>('commitments')[1]?.input.digest,
    vectorsOf<string, unknown>('entries').find((vector) => vector.input.includes('not_sent'))?.input,
  ])
    expect(document).toContain(shown);
});

test('each section that a vector or a docstring names is there', () => {
  const sections = new Set(
    [...document.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-')),
  );
  const sources = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|json)$/.test(file))
      .map((file) => readFileSync(`${folder}/${file}`, 'utf8'));
  const named = [
    ...sources('sdk/src'),
    ...sources('schemas/src'),
    ...sources('test/conformance/vectors'),
  ].flatMap((text) => [...text.matchAll(/protocol\.md#([a-z-]+)/g)].map(([, section = '']) => section));
  expect(named.length).toBeGreaterThan(100);
  expect([...new Set(named)].filter((section) => !sections.has(section))).toEqual([]);
});
