// Written by scripts/src/generate-types.ts from schemas/json: change those.
import type {
  ClientId,
  Digest,
  KeyId,
  LogOrigin,
  MemberId,
  MessageId,
  SecurityServerId,
  ServiceId,
  SubsystemId,
  VerifierKey,
} from '../brands.js';

/** null: no body; else its digest, or that it follows, streamed, with a closing. */
export type BodyCommitment =
  | null
  | {
      readonly digest: Digest;
    }
  | {
      readonly follows: true;
    };
/** One compact JWS for each signature.
 *
 *
 *
 * Items: Compact JWS. */
export type Signatures = readonly string[];
/** A content-addressed part of the global configuration. */
export type ConfigurationRecord =
  | MemberRecord
  | SecurityServerRecord
  | PolicyRecord
  | CertificationAuthorityRecord
  | TimeStampingAuthorityRecord
  | GlobalGroupRecord;
/** A leaf of a message log: one JSON object in the one form, at most 65,535 octets. */
export type LogEntry =
  | MessageEntry
  | RefusalEntry
  | OutcomeEntry
  | RightEntry
  | MaterialEntry
  | ErasureEntry
  | KeyEntry
  | LaneEntry
  | NoteEntry;
/** Payload of `management-request+jws`: what a server asks of the registry. */
export type ManagementRequest =
  | RegisterServerRequest
  | RegisterClientRequest
  | ClientRequest
  | RegisterCertificateRequest
  | RemoveCertificateRequest
  | ChangeAddressRequest
  | ServerRequest
  | StartMaintenanceRequest
  | MemberRequest
  | ChangeOwnerRequest
  | SucceedMemberRequest;

/** What a server is given by hand, once: everything else is proven from it. */
export interface Anchor {
  readonly v: 1;
  /** First part of every identifier. */
  readonly instance: string;
  /** The root keys. */
  readonly roots: KeySet;
  readonly witnesses: WitnessPolicy;
  /** The registry's own log, of which every head is an entry. */
  readonly log: ListedLog;
  /** Where configurations are fetched: `GET <url>/configuration`, `GET <url>/records/{digest}`.
   *
   *
   * Items: An absolute http or https URL. */
  readonly distribution: readonly string[];
}
/** C2SP witnesses, k of n. */
export interface WitnessPolicy {
  readonly witnesses: readonly {
    readonly key: VerifierKey;
    /** An absolute http or https URL. */
    readonly url: string;
  }[];
  readonly threshold: number;
}
/** Payload of `capabilities+jws`: what a security server can do beyond the least. */
export interface Capabilities {
  readonly v: 1;
  readonly server: SecurityServerId;
  /** Whole seconds since 1970. */
  readonly issued: number;
  /** Whole seconds since 1970. */
  readonly expires: number;
  /** Largest batch taken; left out: none. */
  readonly batch?: number;
  readonly ext?: Extensions;
}
/** Text shown to people, in both languages. */
export interface Names {
  readonly en: string;
  readonly vi: string;
}
/** The one place for additions. */
export interface Extensions {
  /** What a receiver may not ignore.
   *
   *
   * Items: An id: visible ASCII. */
  readonly must?: readonly string[];
  readonly [k: string]: unknown;
}
/** The configuration a message was made under: `digest` is over the head's payload octets. */
export interface ConfigurationReference {
  readonly seq: number;
  readonly digest: Digest;
}
/** The latest signed checkpoint of the lane that holds the message's entry. */
export interface LogPosition {
  readonly origin: LogOrigin;
  /** 0 before the first checkpoint. */
  readonly size: number;
  /** With size 0 that of the empty tree. */
  readonly root: Digest;
}
/** As LogPosition, and where the request stands. */
export interface LogPlace {
  readonly origin: LogOrigin;
  /** 0 before the first checkpoint. */
  readonly size: number;
  /** With size 0 that of the empty tree. */
  readonly root: Digest;
  /** Zero-based place of the durable entry of the request, in `origin`. */
  readonly index: number;
}
/** As LogPlace; without index where the request was never recorded (`not_recorded`). */
export interface RefusalPlace {
  readonly origin: LogOrigin;
  /** 0 before the first checkpoint. */
  readonly size: number;
  /** With size 0 that of the empty tree. */
  readonly root: Digest;
  /** Zero-based place of the durable entry of the request, in `origin`. */
  readonly index?: number;
}
/** base64url(SHA-256(salt ‖ head)). */
export interface HeadCommitment {
  readonly digest: Digest;
}
/** Answer of `GET /configuration`: everything but the records, which are fetched by digest as they are lacking. */
export interface ConfigurationBundle {
  /** One compact JWS for each signature; all payloads are equal. */
  readonly head: Signatures;
  /** All delegations from the anchor's roots on, oldest first. */
  readonly delegations: readonly Signatures[];
  readonly records: readonly Digest[];
  /** The entry of the registry's log that holds the head's digest. */
  readonly entry: string;
  /** Its C2SP tlog-proof. */
  readonly proof: string;
}
/** Payload of `configuration+jws`. */
export interface ConfigurationHead {
  readonly v: 1;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up by one or more; a server never takes a lower one. */
  readonly seq: number;
  /** The head before; left out in the first. */
  readonly prev?: Digest;
  /** Whole seconds since 1970. */
  readonly issued: number;
  /** Whole seconds since 1970. */
  readonly expires: number;
  /** RFC 6962 root over the records' digests (32 octets each), ascending by their octets. */
  readonly root: Digest;
}
/** What holds for the whole instance. */
export interface PolicyRecord {
  readonly v: 1;
  readonly type: 'policy';
  /** How far two clocks may differ. */
  readonly clockSkewMs: number;
  /** An OCSP answer older than this is asked anew ... */
  readonly ocspFreshnessMs: number;
  /** ... and may serve so much longer while no responder answers. */
  readonly ocspGraceMs: number;
  /** Time-stamps may be behind by this much before exchange stops. */
  readonly stampingBacklogMs: number;
  /** The same of witnesses. */
  readonly witnessBacklogMs: number;
  /** How often servers ask for a newer head. */
  readonly refreshMs: number;
  readonly algorithms: readonly {
    readonly alg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
    /** Whole seconds since 1970. */
    readonly from: number;
    /** Whole seconds since 1970. */
    readonly until?: number;
  }[];
}
/** A member organisation and its subsystems. */
export interface MemberRecord {
  readonly v: 1;
  readonly type: 'member';
  readonly id: MemberId;
  readonly name: Names;
  readonly suspended?: true;
  readonly subsystems: readonly {
    readonly id: SubsystemId;
    readonly name?: Names;
  }[];
}
/** A certificate that may be used in a time span. */
export interface ListedCertificate {
  readonly certificate: Digest;
  /** Whole seconds since 1970. */
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
}
/** A signing certificate: whose it is, and how it signs. */
export interface ListedSigningCertificate {
  readonly certificate: Digest;
  /** Whole seconds since 1970. */
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
  readonly member: MemberId;
  readonly alg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
}
/** A log and the key of its checkpoints. */
export interface ListedLog {
  readonly origin: LogOrigin;
  readonly key: VerifierKey;
}
/** A security server: where it is, what keys it has, for whom it speaks. */
export interface SecurityServerRecord {
  readonly v: 1;
  readonly type: 'security-server';
  /** Its first three parts are the owner member. */
  readonly id: SecurityServerId;
  /** `https://host:port` of the peer listener. */
  readonly address: string;
  readonly authentication: readonly ListedCertificate[];
  readonly signing: readonly ListedSigningCertificate[];
  readonly clients: readonly ClientId[];
  readonly logs: readonly ListedLog[];
  /** Why peers should use another server just now. */
  readonly maintenance?: string;
}
/** An approved certification authority and its OCSP responders. */
export interface CertificationAuthorityRecord {
  readonly v: 1;
  readonly type: 'certification-authority';
  readonly name: string;
  /** Root first, then the issuing authorities.
   *
   *
   * Items: DER in base64. */
  readonly certificates: readonly string[];
  readonly ocsp: readonly {
    /** An absolute http or https URL. */
    readonly url: string;
  }[];
}
/** An approved time-stamping authority. */
export interface TimeStampingAuthorityRecord {
  readonly v: 1;
  readonly type: 'time-stamping-authority';
  readonly name: string;
  /** An absolute http or https URL. */
  readonly url: string;
  /** DER in base64. */
  readonly certificate: string;
}
/** Clients that rights may name together. */
export interface GlobalGroupRecord {
  readonly v: 1;
  readonly type: 'global-group';
  /** An id: visible ASCII. */
  readonly code: string;
  readonly description: Names;
  readonly members: readonly ClientId[];
}
/** Payload of `delegation+jws`, signed by the roots: which keys may sign configurations. */
export interface Delegation {
  readonly v: 1;
  /** First part of every identifier. */
  readonly instance: string;
  readonly seq: number;
  /** Whole seconds since 1970. */
  readonly issued: number;
  /** The keys that sign heads from here on. */
  readonly configuration: KeySet;
  /** The roots from here on, where they change. */
  readonly roots?: KeySet;
}
/** Payload of `description+jws`: the published description of a service. */
export interface DescriptionClaims {
  readonly v: 1;
  readonly service: ServiceId;
  /** Counts up; an older one is not taken. */
  readonly rev: number;
  /** Whole seconds since 1970. */
  readonly issued: number;
  readonly names?: Names;
  /** OpenAPI 3, as JSON text: it has names that read as array indices, which a signed payload must not. */
  readonly document: string;
}
/** Payload of `exchange-answer+jws`. */
export interface AnswerClaims {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** At most 300 s after `iat`. */
  readonly exp: number;
  /** The subsystem that answers. */
  readonly iss: SubsystemId;
  /** The client that asked. */
  readonly aud: ClientId;
  /** The security server that signs. */
  readonly server: SecurityServerId;
  /** The security server that shall receive it. */
  readonly to: SecurityServerId;
  /** W3C traceparent, if sent. */
  readonly trace?: string;
  readonly cfg: ConfigurationReference;
  readonly log: LogPlace;
  readonly head: HeadCommitment;
  readonly body: BodyCommitment;
  /** That of the request. */
  readonly purpose?: string;
  /** The request. */
  readonly re: MessageId;
  /** The endpoint on which the provider decided. */
  readonly op: string;
  /** The `right+jws` on which the provider decided. */
  readonly right?: Digest;
  readonly data?: DataUse;
  readonly ext?: Extensions;
}
/** What was asked of a dataset, and given. */
export interface DataUse {
  /** An id: visible ASCII. */
  readonly dataset: string;
  /** <major>.<minor> */
  readonly version: string;
  /** Items: JSON pointer (RFC 6901). */
  readonly asked: readonly string[];
  /** right ∩ asked, whether a value was present or not.
   *
   * Items: JSON pointer (RFC 6901). */
  readonly given: readonly string[];
}
/** Payload of `exchange-batch+jws`: one signature over several messages. */
export interface BatchClaims {
  readonly v: 1;
  /** Messages in the batch. */
  readonly n: number;
  /** RFC 6962 root over their signing inputs. */
  readonly root: Digest;
}
/** Payload of `exchange-body+jws`: closes a streamed body. */
export interface BodyClaims {
  readonly v: 1;
  /** The opening. */
  readonly re: MessageId;
  /** base64url(SHA-256(salt ‖ body)). */
  readonly digest: Digest;
}
/** Payload of `exchange-refusal+jws`: no head, no body. */
export interface RefusalClaims {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** At most 300 s after `iat`. */
  readonly exp: number;
  /** The owner of the server that refuses. */
  readonly iss: MemberId;
  /** The client that asked. */
  readonly aud: ClientId;
  /** The security server that signs. */
  readonly server: SecurityServerId;
  /** The security server that shall receive it. */
  readonly to: SecurityServerId;
  readonly cfg: ConfigurationReference;
  readonly log: RefusalPlace;
  /** The request. */
  readonly re: MessageId;
  /** Left out where the head, and with it the method, could not be read. */
  readonly op?: string;
  /** From the table of problems; a newer server may know more. */
  readonly code: string;
  /** Opaque id of the rule that refused. */
  readonly rule?: string;
  /** Seconds after which the same may succeed; null where waiting does not help. */
  readonly retry: null | number;
  readonly ext?: Extensions;
}
/** Payload of `exchange-request+jws`. */
export interface RequestClaims {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** At most 300 s after `iat`. */
  readonly exp: number;
  /** The subsystem that asks. */
  readonly iss: ClientId;
  /** The service asked for. */
  readonly aud: ServiceId;
  /** The security server that signs. */
  readonly server: SecurityServerId;
  /** The security server that shall receive it. */
  readonly to: SecurityServerId;
  /** W3C traceparent, if sent. */
  readonly trace?: string;
  readonly cfg: ConfigurationReference;
  readonly log: LogPosition;
  readonly head: HeadCommitment;
  readonly body: BodyCommitment;
  /** The id in the head's `Data-Purpose` line. */
  readonly purpose?: string;
  readonly form?: FormUse;
  readonly ext?: Extensions;
}
/** The form that a request submits, as its `Data-Form` line names it. */
export interface FormUse {
  /** An id: visible ASCII. */
  readonly form: string;
  /** <major>.<minor> */
  readonly version: string;
  /** Where each fact came from: names only, never values. */
  readonly facts: {
    readonly [k: string]: MessageId | 'typed' | 'changed' | 'follows';
  };
}
/** Raw keys, k of n. */
export interface KeySet {
  readonly keys: readonly RawKey[];
  readonly threshold: number;
}
/** A raw Ed25519 key: SubjectPublicKeyInfo in DER, base64; `kid` is its digest. */
export interface RawKey {
  readonly kid: KeyId;
  /** DER in base64. */
  readonly publicKey: string;
}
/** A party's own pseudonym of whom or what an exchange is about; never sent. */
export interface About {
  readonly role: 'actor' | 'case' | 'subject' | 'exchange';
  /** Quarter of the key, UTC. */
  readonly k: string;
  /** base64url of the first 16 octets of HMAC-SHA-256(K, type ‖ 0x00 ‖ id). */
  readonly p: string;
}
/** A request or answer that was sent or taken. */
export interface MessageEntry {
  readonly v: 1;
  readonly type: 'message';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly dir: 'in' | 'out';
  /** The envelope. */
  readonly message: string;
  /** Place in a batch, as `Exchange-Batch` held it. */
  readonly batch?: string;
  /** Second JWS of a streamed body. */
  readonly closing?: string;
  readonly peer: SecurityServerId;
  /** The configuration under which this server decided; with another than the message's, both are here. */
  readonly cfg: ConfigurationReference;
  /** Certificates the decision relied on, leaf first. */
  readonly chain: readonly Digest[];
  /** OCSP answer the decision relied on. */
  readonly ocsp?: Digest;
  /** Opaque id of the access rule that decided. */
  readonly rule?: string;
  readonly about: readonly About[];
}
/** A request whose signature was proven and that was then refused, with the signed refusal. */
export interface RefusalEntry {
  readonly v: 1;
  readonly type: 'refusal';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly dir: 'in' | 'out';
  /** The request. */
  readonly message: string;
  /** Compact JWS. */
  readonly refusal: string;
  readonly peer: SecurityServerId;
  /** The configuration under which this server decided; with another than the message's, both are here. */
  readonly cfg: ConfigurationReference;
  /** Certificates the decision relied on, leaf first. */
  readonly chain: readonly Digest[];
  /** OCSP answer the decision relied on. */
  readonly ocsp?: Digest;
  /** Opaque id of the access rule that decided. */
  readonly rule?: string;
  readonly about: readonly About[];
}
/** What became of a request that has no answer. */
export interface OutcomeEntry {
  readonly v: 1;
  readonly type: 'outcome';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  /** Of the request: one lane may hold both parties'. */
  readonly dir: 'in' | 'out';
  readonly re: MessageId;
  readonly outcome: 'not_sent' | 'unknown' | 'aborted' | 'not_recorded';
}
/** An access right, on both sides. */
export interface RightEntry {
  readonly v: 1;
  readonly type: 'right';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  /** The `right+jws`. */
  readonly right: string;
}
/** Validation material, kept once and entered before the first message that relied on it. */
export interface MaterialEntry {
  readonly v: 1;
  readonly type: 'material';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly kind: 'certificate' | 'ocsp' | 'configuration' | 'delegation' | 'record' | 'right';
  /** SHA-256 of the octets; of a configuration, of its head's payload. */
  readonly digest: Digest;
  /** The octets in base64 (DER), or text where the material is text. */
  readonly octets: string;
}
/** Heads, bodies and salts that were erased. */
export interface ErasureEntry {
  readonly v: 1;
  readonly type: 'erasure';
  /** A clock that went back repeats the last one. */
  readonly at: number;

  readonly messages: readonly MessageId[];
  readonly ground: string;
}
/** The life of a pseudonym or body key. */
export interface KeyEntry {
  readonly v: 1;
  readonly type: 'key';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly event: 'created' | 'destroyed';
  readonly key: string;
}
/** A lane's opening, checkpoint or closing, in the server's log. */
export interface LaneEntry {
  readonly v: 1;
  readonly type: 'lane';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly origin: LogOrigin;
  readonly event: 'opened' | 'checkpoint' | 'closed';
  /** The lane's key when opened; its signed note otherwise. */
  readonly note: string;
}
/** What else is worth an entry: summaries, exports. */
export interface NoteEntry {
  readonly v: 1;
  readonly type: 'note';
  /** A clock that went back repeats the last one. */
  readonly at: number;
  readonly note: string;
  readonly count?: number;
  readonly peer?: SecurityServerId;
}
/** Admits a security server with its first keys. */
export interface RegisterServerRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'register-server';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  /** An absolute http or https URL. */
  readonly address: string;
  /** DER in base64. */
  readonly authentication: string;
  /** DER in base64. */
  readonly signing: string;

  readonly logs: readonly ListedLog[];
}
/** Lets a client speak through the server. */
export interface RegisterClientRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'register-client';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly client: ClientId;
  /** Where the client's member is not the owner. */
  readonly signing?: string;
}
/** Takes a client away, or stops it for a time. */
export interface ClientRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'remove-client' | 'suspend-client' | 'lift-client';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly client: ClientId;
  /** Shown to who decides. */
  readonly reason?: string;
}
/** Lists one more certificate; of `member`, where it signs. */
export interface RegisterCertificateRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'register-certificate';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly usage: 'authentication' | 'signing';
  /** DER in base64. */
  readonly certificate: string;
}
/** Takes a certificate off the list. */
export interface RemoveCertificateRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'remove-certificate';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly certificate: Digest;
}
/** Moves the peer listener. */
export interface ChangeAddressRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'change-address';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  /** An absolute http or https URL. */
  readonly address: string;
}
/** Takes the server away, stops it for a time, or lets it go on. */
export interface ServerRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'remove-server' | 'suspend-server' | 'lift-server' | 'end-maintenance';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  /** Shown to who decides. */
  readonly reason?: string;
}
/** Asks peers to use another server. */
export interface StartMaintenanceRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'start-maintenance';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  /** Shown to peers. */
  readonly message: string;
}
/** Admits a member, takes it away, or stops it for a time. */
export interface MemberRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'register-member' | 'remove-member' | 'suspend-member' | 'lift-member';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly subject: MemberId;
  /** Shown to who decides. */
  readonly reason?: string;
}
/** Gives the server to another member. */
export interface ChangeOwnerRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'change-owner';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly owner: MemberId;
}
/** One member takes the place of another. */
export interface SucceedMemberRequest {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly jti: string;
  /** Whole seconds since 1970. */
  readonly exp: number;
  /** First part of every identifier. */
  readonly instance: string;
  /** Counts up per server. */
  readonly seq: number;
  readonly type: 'succeed-member';
  readonly member: MemberId;
  readonly server: SecurityServerId;
  readonly successor: MemberId;
  /** Shown to who decides. */
  readonly reason?: string;
}
/** Protected header of what a member signs: no other member is allowed. */
export interface MessageHeader {
  readonly alg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
  readonly typ: string;
  /** The signing certificate. */
  readonly 'x5t#S256': Digest;
  /** Whole seconds since 1970. */
  readonly iat: number;
}
/** Protected header of what a raw key signs: no other member is allowed. */
export interface RawKeyHeader {
  readonly alg: 'EdDSA';
  readonly typ: string;
  readonly kid: KeyId;
  /** Whole seconds since 1970. */
  readonly iat?: number;
}
/** Payload of `right+jws`: an access right as its provider decided it. */
export interface RightClaims {
  readonly v: 1;
  /** RFC 9562 §5.7, lower case. */
  readonly id: string;
  /** 1 when granted or refused first. */
  readonly rev: number;
  /** The revision before; left out in the first. */
  readonly prev?: Digest;
  readonly provider: SubsystemId;
  readonly consumer:
    | {
        readonly client: ClientId;
      }
    | {
        /** An id: visible ASCII. */
        readonly group: string;
      }
    | {
        /** An id: visible ASCII. */
        readonly localGroup: string;
      };
  /** Of a plain right. */
  readonly service?: ServiceId;
  /** Of a right to data. */
  readonly dataset?: string;
  /** Empty in a plain right.
   *
   * Items: JSON pointer (RFC 6901). */
  readonly attributes: readonly string[];
  /** Empty: the whole service. */
  readonly endpoints: readonly {
    readonly method: string;
    readonly path: string;
  }[];
  /** Items: An id: visible ASCII. */
  readonly purposes: readonly string[];
  /** Whole seconds since 1970. */
  readonly from: number;
  /** Exclusive; left out: until it is revoked. */
  readonly until?: number;
  /** Requests a day; left out: no quota. */
  readonly quota?: number;
  readonly state: 'granted' | 'changed' | 'revoked' | 'refused';
  readonly reason: string;
  /** Pseudonym of who decided. */
  readonly decidedBy: string;
  readonly ext?: Extensions;
}
