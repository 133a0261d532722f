// What each step of the two lines hands to the next. A stage is made only by its step (`stage()` stands there once),
// so that leaving a step out does not compile: forward takes a Recorded, deliver an Authorized that is Recorded.
import type { ServerResponse } from 'node:http';
import type { ClientId, Digest, MessageId, ServiceId } from '@onceway/schemas';
import type {
  AnswerClaims,
  AnswerHead,
  Envelope,
  HeadLine,
  RefusalClaims,
  RequestClaims,
  RequestHead,
  Salts,
  SecurityServerRecord,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Channel } from '../clients/client-connections.js';
import type { SigningKey } from '../keys/signer.js';
import type { Body } from '../message-log/message-log.js';
import type { Service } from '../services/service.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import type { PeerTransfer } from '../transport/peer-transfer.js';
import type { PeerReply } from '../transport/peer-reply.js';
import type { PeerConnection } from '../transport/peer-transport.js';
import type { Credential } from '../trust/credentials.js';

declare const name: unique symbol;
type Stage<Name extends string, T> = T & { readonly [name]: Readonly<Record<Name, true>> };
type Unmarked<S> = S extends unknown ? Omit<S, typeof name> : never;

/** A body as a line may meet it: whole, or still to come. */
export type AnyBody = Body | ArrivingBody;

/** A message whose body is all here; only such a one is recorded. */
export type Whole<S> = S & { readonly body: Body };

/** Whether there is nothing to wait for: a body up to 256 KiB, none, or one that was taken already. */
export function isWhole<S extends { readonly body: AnyBody }>(message: S): message is Whole<S> {
  return !(message.body instanceof ArrivingBody);
}

/** Marks the result of a step. Only steps call it. */
export function stage<S>(value: Unmarked<S>): S {
  return value as S;
}

// --- the consumer's line ---

interface RequestContent {
  readonly method: string;
  readonly target: string;
  /** Without the thirteen that never travel. */
  readonly lines: readonly HeadLine[];
  readonly body: AnyBody;
}

/** What an information system sent, bounded, nothing of it believed. */
export interface ReceivedRequest extends RequestContent {
  /** What its connection proves; from authenticate on nobody asks. */
  readonly channel: Channel;
}

/** ... with the lines in which it will be signed: the same in every attempt. */
export type Identified = Stage<'Identified', ReceivedRequest>;

export type Authenticated = Stage<'Authenticated', RequestContent & { readonly client: ClientId }>;

export type Routed = Stage<
  'Routed',
  Authenticated & {
    readonly service: ServiceId;
    /** Servers that host the provider, the preferred first. */
    readonly candidates: readonly SecurityServerRecord[];
  }
>;

export type Connected = Stage<
  'Connected',
  Omit<Unmarked<Routed>, 'candidates'> & {
    readonly provider: SecurityServerRecord;
    readonly connection: PeerConnection;
  }
>;

/** A message in the form in which it travels and is kept. */
export interface SealedMessage {
  /** Of a streamed body, once it is whole: the closing's. */
  readonly mid: MessageId;
  readonly envelope: string;
  readonly head: Buffer;
  readonly body: AnyBody;
  readonly salts: Salts;
  readonly closed?: Closed | undefined;
}

/** What ends a streamed body. */
export interface Closed {
  /** Mid of the opening. */
  readonly opening: MessageId;
  /** The closing, compact. */
  readonly closing: string;
}

export type SealedRequest = Stage<
  'SealedRequest',
  Omit<RequestOnRecord, 'body'> & {
    readonly body: AnyBody;
    readonly connection: PeerConnection;
    readonly signer: SigningKey;
    /** Its body was sent already; only the closing is held back. */
    readonly transfer?: PeerTransfer;
  }
>;

export type RecordedRequest = Stage<'RecordedRequest', Whole<SealedRequest>>;

/** A recorded request as far as a reply is judged by it: in the line, or read back from the log later. */
export type RequestOnRecord = Whole<SealedMessage> & {
  readonly client: ClientId;
  readonly provider: SecurityServerRecord;
  readonly claims: Pick<RequestClaims, 'iss' | 'aud' | 'server' | 'to'>;
  readonly requestHead: RequestHead;
};

export type Forwarded = Stage<
  'Forwarded',
  {
    readonly request: RequestOnRecord;
    readonly reply: PeerReply;
    /** Asked for after the connection broke: its `exp` is not applied. */
    readonly fetchedLater: boolean;
  }
>;

/** An answer or refusal whose signature, signer and commitments are proven; not yet that it belongs to the request. */
export type OpenedReply = Stage<
  'OpenedReply',
  {
    readonly request: RequestOnRecord;
    readonly signer: Credential;
    /** The configuration by which it was judged; the entry names it. */
    readonly trust: TrustView;
  } & (
    | {
        readonly kind: 'answer';
        readonly message: Envelope<AnswerClaims>;
        readonly head: Buffer;
        readonly answerHead: AnswerHead;
        readonly body: Body;
        readonly salts: Salts;
        readonly closed?: Closed | undefined;
      }
    | { readonly kind: 'refusal'; readonly message: Envelope<RefusalClaims> }
  )
>;

export type BoundReply = Stage<'BoundReply', OpenedReply>;

/** What the information system gets. */
export interface Answer {
  readonly head: AnswerHead;
  readonly body: Body;
  readonly requestId: MessageId;
  readonly answerId: MessageId;
}

// --- the provider's line ---

/** What came over a peer's connection, bounded, nothing of it believed. */
export interface ReceivedMessage {
  /** Digest of the certificate the connection shows, and the certificate itself. */
  readonly certificate: Digest;
  readonly envelope: string | undefined;
  readonly head: string | undefined;
  readonly salts: string | undefined;
  readonly body: Buffer | ArrivingBody | null;
  /** Over which a streamed answer goes back; a question has none. */
  readonly response?: ServerResponse | undefined;
}

export type FromServer = Stage<'FromServer', ReceivedMessage & { readonly peer: SecurityServerRecord }>;

/** A request proven to be signed by its sender's member, for us, in time. What is refused from here on is refused
 *  under our signature and stands in the log. */
export type ProvenRequest = Stage<
  'ProvenRequest',
  {
    readonly received: FromServer;
    readonly peer: SecurityServerRecord;
    readonly trust: TrustView;
    readonly message: Envelope<RequestClaims>;
    readonly signer: Credential;
  }
>;

/** ... that did not come before. */
export type Fresh = Stage<'Fresh', ProvenRequest>;

/** ... whose content is what was signed. */
export type OpenedRequest = Stage<
  'OpenedRequest',
  Fresh & {
    readonly head: Buffer;
    readonly requestHead: RequestHead;
    readonly path: string;
    readonly query: string;
    readonly body: AnyBody;
    readonly salts: Salts;
    /** Of a streamed body that is whole; `message.mid` is then the closing's. */
    readonly closed?: Closed;
  }
>;

export type Authorized = Stage<
  'Authorized',
  Omit<Unmarked<OpenedRequest>, 'received'> & {
    readonly work: Work;
    readonly rule: string | undefined;
    readonly op: string;
    readonly right: Digest | undefined;
  }
>;

/** What an authorised request sets in motion: a call of the service, or an answer about services. */
export type Work =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'metadata'; readonly answer: () => ServiceResult };

export type Accepted = Stage<'Accepted', { readonly request: Whole<Authorized>; readonly index: number }>;

export interface ServiceResult {
  readonly status: number;
  readonly lines: readonly HeadLine[];
  readonly body: Buffer | ArrivingBody | null;
}

export type Delivered = Stage<'Delivered', { readonly accepted: Accepted; readonly result: ServiceResult }>;

/** What the service gave, and may still be given to who asked, under the configuration and rights of now. */
export type Releasable = Stage<'Releasable', Delivered & { readonly trust: TrustView }>;

export type SealedAnswer = Stage<
  'SealedAnswer',
  SealedMessage & {
    readonly request: Whole<Authorized>;
    readonly trust: TrustView;
    readonly signer: SigningKey;
  }
>;

export type RecordedAnswer = Stage<'RecordedAnswer', Whole<SealedAnswer>>;

/** What goes back over the peer's connection. */
export type Reply =
  | {
      readonly kind: 'signed';
      readonly envelope: string;
      readonly head?: Buffer;
      readonly salts?: Salts;
      readonly body: Body;
      readonly closed?: Closed | undefined;
    }
  | { readonly kind: 'running' };
