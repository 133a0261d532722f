// A TCP proxy on loopback between two security servers, which a test has cut, swallow or refuse. Sees only TLS records.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy {
  readonly port: number;
  readonly target: number;
  /** What new connections are: passed on, or closed at once. */
  isOpen = true;
  /** Whether what the caller sends on connections that are there already is lost. */
  isSwallowing = false;
  /** Called with each piece that is swallowed. */
  swallowed: () => void = () => undefined;
  accepted = 0;
  readonly #pairs = new Map<Socket, Socket>();
  readonly #server: Server;

  constructor(port: number, target: number) {
    this.port = port;
    this.target = target;
    this.#server = createServer((socket) => this.#pass(socket));
  }

  async listen(): Promise<this> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks every connection, at both ends; what arrived may be lost. */
  cut(): void {
    for (const [one, other] of this.#pairs) {
      one.resetAndDestroy();
      other.resetAndDestroy();
    }
  }

  /** Ends every connection as a peer does whose idle time is over. */
  end(): void {
    for (const [one, other] of this.#pairs) {
      one.end();
      other.end();
    }
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #pass(caller: Socket): void {
    this.accepted++;
    if (!this.isOpen) return void caller.resetAndDestroy();
    const called = connect(this.target, '127.0.0.1');
    this.#pairs.set(caller, called);
    const isLater = (): boolean => this.isSwallowing;
    let swallows = false;
    caller.on('data', (octets) => {
      swallows ||= isLater();
      if (swallows) this.swallowed();
      else called.write(octets);
    });
    called.on('data', (octets) => caller.write(octets));
    for (const [one, other] of [
      [caller, called],
      [called, caller],
    ] as const) {
      one.on('error', () => undefined);
      one.on('end', () => other.end());
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(caller);
      });
    }
  }
}
