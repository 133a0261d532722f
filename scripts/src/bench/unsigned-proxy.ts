// One half of the chain without signing and logging: what the same route costs in Node when nothing is proven. A
// program of its own on purpose: no switch in the product turns signing off. As fast as we can write it, or the
// comparison would flatter the product: raw node:http, undici pools, bodies whole in memory.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

/** The only argument, as JSON. */
export interface UnsignedProxySettings {
  /** consumer: plain in, mutual TLS out; provider: mutual TLS in, plain out. */
  readonly side: 'consumer' | 'provider';
  /** Where it forwards to: an origin. */
  readonly next: string;
  readonly connections: number;
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as UnsignedProxySettings;
const tls = {
  key: readFileSync(settings.key),
  cert: readFileSync(settings.certificate),
  ca: readFileSync(settings.authority),
  minVersion: 'TLSv1.3' as const,
};
const pool = new Pool(settings.next, {
  connections: settings.connections,
  pipelining: 1,
  keepAliveTimeout: 60_000,
  ...(settings.side === 'consumer' ? { connect: { ...tls, servername: 'localhost' } } : {}),
});

function carried(headers: IncomingHttpHeaders): Record<string, string> {
  const lines: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string' && name !== 'host' && name !== 'connection' && name !== 'content-length')
      lines[name] = value;
  return lines;
}

const proxy: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    pool
      .request({
        method: 'POST',
        path: request.url ?? '/',
        headers: carried(request.headers),
        body: Buffer.concat(chunks),
      })
      .then(async (answer) => {
        const body = Buffer.from(await answer.body.arrayBuffer());
        response.writeHead(answer.statusCode, {
          'content-type': String(answer.headers['content-type'] ?? 'application/octet-stream'),
          'content-length': body.length,
        });
        response.end(body);
      })
      .catch((error: unknown) => {
        // The bench counts statuses other than 200 and throws the row away.
        console.error(error);
        response.writeHead(502).end();
      });
  });
};

const server =
  settings.side === 'consumer'
    ? createServer(proxy)
    : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, proxy);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: (server.address() as AddressInfo).port }));
});
