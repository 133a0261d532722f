// Opens and stops a listener, whatever speaks on it.
import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { OncewayError } from '@onceway/sdk/protocol';
import type { Listener } from '../config.js';
import { SHUTDOWN_LOOK_MS, SHUTDOWN_MS_MAX } from '../limits.js';

/** @returns host and port, also where any free one was taken. @throws {OncewayError} `conflict` */
export function listen(server: Server, { host, port }: Listener): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new OncewayError('conflict', `can not listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, host, () => {
      const address = server.address();
      const name = host.includes(':') ? `[${host}]` : host;
      resolve(`${name}:${typeof address === 'object' && address !== null ? address.port : port}`);
    });
  });
}

/** Waits for the exchanges in flight, but not for connections that are only kept alive: Node closes those that are idle
 *  at this moment and forgets those that become so. */
export function stop(
  server: Pick<HttpServer, 'close' | 'closeIdleConnections' | 'closeAllConnections'>,
): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), SHUTDOWN_LOOK_MS);
    const bound = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS_MAX);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(bound);
      resolve();
    });
  });
}
