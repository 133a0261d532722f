import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

test('who verifies Merkle proofs only does not load the certificate library', () => {
  const verify = join(import.meta.dirname, '../../src/verify/index.js');
  // pkijs leaves an object under the process id in the global scope as soon as it is loaded.
  const script = `const { EMPTY_ROOT, timeStampRequest } = await import(${JSON.stringify(verify)});
    const loaded = () => globalThis[process.pid]?.pkijs !== undefined;
    const before = loaded();
    await timeStampRequest(EMPTY_ROOT, EMPTY_ROOT);
    console.log(JSON.stringify([before, loaded()]));`;
  const shown = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(JSON.parse(shown)).toEqual([false, true]);
});
