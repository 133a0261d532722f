// Bounds of one security server, each with unit and reason. What both ends of a wire share: sdk/protocol/limits.ts.
import { CLOCK_SKEW_MS_MAX, JSON_BYTES_MAX, MESSAGE_LIFETIME_S_MAX } from '@onceway/sdk/protocol';

/** Certificates of one client: one for each of its machines, twice while they are renewed. */
export const CLIENT_CERTIFICATES_MAX = 256;

/** Lifetime of a certificate that this server signs itself: people hand it on, so not every month; health says a week
 *  before it ends. */
export const SELF_SIGNED_DAYS = 730;

/** Exchanges in flight on one listener. Each may hold two bodies of 256 KiB: 1024 of them are half a gibibyte. */
export const CONCURRENT_EXCHANGES_MAX = 1024;

/** What one peer may have of these places: all that it sends over its own connections and its questions beside them,
 *  and never those of all others. */
export const PEER_SHARE = 0.5;

/** Open connections of one listener, idle ones too: strangers can not take all descriptors of the process. */
export const LISTENER_CONNECTIONS_MAX = 8_192;

/** Of those, one peer's, and those of all strangers together: four times what a peer of ours opens. */
export const CONNECTIONS_OF_ONE_MAX = 1_024;

/** Connections to one peer; more wait for a free one. A consumer of a busy provider needs some hundred. */
export const PEER_CONNECTIONS_MAX = 256;
if (PEER_CONNECTIONS_MAX >= CONCURRENT_EXCHANGES_MAX * PEER_SHARE)
  throw new TypeError('limits: the messages of one peer take its whole share');

/** While all connections to a peer are taken, a message waits this long for one. Nothing of it is recorded yet. */
export const PEER_WAIT_MS = 5_000;

/** Opening a connection to a peer, TLS handshake included. */
export const PEER_CONNECT_TIMEOUT_MS = 5_000;

/** Once it began, an answer of a peer must be there whole: at most 256 KiB over a slow line. */
export const PEER_BODY_TIMEOUT_MS = 30_000;

/** An idle connection to a peer is closed after this; the peer's listener keeps it twice as long. */
export const PEER_IDLE_MS = 60_000;

/** The longest a service may be given for its answer. */
export const SERVICE_TIMEOUT_MS_MAX = 300_000;
export const SERVICE_TIMEOUT_MS_DEFAULT = 60_000;
export const SERVICE_CONNECT_TIMEOUT_MS = 10_000;

/** The consumer waits for a peer's answer as long as any service may take, plus what signing and recording need. */
export const PEER_ANSWER_TIMEOUT_MS = SERVICE_TIMEOUT_MS_MAX + 15_000;

/** A client or peer must have sent its whole request within this. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** After a connection broke, the outcome is asked for this often and this long before the client is told. */
export const OUTCOME_ASK_INTERVAL_MS = 500;
export const OUTCOME_ASK_TOTAL_MS = 10_000;
/** Each of these questions is one look into the peer's log. */
export const OUTCOME_ASK_TIMEOUT_MS = 5_000;

/** A peer's missing configuration, certificate or OCSP answer is waited for this long (design §4.7). */
export const CREDENTIAL_TIMEOUT_MS = 2_000;

/** The search for a configuration that a peer named goes on this long, while nobody waits for it any more. */
export const CATCH_UP_TIMEOUT_MS = 10_000;

/** ... and of so many peers at once: each may hold a bundle and the records that changed, 4 MiB each. */
export const CATCH_UPS_AT_ONCE_MAX = 16;

/** A configuration without its records: a country of 4,000 members lists some 10,000 digests of 43 characters. */
export const CONFIGURATION_BYTES_MAX = 4 * JSON_BYTES_MAX;

/** Certificates and their status kept in memory; a country has some thousand servers. */
export const CREDENTIALS_MAX = 4_096;

/** A body that is streamed: what a spool may take of the disk, and what a counterpart may make us keep for one message.
 *  A scanned dossier or a day's extract has some hundred megabytes. */
export const STREAMED_BODY_BYTES_MAX = 1024 * 1024 * 1024;

/** Spools at once, of requests and of answers: with the bound above, what the log's disk must have free beyond the
 *  log itself. Beyond it a message is refused as busy. */
export const SPOOLS_MAX = 64;
/** Of those, one peer's or one client's: the slowest take hours, and must leave some to all others. */
export const SPOOLS_OF_ONE_MAX = 32;

/** A streamed body is judged by its pace, not by a deadline: silent no longer than this ... */
export const BODY_IDLE_MS = 30_000;
/** ... and after the first of these spans no slower than this on the whole, half a megabit: a gibibyte then holds its
 *  place for less than five hours. */
export const BODY_BYTES_PER_S_MIN = 64 * 1024;

/** A receiver gives a body that another server passes on so many times as much, so that the server at which it really
 *  stalls is the one that says so. */
export const PASSED_ON_PATIENCE = 2;

/** Between the head of a streamed request and the peer's word that it takes the body: signature, certificates, rights. */
export const CONTINUE_TIMEOUT_MS = 15_000;

/** Trailers beside `Exchange-Closing`, names and values: read and dropped (docs/protocol.md#bodies). */
export const TRAILERS_BYTES_MAX = 1024;

/** Signed refusals a second and peer; beyond, a refusal is unsigned and only counted (design §4.9). */
export const SIGNED_REFUSALS_PER_S_MAX = 10;

/** What was refused unsigned is summed up in the log this often (design §4.9). */
export const REFUSAL_NOTES_INTERVAL_MS = 60_000;

/** A right that a provider named and did not show is asked for again no sooner than this. */
export const RIGHT_RETRY_MS = 60_000;

/** One `right+jws`: with a long reason in Vietnamese it stays far below. */
export const RIGHT_BYTES_MAX = 24 * 1024;

/** Rights that one peer may push in a second, as many as signed refusals: each is an entry of the log. */
export const PUSHED_RIGHTS_PER_S_MAX = 10;

/** Rights of one member that are held here, in memory by their claims. */
export const HELD_RIGHTS_OF_MEMBER_MAX = 16_384;

/** A peer that takes a right writes one entry, and may first ask for the status of its certificate. */
export const PUSH_TIMEOUT_MS = 10_000;
/** Its answer is empty, or a problem. */
export const RIGHT_ANSWER_BYTES_MAX = 16 * 1024;

/** A server that does not take a right is asked again after this, then after twice as long, up to the second. */
export const PUSH_RETRY_MS_MIN = 1_000;
export const PUSH_RETRY_MS_MAX = 300_000;

/** How long one server is shown rights before others have their turn again. */
export const PUSH_TURN_MS = 5_000;

/** Servers to which rights are pushed at once. */
export const PUSHES_AT_ONCE_MAX = 8;

/** Groups of one provider, and members of one of them. */
export const LOCAL_GROUPS_MAX = 1_024;
export const LOCAL_GROUP_MEMBERS_MAX = 4_096;

/** Rights that answers named and that need no further question; beyond, they are looked up anew. */
export const KNOWN_RIGHTS_MAX = 16_384;

/** What is still read of a request that was refused while it came, so that its sender reads the refusal. */
export const DISCARD_BYTES_MAX = 1024 * 1024;

/** Messages remembered against replay: 2000 a second over the whole window. Beyond, new ones are refused as busy. */
export const REPLAY_ENTRIES_MAX = 2_000_000;

/** A message is remembered until it could not be accepted any more: its lifetime and the skew on both sides. */
export const REPLAY_WINDOW_MS_MAX = MESSAGE_LIFETIME_S_MAX * 1000 + 2 * CLOCK_SKEW_MS_MAX;

/** How long an own message may be accepted: time enough for a slow peer, and no longer for one who steals it. */
export const MESSAGE_LIFETIME_S = 60;
if (MESSAGE_LIFETIME_S > MESSAGE_LIFETIME_S_MAX)
  throw new TypeError('limits: a message lives longer than allowed');

/** Appends in one commit of a log, and octets beyond which no further one joins: a slow disk is asked for some
 *  megabytes at a time. */
export const LOG_BATCH_APPENDS_MAX = 1_024;
export const LOG_BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Memory that the writing thread shares, for the octets of a batch: a dozen messages of 100 KiB. */
export const LOG_BATCH_ROOM_BYTES = 2 * 1024 * 1024;

/** Appends that are not kept waiting for the loop's turn to end: fewer cost more in commits than the wait does, and with
 *  more the other server runs out of work meanwhile (docs/performance.md). */
export const LOG_BATCH_APPENDS_ENOUGH = 12;

/** Content keys that are made and wrapped ahead of their use: about half a millisecond, once for so many exchanges. */
export const CONTENT_KEYS_BLOCK = 128;

/** Recorded, unanswered requests whose place and content key are in memory; others are read from the log. */
export const OPEN_EXCHANGES_MAX = 4 * CONCURRENT_EXCHANGES_MAX;

/** Digests of validation material known to be in the log; others are looked up. */
export const KNOWN_MATERIALS_MAX = 16_384;

/** A checkpoint is sealed this often, and earlier after this many entries (design §5). */
export const CHECKPOINT_INTERVAL_MS = 60_000;
export const CHECKPOINT_ENTRIES_MAX = 100_000;

/** A server that is told to stop waits this long for the exchanges in flight; what is cut then is asked for later. */
export const SHUTDOWN_MS_MAX = 60_000;
export const SHUTDOWN_LOOK_MS = 50;
