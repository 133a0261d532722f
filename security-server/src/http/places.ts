// The places of one listener: so many requests at once, of those so many of one peer, and one at a time on each
// connection. Reads and writes nothing; what an answer leaves unread it does not hold for ever.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { SecurityServerId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { PEER_SHARE } from '../limits.js';

export class Places {
  readonly #max: number;
  readonly #answerTimeoutMs: number;
  readonly #newest = new WeakMap<Duplex, ServerResponse>();
  readonly #waiting = new WeakSet<Duplex>();
  readonly #taken = new Map<ServerResponse, SecurityServerId | undefined>();
  readonly #ofPeer = new Map<SecurityServerId | undefined, number>();

  /** @param answerTimeoutMs an answer must have been read within this, or its connection ends */
  constructor(max: number, answerTimeoutMs: number) {
    this.#max = max;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /** The answer to the newest request of a connection. */
  newest(connection: Duplex): ServerResponse | undefined {
    return this.#newest.get(connection);
  }

  /** Serves a request as soon as the one before it on its connection is answered. One may wait so; another ends the
   *  connection: nobody who means well sends more ahead, and Node tells nothing of those that a cut leaves behind.
   *  @param serve never rejects */
  admit({ socket }: IncomingMessage, response: ServerResponse, serve: () => Promise<void>): void {
    const before = this.#newest.get(socket);
    this.#newest.set(socket, response);
    const begin = (): void => void serve().then(() => this.#leave(socket, response));
    if (before === undefined || before.closed) return begin();
    if (this.#waiting.has(socket)) return void socket.destroy();
    this.#waiting.add(socket);
    before.once('close', () => {
      this.#waiting.delete(socket);
      if (!socket.destroyed && !response.headersSent) begin();
    });
  }

  /** Takes a place until the request is served, even where nobody waits any more, and its answer has left.
   *  @param peer whose share it is of; undefined on a listener that knows no peers
   *  @throws {OncewayError} `busy` */
  take(response: ServerResponse, peer?: SecurityServerId): void {
    const ofPeer = this.#ofPeer.get(peer) ?? 0;
    if (this.#taken.size >= this.#max || (peer !== undefined && ofPeer >= Math.ceil(this.#max * PEER_SHARE)))
      throw new OncewayError('busy', `too many requests at once of ${peer ?? 'all'}`, { retrySeconds: 1 });
    this.#taken.set(response, peer);
    this.#ofPeer.set(peer, ofPeer + 1);
  }

  #leave(socket: Duplex, response: ServerResponse): void {
    if (response.closed) return this.#release(response);
    const timer = setTimeout(() => socket.destroy(), this.#answerTimeoutMs).unref();
    // Before the next request of the connection begins.
    response.prependOnceListener('close', () => {
      clearTimeout(timer);
      this.#release(response);
    });
  }

  #release(response: ServerResponse): void {
    const peer = this.#taken.get(response);
    if (!this.#taken.delete(response)) return;
    const left = (this.#ofPeer.get(peer) ?? 0) - 1;
    if (left > 0) this.#ofPeer.set(peer, left);
    else this.#ofPeer.delete(peer);
  }
}
