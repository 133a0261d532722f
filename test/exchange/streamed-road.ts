// What the tests of streamed bodies share: a service that counts and hashes what it gets, a client that sends a body of
// any size without holding it, and how both logs are read. Holds no expectations.
import { createHash, type Hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { LogEntry, MessageId, ServiceId } from '@onceway/sdk/protocol';
import { parseServiceId } from '@onceway/sdk/protocol';
import { SpooledBody } from '@onceway/security-server/message-log/message-log';
import type { TestServer } from './federation.js';
import type { Road } from './fault-road.js';

export const MIB = 1024 * 1024;

/** `bytes` octets that do not repeat with a piece or a segment. */
export function* octets(bytes: number, pieceBytes = 60_000): Generator<Buffer> {
  for (let at = 0; at < bytes; at += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, bytes - at));
    for (let of = 0; of < piece.length; of += 251) piece.writeUInt8((at + of) % 251, of);
    yield piece;
  }
}

export function digestOfOctets(bytes: number): string {
  const hash = createHash('sha256');
  for (const piece of octets(bytes)) hash.update(piece);
  return hash.digest('hex');
}

export interface Seen {
  bytes: number;
  readonly hash: Hash;
  readonly headers: IncomingMessage['headers'];
  /** Of the whole body, once it came. */
  digest?: string;
}

export interface StreamedService {
  readonly id: ServiceId;
  readonly seen: Seen[];
  /** Called once the request's body has come, or at once where it is not read. */
  answer: (response: ServerResponse, request: IncomingMessage) => void;
  readsBody: boolean;
  close(): Promise<void>;
}

/** A service of the road's provider that its client may call. */
export async function streamedService(
  road: Pick<Road, 'provider' | 'client' | 'offering'>,
  code: string,
): Promise<StreamedService> {
  const http = createServer((incoming, response) => void serve(incoming, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const service: StreamedService = {
    id: parseServiceId(`${road.offering}/${code}`),
    seen: [],
    answer: (response) => response.end('done'),
    readsBody: true,
    close: () => new Promise((resolve) => (http.close(() => resolve()), http.closeAllConnections())),
  };
  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen: Seen = { bytes: 0, hash: createHash('sha256'), headers: incoming.headers };
    service.seen.push(seen);
    if (service.readsBody) {
      try {
        for await (const chunk of incoming as AsyncIterable<Buffer>) {
          seen.bytes += chunk.length;
          seen.hash.update(chunk);
        }
      } catch {
        return;
      }
      seen.digest = seen.hash.digest('hex');
    }
    service.answer(response, incoming);
  }
  const { port } = http.address() as AddressInfo;
  await road.provider.running.services.putService(service.id, {
    baseUrl: `http://127.0.0.1:${port}`,
    timeoutMs: 5_000,
  });
  await road.provider.running.services.grant(
    { service: service.id, subject: { client: road.client }, reason: 'for the test' },
    'test',
  );
  return service;
}

export interface Streamed {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
  readonly digest: string;
  /** The first octets, as text. */
  readonly text: string;
  readonly code: string | undefined;
  readonly id: MessageId;
  readonly answerId: MessageId;
}

/** A call over the consumer's client listener. With a number, a body of so many octets, which says how long it is or is
 *  chunked; with a stream, whatever comes of it. */
export async function stream(
  { consumer, client }: Pick<Road, 'consumer' | 'client'>,
  service: ServiceId,
  body: number | Readable | null,
  options: {
    readonly isChunked?: boolean;
    readonly headers?: Record<string, string>;
    readonly path?: string;
    readonly method?: string;
  } = {},
): Promise<Streamed> {
  const length = typeof body === 'number' && options.isChunked !== true ? { 'content-length': body } : {};
  const sending = request(`${consumer.running.addresses.client}${options.path ?? `/r1/${service}`}`, {
    method: options.method ?? (body === null ? 'GET' : 'POST'),
    agent: false,
    headers: {
      accept: 'application/problem+json',
      'x-road-client': client,
      ...length,
      ...options.headers,
    },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sending.on('response', resolve).on('error', reject);
  });
  answered.catch(() => undefined);
  if (body === null) sending.end();
  else {
    const source = typeof body === 'number' ? Readable.from(octets(body), { objectMode: false }) : body;
    // An early answer ends it.
    void pipeline(source, sending).catch(() => undefined);
  }
  const response = await answered;
  const hash = createHash('sha256');
  let bytes = 0;
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    if (text.length < 2_000) text += chunk.toString('latin1').slice(0, 2_000);
  }
  sending.destroy();
  const { headers } = response;
  const problem = String(headers['content-type']).startsWith('application/problem+json')
    ? (JSON.parse(text) as { code: string })
    : undefined;
  return {
    status: response.statusCode ?? 0,
    headers,
    bytes,
    digest: hash.digest('hex'),
    text,
    code: problem?.code,
    id: String(headers['exchange-id']) as MessageId,
    answerId: String(headers['exchange-answer']) as MessageId,
  };
}

/** What a log keeps of a message: how large its body is, its digest, and whether it was streamed. */
export async function kept(
  server: TestServer,
  mid: MessageId,
  dir: 'in' | 'out',
): Promise<{ bytes: number; digest: string; isStreamed: boolean } | undefined> {
  const content = await server.running.exchange.log.content(mid, dir);
  if (content === undefined) return undefined;
  const { body } = content;
  const hash = createHash('sha256');
  if (!(body instanceof SpooledBody))
    return {
      bytes: body?.length ?? 0,
      digest: hash.update(body ?? '').digest('hex'),
      isStreamed: false,
    };
  let bytes = 0;
  for await (const chunk of body.read()) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, digest: hash.digest('hex'), isStreamed: true };
}

/** Names of bodies that wait for an entry. */
export function spools({ folder }: TestServer): string[] {
  try {
    return readdirSync(join(folder, 'log', 'spool'));
  } catch {
    return [];
  }
}

/** The newest entries of a server's lane, material left out. */
export async function newest({ running }: TestServer, count: number): Promise<LogEntry[]> {
  const { log } = running.exchange;
  const found: LogEntry[] = [];
  for (let index = log.counts().lane - 1; index >= 0 && found.length < count; index--) {
    const entry = JSON.parse((await log.entry(log.lane, index)).toString()) as LogEntry;
    if (entry.type !== 'material') found.unshift(entry);
  }
  return found;
}
