// A security server in place of a stopped one, at its address and with its keys, that answers whatever a test wants.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import {
  commit,
  encodeAnswerHead,
  formatSalts,
  memberOf,
  messageIdOf,
  parseJws,
  parseRequestEnvelope,
  parseRequestHead,
  requestHash,
  subsystemOf,
  uuidV7,
  valuesOf,
  type Envelope,
  type HeadLine,
  type RequestClaims,
} from '@onceway/sdk/protocol';
import type { TestServer } from './federation.js';
import { identityOf, type Identity, type Message, type Unsigned } from './hostile-peer.js';

export interface Asked {
  readonly message: Envelope<RequestClaims>;
  readonly head: Buffer;
  readonly body: Buffer | null;
}

export interface AnswerAlterations {
  readonly status?: number;
  readonly lines?: (lines: HeadLine[]) => HeadLine[];
  /** The head's octets, before they are committed to. */
  readonly head?: (head: Buffer) => Buffer;
  readonly body?: Buffer | null;
  readonly unsigned?: (message: Unsigned, asked: Asked) => void;
  readonly sent?: (message: Message) => void;
}

export class HostileProvider {
  /** What it does with a message. */
  respond: (asked: Asked, response: ServerResponse) => void = (asked, response) =>
    this.write(this.answer(asked), response);
  /** ... and when it is asked what became of one, or for a credential. */
  outcome: (response: ServerResponse, path: string) => void = (response) =>
    void response.writeHead(404).end();
  /** ... and with an opening, before its body. */
  expected: (request: IncomingMessage, response: ServerResponse) => void = (request, response) => {
    response.writeContinue();
    void this.#take(request, response);
  };
  readonly #server: TestServer;
  readonly #https: Server;
  readonly #clock: () => number;

  private constructor(server: TestServer, identity: Identity, clock: () => number) {
    this.#server = server;
    this.#clock = clock;
    this.#https = createServer(
      {
        ...identity,
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: false,
        maxHeaderSize: 65_536,
      },
      (request, response) => void this.#take(request, response),
    );
    this.#https.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.expected(request, response),
    );
  }

  static async start(
    server: TestServer,
    identity = identityOf(server),
    clock: () => number = Date.now,
  ): Promise<HostileProvider> {
    const provider = new HostileProvider(server, identity, clock);
    const { hostname, port } = new URL(server.running.addresses.peer);
    await new Promise<void>((resolve) => provider.#https.listen(Number(port), hostname, resolve));
    return provider;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => (this.#https.close(resolve), this.#https.closeAllConnections()));
  }

  /** An answer that would be accepted, but for the alterations. */
  answer(asked: Asked, alter: AnswerAlterations = {}): Message {
    const { claims, mid } = asked.message;
    const given = parseRequestHead(asked.head).lines;
    const lines: HeadLine[] = [
      ['x-road-id', valuesOf(given, 'x-road-id')[0] ?? ''],
      ['x-road-client', claims.iss],
      ['x-road-service', claims.aud],
      ['x-road-request-id', valuesOf(given, 'x-road-request-id')[0] ?? ''],
      ['x-road-request-hash', requestHash(asked.head, asked.body)],
    ];
    const encoded = encodeAnswerHead({ status: alter.status ?? 200, lines: alter.lines?.(lines) ?? lines });
    const head = alter.head?.(encoded) ?? encoded;
    const body = alter.body === undefined ? Buffer.from('secret') : alter.body;
    const salts = { head: randomBytes(32), body: body === null ? null : randomBytes(32) };
    const message = this.#seal('exchange-answer+jws', asked, alter, {
      iss: subsystemOf(claims.aud),
      re: mid,
      op: 'GET *',
      head: { digest: commit(salts.head, head) },
      body: body === null || salts.body === null ? null : { digest: commit(salts.body, body) },
    });
    const all = { ...message, head: head.toString('base64url'), salts: formatSalts(salts), body };
    alter.sent?.(all);
    return all;
  }

  /** A refusal that would be accepted, but for the alterations. */
  refusal(asked: Asked, code: string, alter: AnswerAlterations = {}): Message {
    const more = { iss: memberOf(this.#server.id), re: asked.message.mid, code, retry: null };
    const message = this.#seal('exchange-refusal+jws', asked, alter, more);
    alter.sent?.(message);
    return message;
  }

  write(message: Message, response: ServerResponse): void {
    response.writeHead(200, {
      ...(message.envelope === undefined ? {} : { 'exchange-message': message.envelope }),
      ...(message.head === undefined ? {} : { 'exchange-head': message.head }),
      ...(message.salts === undefined ? {} : { 'exchange-salt': message.salts }),
      'content-length': message.body?.length ?? 0,
    });
    response.end(message.body ?? undefined);
  }

  #seal(typ: string, asked: Asked, alter: AnswerAlterations, more: Record<string, unknown>): Message {
    const { token, configuration, log } = this.#server.running.exchange;
    const { claims } = asked.message;
    const signer = token.signingKey(memberOf(this.#server.id));
    const nowMs = this.#clock();
    const iat = Math.floor(nowMs / 1000);
    const unsigned: Unsigned = {
      header: { alg: signer.alg, typ, 'x5t#S256': signer.certificateDigest, iat },
      claims: {
        v: 1,
        jti: uuidV7(nowMs, randomBytes(10)),
        exp: iat + 60,
        aud: claims.iss,
        server: this.#server.id,
        to: claims.server,
        cfg: configuration.current().reference,
        log: { ...log.promise(), index: 0 },
        ...more,
      },
      sign: (input) => signer.sign(input) as Uint8Array,
      encode: (value) => Buffer.from(JSON.stringify(value)).toString('base64url'),
    };
    alter.unsigned?.(unsigned, asked);
    const input = `${unsigned.encode(unsigned.header, 'header')}.${unsigned.encode(unsigned.claims, 'claims')}`;
    const signature = Buffer.from(unsigned.sign(Buffer.from(input))).toString('base64url');
    return {
      mid: messageIdOf({ signingInput: input }),
      envelope: `${input}.${signature}`,
      head: undefined,
      salts: undefined,
      body: null,
    };
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    if (request.method !== 'POST') return this.outcome(response, request.url ?? '');
    const message = parseRequestEnvelope(String(request.headers['exchange-message']));
    const head = Buffer.from(String(request.headers['exchange-head']), 'base64url');
    const body = chunks.length === 0 ? null : Buffer.concat(chunks);
    const closing = request.trailers['exchange-closing'];
    // A streamed message is known by its closing.
    const mid = closing === undefined ? message.mid : messageIdOf(parseJws(closing));
    this.respond({ message: { ...message, mid }, head, body }, response);
  }
}
