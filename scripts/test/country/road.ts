// A double of the exchange for the agencies' tests: speaks X-Road's client interface and calls the services directly,
// under the country's rights. Nothing is signed or kept; the real exchange is tested elsewhere.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RIGHTS } from '../../src/country/members.js';

export type Trouble = 'away' | 'answer_lost';

export interface Road {
  readonly server: string;
  /** Service → base URL, filled as agencies start. */
  readonly services: Map<string, string>;
  /** Service → what goes wrong with it, until it is taken out again. */
  readonly troubles: Map<string, Trouble>;
  readonly carried: { readonly client: string; readonly service: string; readonly messageId: string }[];
  close(): Promise<void>;
}

const mid = (): string => randomBytes(32).toString('base64url');
const DROPPED = /^(?:host|connection|content-length|transfer-encoding|keep-alive)$/;

function allowed(client: string, service: string, method: string, path: string): boolean {
  return RIGHTS.some(
    (right) =>
      right.service === service &&
      (right.clients as readonly string[]).includes(client) &&
      (right.endpoints ?? ['*']).some((endpoint) => {
        const [verb = '', glob = ''] = endpoint.split(' ');
        const fits = new RegExp(`^${glob.replaceAll('*', '[^/]+')}$`);
        return endpoint === '*' || (verb === method && fits.test(path));
      }),
  );
}

export async function startRoad(): Promise<Road> {
  const server = createServer((request, response) => void carry(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const road: Road = {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    services: new Map(),
    troubles: new Map(),
    carried: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function carry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const url = request.url ?? '';
    const service = url.split('?')[0]!.split('/').slice(2, 7).join('/');
    const rest = url.slice(`/r1/${service}`.length);
    const client = String(request.headers['x-road-client']);
    const messageId = mid();
    const refuse = (status: number, code: string, hop: string): void => {
      response
        .writeHead(status, { 'content-type': 'application/problem+json', 'exchange-id': messageId })
        .end(JSON.stringify({ code, hop, title: code }));
    };
    const method = request.method ?? 'GET';
    const base = road.services.get(service);
    if (base === undefined) return refuse(404, 'service_unknown', 'provider-server');
    if (!allowed(client, service, method, rest.split('?')[0]!))
      return refuse(403, 'access_denied', 'provider-server');
    road.carried.push({ client, service, messageId });
    const trouble = road.troubles.get(service);
    if (trouble === 'away') return refuse(502, 'service_unreachable', 'provider-server');
    const kept = Object.entries(request.headers).filter(([name]) => !DROPPED.test(name));
    const requestId = randomUUID();
    const body = Buffer.concat(chunks);
    const answer = await fetch(`${base}${rest}`, {
      method,
      headers: { ...Object.fromEntries(kept as [string, string][]), 'x-road-request-id': requestId },
      ...(body.length === 0 ? {} : { body }),
      redirect: 'manual',
    });
    const text = Buffer.from(await answer.arrayBuffer());
    if (trouble === 'answer_lost') return refuse(504, 'outcome_unknown', 'consumer-server');
    response
      .writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/json',
        'x-road-id': String(request.headers['x-road-id']),
        'x-road-client': client,
        'x-road-service': service,
        'x-road-request-id': requestId,
        'x-road-request-hash': createHash('sha512').update(url).update(body).digest('base64'),
        'exchange-id': messageId,
        'exchange-answer': mid(),
      })
      .end(text);
  }
  return road;
}
