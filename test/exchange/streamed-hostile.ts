// What a hostile peer does with a body that follows: closings made with its keys, altered wherever a test wants, and
// transfers that break every rule. Holds no expectations.
import type { ClientRequest } from 'node:http';
import { request } from 'node:https';
import { CommitmentHash, encodeBodyClosing, memberOf } from '@onceway/sdk/protocol';
import type { TestServer } from './federation.js';
import { identityOf, type Message, type Reply } from './hostile-peer.js';

/** A closing that would be accepted, but for the alterations; signed by the member's key on this server. */
export function closing(
  server: TestServer,
  member: string,
  opening: string,
  digest: string,
  alter: {
    readonly sign?: (input: Buffer) => Uint8Array;
    readonly certificate?: string;
    readonly iat?: number;
  } = {},
): string {
  const signer = server.running.exchange.token.signingKey(memberOf(member as never));
  const { signingInput } = encodeBodyClosing(
    {
      alg: signer.alg,
      certificate: (alter.certificate ?? signer.certificateDigest) as never,
      iat: alter.iat ?? Math.floor(Date.now() / 1000),
    },
    { v: 1, re: opening as never, digest: digest as never },
  );
  const signature = (alter.sign ?? ((input) => signer.sign(input) as Uint8Array))(Buffer.from(signingInput));
  return `${signingInput}.${Buffer.from(signature).toString('base64url')}`;
}

const bodySalt = (message: Message): Buffer =>
  Buffer.from(String(message.salts).split('.')[1] ?? '', 'base64url');

export function commitment(message: Message, octets: Iterable<Buffer>): string {
  const hash = new CommitmentHash(bodySalt(message));
  for (const chunk of octets) hash.update(chunk);
  return hash.digest();
}

export interface Sending {
  /** Whether the peer said that it takes the body. */
  isTaken: boolean;
  readonly outgoing: ClientRequest;
  /** Rejects where the connection broke without a reply. */
  readonly reply: Promise<Reply>;
}

/** Sends an opening; `send` is called once the peer takes the body. */
export function sendOpening(
  from: TestServer,
  to: TestServer,
  message: Message,
  send: (outgoing: ClientRequest) => void,
  headers: Record<string, string> = { expect: '100-continue' },
  atPort?: number,
): Sending {
  const { hostname, port } = new URL(to.running.addresses.peer);
  const outgoing = request({
    ...identityOf(from),
    host: hostname,
    port: atPort ?? port,
    rejectUnauthorized: false,
    agent: false,
    method: 'POST',
    path: '/exchange',
    headers: {
      'exchange-message': String(message.envelope),
      'exchange-head': String(message.head),
      'exchange-salt': String(message.salts),
      'transfer-encoding': 'chunked',
      trailer: 'Exchange-Closing',
      ...headers,
    },
  });
  const sending: Sending = {
    isTaken: false,
    outgoing,
    reply: new Promise((resolve, reject) => {
      outgoing.on('response', (response) => {
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
      });
      outgoing.on('error', reject);
      outgoing.on('close', () => reject(new Error('closed')));
    }),
  };
  sending.reply.catch(() => undefined);
  outgoing.on('continue', () => {
    sending.isTaken = true;
    send(outgoing);
  });
  outgoing.flushHeaders();
  return sending;
}
