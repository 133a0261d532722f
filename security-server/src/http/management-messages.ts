// What an auditor gets for one message: all that is needed to verify it with node:crypto alone. Nothing is verified
// here: he shall not have to believe this server. Hashes, keys and DER in base64, as C2SP writes them.
import type { Digest, MessageId, SecurityServerId } from '@onceway/schemas';
import type { ConfigurationClient } from '@onceway/sdk/configuration';
import {
  OncewayError,
  parseEntry,
  type LogEntry,
  type MessageEntry,
  type RefusalEntry,
} from '@onceway/sdk/protocol';
import {
  SpooledBody,
  type Checkpoint,
  type MessageLog,
  type ProvenEntry,
  type WitnessedCheckpoint,
} from '../message-log/message-log.js';

type Log = Pick<MessageLog, 'messages' | 'exchange' | 'material' | 'content' | 'appendToServerLog'>;

/** What a view is put together from. */
export interface MessageSources {
  readonly log: Log;
  readonly configuration: Pick<ConfigurationClient, 'past' | 'record'>;
  /** Whose log it is. */
  readonly server: SecurityServerId;
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

/** The message's entries (two, where this server hosts both parties), each with its proofs as far as checkpoints reach,
 *  the material and the configuration it relied on, and what answered a request.
 *  @throws {OncewayError} `not_found`, `log_broken`, `configuration_invalid` */
export async function messageView(sources: MessageSources, mid: MessageId): Promise<object> {
  const entries = await sources.log.messages(mid);
  if (entries.length === 0) throw new OncewayError('not_found', `no message ${mid}`);
  return { mid, entries: await Promise.all(entries.map((entry) => entryView(sources, mid, entry))) };
}

async function entryView(
  sources: MessageSources,
  mid: MessageId,
  { log: origin, index, octets, lane, server }: ProvenEntry,
): Promise<object> {
  const { log } = sources;
  const entry = parseEntry(octets);
  const isMessage = entry.type === 'message' || entry.type === 'refusal';
  const exchange = isMessage ? await log.exchange(mid, entry.dir) : undefined;
  return {
    log: origin,
    index,
    entry: octets.toString('utf8'),
    ...(exchange?.answer === undefined ? {} : { answer: exchange.answer.mid }),
    ...(isMessage ? configurationView(sources, entry) : {}),
    ...(lane === undefined
      ? {}
      : { lane: { ...checkpointView(lane.checkpoint), proof: lane.proof.map(base64) } }),
    ...(server === undefined
      ? {}
      : {
          server: {
            ...witnessedView(server.checkpoint),
            index: server.entry.index,
            entry: server.entry.octets.toString('utf8'),
            proof: server.proof.map(base64),
          },
        }),
    materials: await materialsOf(log, entry),
  };
}

/** Head, body and salts, while they are kept; with a streamed body the JSON comes in pieces. Taking them out is entered in the log: erasure does not reach the copy.
 *  @param by pseudonym or name of the API key; @param ground a decision's number, never a person's name
 *  @throws {OncewayError} `not_found` when unknown or erased, `log_unavailable` */
export async function exportContent(
  log: Log,
  mid: MessageId,
  { by, ground }: { readonly by: string; readonly ground: string },
): Promise<object | AsyncIterable<string>> {
  // What was sent and what was taken are the same octets.
  const content = (await log.content(mid, 'in')) ?? (await log.content(mid, 'out'));
  if (content === undefined) throw new OncewayError('not_found', `no content of ${mid}`);
  await log.appendToServerLog({ type: 'note', note: `content of ${mid} exported by ${by}: ${ground}` });
  const { head, body, salts } = content;
  const view = {
    head: base64(head),
    salts: { head: base64(salts.head), body: salts.body === null ? null : base64(salts.body) },
  };
  if (body instanceof SpooledBody) return streamedView(view, body);
  return { ...view, body: body === null ? null : base64(body) };
}

/** The same JSON, whatever the size of the body. */
async function* streamedView(view: object, body: SpooledBody): AsyncGenerator<string> {
  yield `${JSON.stringify(view).slice(0, -1)},"body":"`;
  // Base64 takes three octets at a time.
  let rest = Buffer.alloc(0);
  for await (const chunk of body.read()) {
    const octets = Buffer.concat([rest, chunk]);
    const whole = octets.length - (octets.length % 3);
    yield base64(octets.subarray(0, whole));
    rest = octets.subarray(whole);
  }
  yield `${base64(rest)}"}`;
}

export function checkpointView({ origin, size, root, note, at }: Checkpoint): object {
  return { origin, size, root, at, checkpoint: note };
}

export function witnessedView(checkpoint: WitnessedCheckpoint): object {
  const { cosignatures, timeStamp } = checkpoint;
  return {
    ...checkpointView(checkpoint),
    // Cosignature lines stand below the log's own: together they are one note.
    ...(cosignatures === undefined ? {} : { checkpoint: checkpoint.note + cosignatures, witnessed: true }),
    ...(timeStamp === undefined ? {} : { timeStamp: base64(timeStamp) }),
  };
}

/** The configuration by which the entry was decided: all of its digests, and the records that say who its parties are.
 *  Empty where this server lost it; what it relied on is then only what the log holds. */
function configurationView(
  { configuration, server }: MessageSources,
  { cfg, peer }: MessageEntry | RefusalEntry,
): object {
  const past = configuration.past(cfg.digest);
  if (past === undefined) return {};
  const { bundle, view } = past;
  const { policy, authorities, timeStampingAuthorities } = view;
  const servers = [...new Set([server, peer])].map((id) => view.server(id));
  const records = [policy, ...authorities, ...timeStampingAuthorities, ...servers].flatMap((record) =>
    record === undefined ? [] : (configuration.record(view.digestOf(record))?.toString('utf8') ?? []),
  );
  const { head, delegations, records: digests, entry, proof } = bundle;
  return { configuration: { head, delegations, digests, records, entry, proof } };
}

async function materialsOf(log: Log, entry: LogEntry): Promise<object[]> {
  if (entry.type !== 'message' && entry.type !== 'refusal') return [];
  const digests = [...entry.chain, ...(entry.ocsp === undefined ? [] : [entry.ocsp]), entry.cfg.digest];
  const materials = await Promise.all([...new Set<Digest>(digests)].map((digest) => log.material(digest)));
  return materials.flatMap((found) => {
    const material = found && parseEntry(found);
    if (material?.type !== 'material') return [];
    const { kind, digest, octets: content } = material;
    const pem = `-----BEGIN CERTIFICATE-----\n${content.replaceAll(/(.{64})(?=.)/g, '$1\n')}\n-----END CERTIFICATE-----\n`;
    return [{ kind, digest, octets: content, ...(kind === 'certificate' ? { pem } : {}) }];
  });
}
