// Free ports of this machine, never the same twice. For addresses that must be known before a server listens.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which Linux takes the ports of outgoing connections: one of those could take a free port away
 *  before its server listens. Above the ports that browsers and fetch refuse. */
const PORT_MIN = 12_000;
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 200;

const given = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Holds a port until this process ends, against every other that looks for one here meanwhile: by a name in Linux's
 *  abstract namespace, which leaves no file behind. Other systems know no such names, and nothing is held. */
function isHeld(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer().unref();
    holder.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'));
    holder.listen(`\0onceway-port-${port}`, () => resolve(true));
  });
}

/** The preferred port where it is free, so that a country is found where it was yesterday; else any. */
export async function freePort(preferred = 0): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = attempt === 0 && preferred !== 0 ? preferred : randomInt(PORT_MIN, PORT_MAX);
    if (given.has(port) || !(await isFree(port)) || !(await isHeld(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port on 127.0.0.1');
}
