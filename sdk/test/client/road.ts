// A double of the wire: answers one request of X-Road's client interface (PR-REST 1.0 §4) as a security server
// would, from a script. It is no exchange: nothing is signed or kept.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
export type Script = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void;

export interface Road {
  readonly server: string;
  readonly seen: Seen[];
  readonly connections: () => number;
  script: Script;
  close(): Promise<void>;
}

export const mid = (): string => randomBytes(32).toString('base64url');

/** The lines that a security server appends to a service's answer. */
export function answerLines(
  seen: Seen,
  ids: { exchange?: string; answer?: string } = {},
): Record<string, string> {
  return {
    'x-road-id': String(seen.headers['x-road-id']),
    'x-road-client': String(seen.headers['x-road-client']),
    'x-road-service': seen.url.split('?')[0]!.split('/').slice(2, 7).join('/'),
    'x-road-request-id': randomUUID(),
    'x-road-request-hash': createHash('sha512').update(seen.url).digest('base64'),
    ...(ids.exchange === undefined ? {} : { 'exchange-id': ids.exchange }),
    ...(ids.answer === undefined ? {} : { 'exchange-answer': ids.answer }),
  };
}

export async function startRoad(): Promise<Road> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one: Seen = {
        method: request.method ?? '',
        url: request.url ?? '',
        rawHeaders: request.rawHeaders,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      seen.push(one);
      road.script(one, response, request);
    });
    request.on('error', () => undefined);
  });
  let connections = 0;
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const road: Road = {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    connections: () => connections,
    script: (one, response) => response.writeHead(200, answerLines(one)).end(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return road;
}
