// The connections that other security servers opened to this one. Those whose certificate the configuration no longer
// lists are closed: at once while idle, after its reply where one is in use. Whose they are is judged for each message.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Digest } from '@onceway/schemas';
import { digestOf } from '@onceway/sdk/protocol';

export class PeerSockets {
  /** Requests in flight on each. */
  readonly #open = new Map<TLSSocket, number>();
  readonly #unlisted = new WeakSet<TLSSocket>();

  constructor(server: Server) {
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#open.set(socket, 0);
      socket.once('close', () => this.#open.delete(socket));
    });
    const use = (request: IncomingMessage, response: ServerResponse): void => {
      const socket = request.socket as TLSSocket;
      this.#count(socket, 1);
      response.once('close', () => {
        this.#count(socket, -1);
        if (this.#unlisted.has(socket)) socket.destroySoon();
      });
    };
    // A request whose body is streamed is announced by another name.
    server.on('request', use).on('checkContinue', use);
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param isListed whether a server is listed with this authentication certificate now */
  prune(isListed: (certificate: Digest) => boolean): void {
    for (const [socket, inFlight] of this.#open) {
      const certificate = socket.getPeerX509Certificate();
      if (certificate !== undefined && isListed(digestOf(certificate.raw))) continue;
      this.#unlisted.add(socket);
      if (inFlight === 0) socket.destroy();
    }
  }

  #count(socket: TLSSocket, change: number): void {
    const inFlight = this.#open.get(socket);
    if (inFlight !== undefined) this.#open.set(socket, inFlight + change);
  }
}
