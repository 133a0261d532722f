// What the product is measured against really carries a body there and back; and a chain that is stopped is gone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type CertificateFiles, makeCertificates } from '../../src/bench/certificates.js';
import { BODIES, type Chain } from '../../src/bench/chain.js';
import { startExchangeChain } from '../../src/bench/exchange-chain.js';
import { startNginxBackend, startNginxChain } from '../../src/bench/nginx.js';
import { hasCommand, startNode } from '../../src/bench/process.js';
import { startUnsignedChain } from '../../src/bench/unsigned-chain.js';

let folder: string;
let files: CertificateFiles;
const stops: (() => Promise<void>)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onceway-bench-'));
  files = makeCertificates(folder);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function expectCarries(chain: Chain): Promise<void> {
  stops.unshift(chain.stop);
  for (const [name, bytes] of Object.entries(BODIES)) {
    const answer = await fetch(`${chain.url}/${name}`, {
      method: 'POST',
      body: 'x'.repeat(bytes),
      headers: { ...chain.headers, 'content-type': 'application/octet-stream' },
    });
    expect(answer.status).toBe(200);
    expect((await answer.arrayBuffer()).byteLength).toBe(bytes);
  }
  await chain.stop();
  await expect(fetch(`${chain.url}/1k`, { method: 'POST', body: 'x' })).rejects.toThrow('fetch failed');
}

test('the unsigned chain carries bodies of both sizes', async () => {
  const backend = await startNode(new URL('../../src/bench/node-backend.js', import.meta.url), {});
  stops.push(backend.stop);
  await expectCarries(await startUnsignedChain(`http://127.0.0.1:${backend.port}`, files));
});

test('the product carries bodies of both sizes, signed and logged', async () => {
  const backend = await startNode(new URL('../../src/bench/node-backend.js', import.meta.url), {});
  stops.push(backend.stop);
  await expectCarries(await startExchangeChain(`http://127.0.0.1:${backend.port}`, folder));
}, 60_000);

// Without nginx the bench itself says so and exits 2.
(hasCommand('nginx') ? test : test.skip)('the nginx chain carries bodies of both sizes', async () => {
  const backend = await startNginxBackend(folder);
  stops.push(backend.stop);
  await expectCarries(await startNginxChain(backend.url, files, folder));
});
