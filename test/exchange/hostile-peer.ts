// A peer that holds the keys of a registered security server and keeps no rule: it makes messages as that server would,
// altered wherever a test wants, and sends them over its own mutual TLS.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import {
  commit,
  encodeRequestHead,
  formatSalts,
  memberOf,
  messageIdOf,
  parseRefusalEnvelope,
  uuidV7,
  verifySignature,
  type ErrorCode,
  type HeadLine,
  type RefusalClaims,
  type ServiceId,
  type SubsystemId,
} from '@onceway/sdk/protocol';
import type { TestServer } from './federation.js';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** Key and certificate that a server shows to its peers. */
export function identityOf(server: TestServer): Identity {
  const { key, certificate } = server.running.exchange.token.authentication();
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate.toString() };
}

/** A key and certificate that nobody listed. */
export function stranger(): Identity {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-'));
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stranger -keyout key';
  const cert = execFileSync('openssl', args.split(' '), { cwd: folder, stdio: 'pipe' }).toString();
  const key = readFileSync(join(folder, 'key'), 'utf8');
  rmSync(folder, { recursive: true });
  return { key, cert };
}

/** What is made before the signature. */
export interface Unsigned {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  sign: (input: Buffer) => Uint8Array;
  /** From an object to its part of the JWS. */
  encode: (value: object, part: 'header' | 'claims') => string;
}

/** What is sent. */
export interface Message {
  mid: string;
  envelope: string | string[] | undefined;
  head: string | undefined;
  salts: string | undefined;
  body: Buffer | null;
}

export interface Alterations {
  readonly method?: string;
  readonly target?: string;
  readonly lines?: (lines: HeadLine[]) => HeadLine[];
  /** The head's octets, before they are committed to. */
  readonly head?: (head: Buffer) => Buffer;
  readonly body?: Buffer | null;
  readonly unsigned?: (message: Unsigned) => void;
  readonly sent?: (message: Message) => void;
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

export class HostilePeer {
  readonly #server: TestServer;
  readonly #to: TestServer;
  readonly #client: SubsystemId;
  readonly #service: ServiceId;
  readonly #clock: () => number;

  constructor(
    server: TestServer,
    to: TestServer,
    client: SubsystemId,
    service: ServiceId,
    clock: () => number = Date.now,
  ) {
    this.#server = server;
    this.#to = to;
    this.#client = client;
    this.#service = service;
    this.#clock = clock;
  }

  /** A message that would be accepted, but for the alterations. */
  message(alter: Alterations = {}): Message {
    const { token, configuration, log } = this.#server.running.exchange;
    const signer = token.signingKey(memberOf(this.#client));
    const nowMs = this.#clock();
    const iat = Math.floor(nowMs / 1000);
    const lines: HeadLine[] = [
      ['X-Road-Client', this.#client],
      ['x-road-request-id', uuidV7(nowMs, randomBytes(10))],
      ['x-road-id', 'TEST-1'],
    ];
    const encoded = encodeRequestHead({
      method: alter.method ?? 'POST',
      target: alter.target ?? `/r1/${this.#service}`,
      lines: alter.lines?.(lines) ?? lines,
    });
    const head = alter.head?.(encoded) ?? encoded;
    const body = alter.body === undefined ? Buffer.from('ping') : alter.body;
    const salts = { head: randomBytes(32), body: body === null ? null : randomBytes(32) };
    const unsigned: Unsigned = {
      header: { alg: signer.alg, typ: 'exchange-request+jws', 'x5t#S256': signer.certificateDigest, iat },
      claims: {
        v: 1,
        jti: uuidV7(nowMs, randomBytes(10)),
        exp: iat + 60,
        iss: this.#client,
        aud: this.#service,
        server: this.#server.id,
        to: this.#to.id,
        cfg: configuration.current().reference,
        log: log.promise(),
        head: { digest: commit(salts.head, head) },
        body: body === null || salts.body === null ? null : { digest: commit(salts.body, body) },
      },
      sign: (input) => signer.sign(input) as Uint8Array,
      encode: (value) => base64url(JSON.stringify(value)),
    };
    alter.unsigned?.(unsigned);
    const { header, claims, encode, sign } = unsigned;
    const input = `${encode(header, 'header')}.${encode(claims, 'claims')}`;
    const message: Message = {
      mid: messageIdOf({ signingInput: input }),
      envelope: `${input}.${Buffer.from(sign(Buffer.from(input))).toString('base64url')}`,
      head: head.toString('base64url'),
      salts: formatSalts(salts),
      body,
    };
    alter.sent?.(message);
    return message;
  }

  send(message: Message, identity: Partial<Identity> = identityOf(this.#server)): Promise<Reply> {
    return this.ask(
      {
        method: 'POST',
        path: '/exchange',
        headers: {
          ...(message.envelope === undefined ? {} : { 'exchange-message': message.envelope }),
          ...(message.head === undefined ? {} : { 'exchange-head': message.head }),
          ...(message.salts === undefined ? {} : { 'exchange-salt': message.salts }),
        },
      },
      message.body,
      identity,
    );
  }

  get(path: string, identity: Partial<Identity> = identityOf(this.#server)): Promise<Reply> {
    return this.ask({ method: 'GET', path }, null, identity);
  }

  /** Any octets, over its own TLS; all that comes back. */
  octets(octets: string, port = new URL(this.#to.running.addresses.peer).port): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { ...identityOf(this.#server), host: '127.0.0.1', port: Number(port), rejectUnauthorized: false },
        () => socket.write(octets, 'latin1'),
      );
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
  }

  ask(options: RequestOptions, body: Buffer | null, identity: Partial<Identity>): Promise<Reply> {
    const { hostname, port } = new URL(this.#to.running.addresses.peer);
    return new Promise((resolve, reject) => {
      const sending = request(
        {
          ...identity,
          host: hostname,
          port,
          rejectUnauthorized: false,
          agent: false,
          maxHeaderSize: 65_536,
          ...options,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          );
        },
      );
      sending.on('error', reject);
      sending.end(body ?? undefined);
    });
  }

  /** A signed refusal of the peer, with its signature verified by the key that the configuration lists.
   *  @throws {Error} where the reply is none */
  refusal(reply: Reply): RefusalClaims {
    const compact = reply.headers['exchange-message'];
    if (reply.status !== 200 || typeof compact !== 'string')
      throw new Error(`${reply.status}, unsigned: ${reply.body.toString()}`);
    const { jws, certificate, claims } = parseRefusalEnvelope(compact);
    const own = this.#to.running.exchange.token.signingKey(memberOf(this.#to.id));
    if (certificate !== own.certificateDigest || claims.iss !== own.member)
      throw new Error('signed by another than the owner of the server');
    verifySignature(jws, own.certificate.publicKey, own.alg);
    return claims;
  }

  /** The code that an unsigned reply shows, and the one that stands in the peer's own log. */
  unsigned(reply: Reply): { status: number; shown: ErrorCode; logged: unknown } {
    if (reply.headers['exchange-message'] !== undefined) throw new Error('the reply is signed');
    const { code, ...rest } = JSON.parse(reply.body.toString()) as Record<string, unknown>;
    const known = ['type', 'title', 'status', 'hop', 'hint'];
    const more = Object.keys(rest).filter((name) => !known.includes(name));
    if (more.length > 0) throw new Error(`the reply shows ${more.join()}`);
    const logged = this.#to.events.findLast(({ event }) => event === 'refused')?.['code'];
    return { status: reply.status, shown: code as ErrorCode, logged };
  }
}
