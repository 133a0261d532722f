// The registry's log, as this server saw it: nothing that was published can be taken back. What the registry showed, it
// proved to go on from what was seen before. What a peer showed, the witnesses vouch for until the registry proves it.
import { OncewayError } from '../protocol/index.js';
import { verifyConsistency } from '../verify/index.js';
import type { ConfigurationSource } from './configuration-source.js';
import type { Stored } from './configuration-store.js';

export interface LogState {
  readonly size: number;
  readonly root: Buffer;
}

/** As it is kept. */
type Seen = Pick<Stored, 'log' | 'owed'>;

/** Logs of peers' heads that the registry has not proven yet. */
const OWED_MAX = 64;

const fork = (why: string, cause?: unknown): OncewayError =>
  new OncewayError('configuration_fork', why, { cause });

/** Has the registry prove that its log goes on from what was seen, by way of each that a peer showed meanwhile.
 *  @throws {OncewayError} `configuration_fork` where it does not, `configuration_missing` */
export async function checkExtends(
  { log, owed = [] }: Seen,
  now: LogState,
  source: ConfigurationSource,
  signal?: AbortSignal,
): Promise<void> {
  const seen = [log, ...owed].map(({ size, root }) => ({ size, root: Buffer.from(root, 'base64') }));
  if (seen.some(({ size }) => now.size < size)) throw fork('the registry log has shrunk');
  for (const [index, from] of seen.entries()) {
    const to = seen[index + 1] ?? now;
    const proof = to.size === from.size ? [] : await source.consistency(from.size, to.size, signal);
    try {
      verifyConsistency({ from: from.size, to: to.size, fromRoot: from.root, toRoot: to.root, proof });
    } catch (cause) {
      throw fork('the registry log does not extend the one last seen', cause);
    }
  }
}

/** What is to be kept after a peer showed the log like this; undefined where it is another log of the same size.
 *  @throws {OncewayError} `configuration_invalid` for one that can not be newer, and for too many without a word of the
 *  registry */
export function withShown({ log, owed = [] }: Seen, { size, root }: LogState): Seen | undefined {
  const last = owed.at(-1) ?? log;
  const shown = { size, root: root.toString('base64') };
  if (size === last.size && shown.root !== last.root) return undefined;
  if (size < last.size || owed.length >= OWED_MAX)
    throw new OncewayError('configuration_invalid', 'the registry must prove its log first');
  return { log, owed: size === last.size ? owed : [...owed, shown] };
}
