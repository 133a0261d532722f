// The replay window of a server that starts: read back from its log, all that could still be sent again.
import { CLOCK_SKEW_MS_MAX } from '@onceway/sdk/protocol';
import { REPLAY_WINDOW_MS_MAX } from '../limits.js';
import type { MessageLog } from '../message-log/message-log.js';
import { ReplayWindow } from './replay.js';

/** Where the log was restored from a copy, what was made before is refused as well: it may have come already. */
export async function restoreReplay(log: MessageLog, clock: () => number): Promise<ReplayWindow> {
  const { restoredAtMs } = log;
  const replay = new ReplayWindow(
    clock,
    restoredAtMs === undefined ? undefined : restoredAtMs + CLOCK_SKEW_MS_MAX,
  );
  for await (const { iss, jti, expMs } of log.requestsSince(clock() - REPLAY_WINDOW_MS_MAX))
    replay.restore({ iss, jti }, expMs + CLOCK_SKEW_MS_MAX);
  return replay;
}
