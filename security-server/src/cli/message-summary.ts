// What the log holds, in a few lines for people: who asked whom, and how far it is proven. Nothing is verified here;
// `--json` has all that is needed for that.
import { parseJws, type LogEntry } from '@onceway/sdk/protocol';
import { blockOf } from './print.js';

interface ShownCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly at: number;
  readonly checkpoint: string;
  readonly witnessed?: boolean;
  readonly timeStamp?: string;
}

interface ShownEntry {
  readonly log: string;
  readonly index: number;
  readonly entry: string;
  readonly answer?: string;
  readonly lane?: ShownCheckpoint;
  readonly server?: ShownCheckpoint & { readonly index: number };
}

/** Answer of `GET /messages/{mid}`. */
export function messageSummary(value: unknown): string {
  const { mid, entries } = value as { mid: string; entries: readonly ShownEntry[] };
  return entries.map((entry) => blockOf({ message: mid, ...entrySummary(entry) })).join('\n\n');
}

/** Answer of `POST /checkpoint`. */
export function checkpointSummary(value: unknown): string {
  const { lane, server, counts, failed } = value as {
    readonly lane?: ShownCheckpoint;
    readonly server?: ShownCheckpoint;
    readonly counts: { readonly lane: number; readonly server: number; readonly uncovered: number };
    readonly failed: readonly string[];
  };
  return blockOf({
    lane: lane === undefined ? 'no checkpoint yet' : placeOf(lane),
    server: server === undefined ? 'no checkpoint yet' : placeOf(server),
    ...(server === undefined ? {} : { root: server.root, ...witnessesOf(server) }),
    entries: `${counts.lane} in the lane, ${counts.server} in the server's log, ${counts.uncovered} not covered yet`,
    failed:
      failed.length === 0 ? 'nothing' : `${failed.join(', ')}; it is tried again with the next checkpoint`,
  });
}

function entrySummary({ log, index, entry: octets, answer, lane, server }: ShownEntry): object {
  const entry = JSON.parse(octets) as LogEntry;
  return {
    ...(entry.type === 'message' || entry.type === 'refusal' ? exchangeOf(entry) : { kind: entry.type }),
    ...(answer === undefined ? {} : { answer: `${answer} (show it likewise)` }),
    at: entry.at,
    index: `${index} in ${log}`,
    proven:
      lane === undefined
        ? 'not yet: no checkpoint covers it; onceway-server message checkpoint seals one'
        : `to the lane's checkpoint of size ${lane.size}`,
    ...(server === undefined
      ? {}
      : { 'proven on': `entry ${server.index} of ${placeOf(server)}`, ...witnessesOf(server) }),
  };
}

function exchangeOf({
  message,
  dir,
  peer,
  ...entry
}: Extract<LogEntry, { type: 'message' | 'refusal' }>): object {
  const { header, payload } = parseJws(message);
  const { iss, aud, re, op } = payload;
  const kind = (header['typ'] as string).replace(/^exchange-|\+jws$/g, '');
  const refused = 'refusal' in entry ? (parseJws(entry.refusal).payload['code'] as string) : undefined;
  return {
    kind: refused === undefined ? kind : `${kind}, refused: ${refused}`,
    from: iss,
    to: aud,
    ...(op === undefined ? {} : { operation: op }),
    ...(re === undefined ? {} : { 'answer to': re }),
    direction: dir === 'out' ? `sent by this server to ${peer}` : `taken by this server from ${peer}`,
  };
}

const placeOf = ({ origin, size, at }: ShownCheckpoint): string =>
  `the checkpoint of size ${size} of ${origin}, ${new Date(at).toISOString()}`;

function witnessesOf({ origin, checkpoint, witnessed, timeStamp }: ShownCheckpoint): object {
  const signers = [...checkpoint.matchAll(/^\u2014 ([^ ]+) /gm)].map(([, name]) => name);
  return {
    witnesses:
      witnessed === true
        ? signers.filter((name) => name !== origin).join(', ')
        : 'not yet, or not enough of them',
    'time-stamp': timeStamp === undefined ? 'not yet' : 'there',
  };
}
