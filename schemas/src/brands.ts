// Names for strings that must not be mixed up. Each is made only by its parser in @onceway/sdk/protocol;
// nothing here checks anything.

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `INSTANCE/CLASS/CODE`, each part percent-encoded (docs/protocol.md#identifiers). */
export type MemberId = Brand<string, 'MemberId'>;
/** `INSTANCE/CLASS/CODE/SUBSYSTEM`. */
export type SubsystemId = Brand<string, 'SubsystemId'>;
/** Who may speak: a subsystem, or a member without one. */
export type ClientId = MemberId | SubsystemId;
/** `INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE`. */
export type ServiceId = Brand<string, 'ServiceId'>;
/** `INSTANCE/CLASS/CODE/SERVERCODE`: same shape as a subsystem, another thing. */
export type SecurityServerId = Brand<string, 'SecurityServerId'>;

/** base64url of a SHA-256, 43 characters. */
export type Digest = Brand<string, 'Digest'>;
/** base64url(SHA-256(protected ‖ "." ‖ payload)) of a message (docs/protocol.md#message-id). */
export type MessageId = Brand<string, 'MessageId'>;
/** base64url(SHA-256(SubjectPublicKeyInfo)) of a raw key. */
export type KeyId = Brand<string, 'KeyId'>;
/** Name of a log: schema-less URL, unique for ever (C2SP tlog-checkpoint). */
export type LogOrigin = Brand<string, 'LogOrigin'>;
/** `<name>+<hash>+<base64 key>` (C2SP signed-note vkey). */
export type VerifierKey = Brand<string, 'VerifierKey'>;
