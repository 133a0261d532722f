// What the tests of listeners share: one of their own on a running server's exchange, with bounds that a test reaches,
// and connections that keep no rule. Holds no expectations.
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TestServer } from './federation.js';
import type { Identity } from './hostile-peer.js';

export interface Listening {
  readonly port: number;
  /** How many are open. */
  connections(): Promise<number>;
  stop(): Promise<void>;
}

export async function listenOn(server: Server): Promise<Listening> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    stop: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  };
}

/** An open connection; with an identity, also an empty one, over TLS. Its errors are no test's matter. */
export async function connection(port: number, identity?: Partial<Identity>): Promise<Socket> {
  const address = { host: '127.0.0.1', port };
  const socket =
    identity === undefined
      ? connectTcp(address)
      : connectTls({ ...identity, ...address, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, identity === undefined ? 'connect' : 'secureConnect');
  return socket;
}

/** Resolves when the other side has ended the connection; what it sends until then is dropped. */
export function ended(socket: Socket): Promise<unknown> {
  socket.resume();
  return socket.destroyed ? Promise.resolve() : once(socket, 'close');
}

/** A peer's question that a listed server gets an answer to. */
export function ownCredential({ running }: TestServer): string {
  return `/credentials/${running.exchange.token.authentication().certificateDigest}`;
}
