// The chain in Node without signing and logging: two unsigned-proxy processes, mutual TLS 1.3 kept alive between them.
import type { CertificateFiles } from './certificates.js';
import { type Chain, stopAll } from './chain.js';
import { startNode } from './process.js';
import type { UnsignedProxySettings } from './unsigned-proxy.js';

const PROGRAM = new URL('unsigned-proxy.js', import.meta.url);

/** As many as the bench ever has in flight, so that no exchange waits for a connection. */
const CONNECTIONS = 64;

export async function startUnsignedChain(backend: string, files: CertificateFiles): Promise<Chain> {
  const start = (side: 'consumer' | 'provider', next: string): ReturnType<typeof startNode> =>
    startNode(PROGRAM, {
      ...{ side, next, connections: CONNECTIONS },
      ...{ ...files[side], authority: files.authority },
    } satisfies UnsignedProxySettings);
  const provider = await start('provider', backend);
  const consumer = await start('consumer', `https://localhost:${provider.port}`);
  return {
    name: 'unsigned',
    url: `http://127.0.0.1:${consumer.port}`,
    headers: {},
    pids: [consumer.pid, provider.pid],
    stop: () => stopAll([consumer.stop, provider.stop]),
  };
}
