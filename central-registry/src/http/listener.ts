// Opens and closes plain HTTP listeners; TLS to the registry is the reverse proxy's where one is wanted, since all that
// matters is signed.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Listener } from '../config.js';
import { SHUTDOWN_MS } from '../limits.js';

export interface OpenListener {
  /** With the port that was taken. */
  readonly url: string;
  readonly serve: (listener: RequestListener) => void;
  /** Lets open requests end for a moment, then cuts them. */
  readonly close: () => Promise<void>;
}

/** Opens a listener that answers 503 until it is given something to do, so that addresses are known before what stands
 *  behind them is made. */
export async function listen({ host, port }: Listener): Promise<OpenListener> {
  let serve: RequestListener = (_request, response) => void response.writeHead(503).end();
  const server: Server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 60_000 },
    (request, response) => serve(request, response),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    serve: (listener) => void (serve = listener),
    close: () =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
