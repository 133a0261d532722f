// A request whose body is streamed to another security server, over a connection of its own: the head alone first, the
// body once the peer takes it (`Expect: 100-continue`), the closing as a trailer. node:http, since undici sends neither.
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { codeOf, OncewayError, PEER_FIELDS_BYTES_MAX } from '@onceway/sdk/protocol';
import { PEER_BODY_TIMEOUT_MS } from '../limits.js';
import { ArrivingBody } from './arriving-body.js';
import type { PeerReply } from './peer-reply.js';

/** The peer answered while the body was still being sent: it takes no more of it. */
export class EarlyReplyError extends Error {}

export class PeerTransfer {
  readonly #request: ClientRequest;
  readonly #socket: TLSSocket;
  readonly #response: Promise<IncomingMessage>;
  #isAnswered = false;
  #failed: Error | undefined;
  #wake: () => void = () => undefined;

  /** Sends the head. */
  constructor(socket: TLSSocket, host: string, fields: Readonly<Record<string, string>>) {
    this.#socket = socket;
    this.#request = request({
      method: 'POST',
      path: '/exchange',
      headers: {
        host,
        ...fields,
        expect: '100-continue',
        'transfer-encoding': 'chunked',
        trailer: 'Exchange-Closing',
      },
      createConnection: () => socket,
      maxHeaderSize: PEER_FIELDS_BYTES_MAX,
    });
    this.#response = new Promise((resolve, reject) => {
      this.#request.once('response', (response) => {
        this.#isAnswered = true;
        resolve(response);
        this.#wake();
      });
      const broke = (cause?: Error): void => {
        this.#failed ??= cause ?? new Error('the connection broke');
        reject(this.#failed);
        this.#wake();
      };
      this.#request.on('error', broke).on('close', broke);
    });
    this.#response.catch(() => undefined);
    this.#request.flushHeaders();
  }

  /** Resolves when the peer takes the body. @throws {EarlyReplyError}, whatever broke the connection */
  async taken(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('the peer did not say that it takes the body')), timeoutMs);
        this.#request.once('continue', resolve);
        this.#response.then(() => reject(new EarlyReplyError()), reject);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when more may be sent. @throws {EarlyReplyError}, whatever broke the connection */
  async write(chunk: Buffer): Promise<void> {
    this.#judge();
    if (this.#request.write(chunk)) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#request.once('drain', resolve);
    });
    this.#judge();
  }

  /** Sends the closing; from here on this is a message. */
  end(closing: string): void {
    this.#request.addTrailers({ 'Exchange-Closing': closing });
    this.#request.end();
  }

  /** The reply, early or not; a body that it streams is still to come.
   *  @throws {OncewayError} `answer_invalid` (too large); whatever broke the connection */
  async reply(bytesMax: number, timeoutMs: number): Promise<PeerReply> {
    const late = setTimeout(() => this.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      const response = await this.#response;
      const { statusCode: status = 0, headers } = response;
      if (headers.trailer !== undefined) {
        const following = new ArrivingBody(response, { trailers: () => response.rawTrailers });
        return { status, headers, body: Buffer.alloc(0), following };
      }
      const body = await this.#whole(response, bytesMax);
      return { status, headers, body };
    } finally {
      clearTimeout(late);
    }
  }

  async #whole(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    try {
      const bounds = { bytesMax, idleMs: PEER_BODY_TIMEOUT_MS, bytesPerSMin: 0 };
      for await (const chunk of new ArrivingBody(response).chunks(bounds)) chunks.push(chunk);
      return Buffer.concat(chunks);
    } catch (cause) {
      this.abort();
      if (codeOf(cause) === 'body_too_large')
        throw new OncewayError('answer_invalid', `the peer sent more than ${bytesMax} octets`, { cause });
      throw new Error('the reply broke off', { cause });
    }
  }

  /** Nothing more leaves; without a closing there was no message. */
  abort(error?: Error): void {
    this.#request.destroy(error);
    this.#socket.destroy();
  }

  #judge(): void {
    if (this.#isAnswered) throw new EarlyReplyError();
    if (this.#failed !== undefined) throw this.#failed;
  }
}
