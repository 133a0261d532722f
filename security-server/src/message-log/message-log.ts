// What the rest of the server asks of its evidence (design §5). How it is stored is decided beside this file.
// Whoever appends has verified what he appends: the log proves that nothing was removed or changed, not that it was true.
import type { KeyObject } from 'node:crypto';
import type { Digest, LogOrigin, MessageId, SubsystemId } from '@onceway/schemas';
import type {
  ErasureEntry,
  KeyEntry,
  LogEntry,
  MaterialEntry,
  MessageEntry,
  NoteEntry,
  OutcomeEntry,
  RefusalEntry,
  RightEntry,
  Written,
} from '@onceway/sdk/protocol';
import type { SpooledBody, SpoolWriter } from './storage/spool.js';

export { SpooledBody } from './storage/spool.js';

/** An entry before the log gives it its time. */
export type Draft<T extends LogEntry = LogEntry> = T extends LogEntry ? Written<Omit<T, 'v' | 'at'>> : never;

/** `out`: sent by this server, `in`: taken by it. A server that hosts both parties of an exchange records each of its
 *  messages twice in one lane, once for each; hence a message is named by its mid and this. An entry of type `refusal`
 *  has that of the request in it. */
export type Direction = MessageEntry['dir'];

/** A body that came whole: in memory, or on disk where it was streamed; null where there is none. */
export type Body = Buffer | SpooledBody | null;

/** What a message commits to, octet for octet; erased as a whole, with that of its answer. */
export interface Content {
  readonly head: Buffer;
  readonly body: Body;
  readonly salts: { readonly head: Buffer; readonly body: Buffer | null };
}

/** Validation material that a message relied on: entered before the first such message, once per lane. */
export interface Material {
  readonly kind: MaterialEntry['kind'];
  readonly digest: Digest;
  /** DER of certificates and OCSP answers, UTF-8 of everything else; only called when the lane does not hold it yet. */
  readonly octets: () => Buffer;
}

export interface Recorded {
  /** Zero-based place in the lane. */
  readonly index: number;
  /** The entry's time, ms since 1970. */
  readonly at: number;
}

export interface ExchangeState {
  /** Of a request that was refused as it came, the refusal's own index and entry. */
  readonly requestIndex: number;
  readonly request: MessageEntry | RefusalEntry;
  /** `content` is undefined for a refusal and after erasure. */
  readonly answer?: {
    readonly mid: MessageId;
    readonly index: number;
    readonly entry: MessageEntry | RefusalEntry;
    readonly content: Content | undefined;
  };
  /** The newest outcome entry. */
  readonly outcome?: OutcomeEntry['outcome'];
}

/** A checkpoint as signed by the log itself: `note` is the note text, its blank line and the log's signature line. */
export interface Checkpoint {
  readonly origin: LogOrigin;
  readonly size: number;
  readonly root: Digest;
  readonly note: string;
  /** When it was signed, ms. */
  readonly at: number;
}

/** A checkpoint of the server's log, with what others have said to it so far. */
export interface WitnessedCheckpoint extends Checkpoint {
  /** Cosignature lines (C2SP cosignature/v1), each ending in a newline; undefined until the quorum gave them. */
  readonly cosignatures: string | undefined;
  /** RFC 3161 token, DER, over `note`; undefined until there is one. */
  readonly timeStamp: Buffer | undefined;
}

export interface LoggedEntry {
  readonly log: LogOrigin;
  readonly index: number;
  /** As stored and hashed. */
  readonly octets: Buffer;
}

/** An entry of the lane, proven up to a checkpoint of the server's log in two steps; a step is missing until the
 *  next checkpoint covers it. Proofs run from the leaf's sibling up to the root's child. */
export interface ProvenEntry extends LoggedEntry {
  readonly lane?: { readonly checkpoint: Checkpoint; readonly proof: readonly Buffer[] };
  /** `entry` is the `lane` entry that holds the lane's checkpoint. */
  readonly server?: {
    readonly entry: LoggedEntry;
    readonly checkpoint: WitnessedCheckpoint;
    readonly proof: readonly Buffer[];
  };
}

/** A checkpoint that waits for the witnesses, and how far the last one that they signed reached. */
export interface Unwitnessed {
  readonly checkpoint: Checkpoint;
  readonly witnessedSize: number;
}

export interface MessageLog {
  /** This process's lane: where its messages lie. */
  readonly lane: LogOrigin;
  /** The server's one witnessed and time-stamped log. */
  readonly server: LogOrigin;
  /** When it was noticed that this log ends before what it once promised (it was lost, or restored from a copy), ms.
   *  Every message with iat ≤ this + skew must be refused: whether it came before can not be known (design §4.7). */
  readonly restoredAtMs: number | undefined;

  /** The lane's latest signed checkpoint, as claim `log` of a message: size 0 and the empty root before the first. */
  promise(): { readonly origin: LogOrigin; readonly size: number; readonly root: Digest };

  /** Where a body that is streamed waits for its entry.
   *  @param whose who has it come or go: none of them has more than its share
   *  @throws {OncewayError} `busy`, `log_unavailable` */
  spool(...whose: readonly string[]): Promise<SpoolWriter>;

  /** Records a request. Like each append it resolves once entry, content and material are on stable storage; when it
   *  rejects, nothing of it may be relied on and the message must not go on. A crash leaves all of it or nothing.
   *  @param options `opening`: mid of the opening, where the body was streamed and `mid` is its closing's; it leads
   *  here, too
   *  @throws {OncewayError} `message_void` when the mid was declared not recorded, `message_replayed` when it was
   *  recorded before, `log_unavailable` when it can not be written: the log recovers by itself */
  appendRequest(
    entry: Draft<MessageEntry>,
    mid: MessageId,
    options: {
      readonly content: Content;
      readonly materials: readonly Material[];
      readonly opening?: MessageId | undefined;
    },
  ): Promise<Recorded>;
  /** Records the answer to request `re`, which must be recorded in the other direction. The same answer again gives its
   *  first place.
   *  @throws {OncewayError} `conflict` when another answer or refusal was recorded, `log_unavailable` */
  appendAnswer(
    entry: Draft<MessageEntry>,
    mid: MessageId,
    re: MessageId,
    options: { readonly content: Content; readonly materials: readonly Material[] },
  ): Promise<Recorded>;
  /** Records a refusal together with its request of the same `dir`, recorded before (always a consumer's) or not.
   *  @param compose makes the entry for the place it is given, synchronously: a refusal says where its request stands
   *  @throws {OncewayError} `conflict` when another answer or refusal was recorded, `message_void`, `log_unavailable`;
   *  whatever compose throws */
  appendRefusal(
    compose: (index: number) => { readonly entry: Draft<RefusalEntry>; readonly mid: MessageId },
    requestMid: MessageId,
    options: { readonly materials: readonly Material[] },
  ): Promise<Recorded>;
  /** Records what became of request `re`, which must be recorded; a later outcome overrules an earlier one.
   *  @throws {OncewayError} `log_unavailable` */
  appendOutcome(re: MessageId, dir: Direction, outcome: OutcomeEntry['outcome']): Promise<Recorded>;
  /** Enters material by itself, e.g. a refreshed OCSP answer; nothing when the lane holds it.
   *  @throws {OncewayError} `log_unavailable` */
  appendMaterials(materials: readonly Material[]): Promise<void>;
  /** An entry of the server's log. @throws {OncewayError} `log_unavailable` */
  appendToServerLog(entry: Draft<NoteEntry | RightEntry | KeyEntry | ErasureEntry>): Promise<Recorded>;

  /** What is recorded of the exchange whose request has this mid. @throws {OncewayError} `log_broken` */
  exchange(mid: MessageId, dir: Direction): Promise<ExchangeState | undefined>;
  /** Head, body and salts of a request or answer; undefined when unknown or erased. @throws {OncewayError} `log_broken` */
  content(mid: MessageId, dir: Direction): Promise<Content | undefined>;
  /** Decides for ever between "it was recorded" and "it will not be": after 'void' (durable) every incoming request
   *  with this mid is refused until `untilMs`, when the message is expired anyway.
   *  @throws {OncewayError} `log_unavailable` */
  declareNotRecorded(mid: MessageId, untilMs: number): Promise<'void' | 'recorded'>;
  /** Incoming requests (refused ones that were entered too) with an entry time ≥ atMs, oldest first: the replay window. */
  requestsSince(
    atMs: number,
  ): AsyncIterable<{ readonly iss: SubsystemId; readonly jti: string; readonly expMs: number }>;
  /** Requests with neither answer, refusal nor outcome, oldest first. */
  unanswered(): Promise<readonly { readonly mid: MessageId; readonly dir: Direction }[]>;

  /** The entries of this message (request, answer or refusal), oldest first, proven as far as checkpoints reach. */
  messages(mid: MessageId): Promise<readonly ProvenEntry[]>;
  /** The entry of a validation material, in the lane; undefined when no message here relied on it. */
  material(digest: Digest): Promise<Buffer | undefined>;
  /** One entry, checked against its hash. @throws {OncewayError} `not_found`, `log_broken` */
  entry(log: LogOrigin, index: number): Promise<Buffer>;
  /** @throws {OncewayError} `not_found` for an origin or size that is not here */
  inclusionProof(log: LogOrigin, index: number, size: number): Promise<readonly Buffer[]>;
  /** @throws {OncewayError} `not_found` for an origin or size that is not here */
  consistencyProof(log: LogOrigin, from: number, to: number): Promise<readonly Buffer[]>;
  latestCheckpoints(): {
    readonly lane: Checkpoint | undefined;
    readonly server: WitnessedCheckpoint | undefined;
  };
  /** Durable entries of each log, and those of the lane that no checkpoint covers yet. */
  counts(): { readonly lane: number; readonly server: number; readonly uncovered: number };
  /** Reads everything and compares entries, hashes and checkpoints. Long. @throws {OncewayError} `log_broken` */
  verify(): Promise<void>;

  /** Signs the lane's checkpoint, enters it in the server's log, signs that log's, and keeps all of it durably; signs
   *  nothing where nothing was added. Calls nobody: jobs/seal-checkpoint.ts does. @throws {OncewayError} `log_unavailable` */
  sealCheckpoint(): Promise<void>;
  /** The newest checkpoint of the server's log, while it is not cosigned. */
  unwitnessed(): Unwitnessed | undefined;
  /** The newest checkpoint of the server's log, while it is not stamped. */
  unstamped(): Checkpoint | undefined;
  /** `lines` satisfy the witness policy: the caller verified them. */
  keepCosignatures(size: number, lines: string): Promise<void>;
  /** `token` (DER) stamps the note of this size: the caller verified it. */
  keepTimeStamp(size: number, token: Buffer): Promise<void>;
  /** Age of the oldest entry of the lane that no cosigned checkpoint covers, ms; 0 without one. */
  witnessBacklogMs(): number;
  /** Age of the oldest entry of the lane that no stamped checkpoint covers, ms; 0 without one. */
  stampingBacklogMs(): number;

  /** Waits for what is being written, seals a last checkpoint if it can, and lets go of the files. */
  close(): Promise<void>;
}

/** What the log needs of the token (keys/signer.ts). */
export interface LogKeys {
  /** Ed25519 private key of "server" and of each lane. */
  logKey(name: string): KeyObject;
  wrapContentKey(raw: Buffer): Buffer;
  unwrapContentKey(wrapped: Buffer): Buffer;
}
