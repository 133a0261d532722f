// What two logs were given while something was tried: the kinds of their new entries, material and lanes left out.
import type { LogEntry } from '@onceway/sdk/protocol';
import type { TestServer } from './federation.js';

/** Remembers where both logs of each server end; afterwards tells what they were given since, in words as `message in`. */
export function recordsOf(...servers: TestServer[]): () => Promise<string[][]> {
  const before = servers.map(({ running }) => running.exchange.log.counts());
  return () =>
    Promise.all(
      servers.map(async ({ running: { exchange } }, at) => {
        const { log } = exchange;
        const now = log.counts();
        const entries: LogEntry[] = [];
        for (const which of ['lane', 'server'] as const)
          for (let index = before[at]?.[which] ?? 0; index < now[which]; index++)
            entries.push(JSON.parse((await log.entry(log[which], index)).toString()) as LogEntry);
        return entries.flatMap((entry) => kindOf(entry) ?? []);
      }),
    );
}

function kindOf(entry: LogEntry): string | undefined {
  switch (entry.type) {
    case 'message':
      return `message ${entry.dir}`;
    case 'outcome':
      return `outcome ${entry.outcome}`;
    case 'material':
    case 'lane':
    // A right is fetched and entered beside the exchange; its own test looks for it.
    // eslint-disable-next-line no-fallthrough -- three kinds that say nothing about an attempt
    case 'right':
      return undefined;
    default:
      return entry.type;
  }
}
