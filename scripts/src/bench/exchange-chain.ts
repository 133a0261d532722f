// The product's chain with everything switched on: signatures, both logs durable, rights, certificate status,
// checkpoints witnessed and time-stamped. Two security servers, each a process of its own.
import { join } from 'node:path';
import { parseServiceId, parseSubsystemId } from '@onceway/sdk/protocol';
import { type Chain, stopAll } from './chain.js';
import type { ExchangeServerSettings } from './exchange-server.js';
import { enrol, PIN, startRegistry, withClient } from './instance.js';
import { startNode } from './process.js';

const PROGRAM = new URL('exchange-server.js', import.meta.url);
const CLIENT = 'BENCH/GOV/CONSUMER/ASKING';
const SERVICE = 'BENCH/GOV/PROVIDER/OFFERING/echo';

export async function startExchangeChain(backend: string, folder: string): Promise<Chain> {
  const [registryFolder, consumerFolder, providerFolder] = [
    'registry',
    'consumer-server',
    'provider-server',
  ].map((name) => join(folder, name)) as [string, string, string];
  const registry = await startRegistry(registryFolder);
  const anchor = join(registryFolder, 'anchor.json');
  await enrol(registry, 'CONSUMER', consumerFolder, anchor);
  await enrol(registry, 'PROVIDER', providerFolder, anchor);
  await withClient(registry, consumerFolder, CLIENT);
  await withClient(registry, providerFolder, 'BENCH/GOV/PROVIDER/OFFERING', async ({ services }) => {
    const service = parseServiceId(SERVICE);
    await services.putService(service, { baseUrl: backend, timeoutMs: 30_000 });
    const client = parseSubsystemId(CLIENT);
    await services.grant({ service, subject: { client }, reason: 'bench' }, 'bench');
  });
  const startedMs = performance.now();
  const provider = await startNode(PROGRAM, {
    folder: providerFolder,
    pin: PIN,
  } satisfies ExchangeServerSettings);
  const startMs = Math.round(performance.now() - startedMs);
  const consumer = await startNode(PROGRAM, {
    folder: consumerFolder,
    pin: PIN,
  } satisfies ExchangeServerSettings);
  return {
    name: 'exchange',
    url: `http://127.0.0.1:${consumer.port}/r1/${SERVICE}`,
    headers: { 'X-Road-Client': CLIENT },
    pids: [consumer.pid, provider.pid],
    startMs,
    stop: () => stopAll([consumer.stop, provider.stop, () => registry.stop()]),
  };
}
