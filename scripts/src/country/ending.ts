// When a country is to end: it was told to, or whoever ran it is gone.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const PARENT_EVERY_MS = 1000;

/** Calls `end` at each signal that ends a program. npm hands SIGINT and SIGTERM on but dies of SIGHUP (as of SIGKILL) without
 *  a word: when it ran this program and is gone, that counts as told, once. */
export function whenAskedToEnd(end: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.on(signal, end);
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end('SIGHUP');
  }, PARENT_EVERY_MS);
  timer.unref();
}
