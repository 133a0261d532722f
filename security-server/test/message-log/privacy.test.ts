import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createMessageLog, openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { answer, content, optionsOf, request, temporaryFolder } from './fixture.js';

test('none of 1,000 personal identifiers in heads and bodies is in any file of the log', async () => {
  const place = temporaryFolder();
  await createMessageLog(place.log, optionsOf());
  const log = await openMessageLog(place.log, optionsOf());
  const identifiers = Array.from({ length: 1000 }, (_, n) => `0790${String(n * 7919).padStart(8, '0')}`);
  await Promise.all(
    identifiers.map(async (identifier, n) => {
      const asked = request(String(n));
      const answered = answer(asked.mid, String(n));
      const padding = ' '.repeat(n % 50 === 0 ? 80_000 : 0);
      await log.appendRequest(asked.entry, asked.mid, {
        content: content(`GET\r\n/r1/?id=${identifier}\r\nData-Subject:person:${identifier}\r\n`, null),
        materials: [],
      });
      await log.appendAnswer(answered.entry, answered.mid, asked.mid, {
        content: content(`200\r\n`, `{"id":"${identifier}"}${padding}`),
        materials: [],
      });
    }),
  );
  await log.sealCheckpoint();
  const kept = await log.content(request('999').mid, 'in');
  expect(kept?.head.toString()).toContain(identifiers[999]);
  const scan = (): { files: number; found: string[] } => {
    const files = readdirSync(place.folder, { recursive: true, withFileTypes: true }).filter((name) =>
      name.isFile(),
    );
    const text = Buffer.concat(
      files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))),
    ).toString('latin1');
    const forms = (identifier: string): string[] => [
      identifier,
      Buffer.from(identifier).toString('base64url'),
    ];
    return {
      files: files.length,
      found: identifiers.filter((each) => forms(each).some((form) => text.includes(form))),
    };
  };
  // While it runs, WALs among the files, and after it is closed.
  expect(scan().found).toEqual([]);
  await log.close();
  const { files, found } = scan();
  expect(found).toEqual([]);
  expect(files).toBeGreaterThan(20);
  place.remove();
});
