// Bounds that both sides of a wire share, each with unit and reason. A server's own bounds stand in its limits.ts;
// configuration may tighten a limit, never exceed it.

/** One part of an identifier, octets of its decoded UTF-8. Five parts still fit a header line and a URL. */
export const IDENTIFIER_PART_BYTES_MAX = 200;

/** Lines of a head (design: the client listener's 100 plus what the servers add). */
export const HEAD_LINES_MAX = 128;
export const HEAD_BYTES_MAX = 24 * 1024;
/** What a client may send, so that what was accepted can always be carried with the lines that servers add. */
export const CLIENT_HEAD_LINES_MAX = 100;
export const CLIENT_HEAD_BYTES_MAX = 20 * 1024;
/** All fields of one peer message: envelope, head in base64url, salts. Node's maxHeaderSize on the peer listener. */
export const PEER_FIELDS_BYTES_MAX = 64 * 1024;

/** One compact JWS of the exchange. With the largest head in base64url it stays below PEER_FIELDS_BYTES_MAX. */
export const ENVELOPE_BYTES_MAX = 24 * 1024;

/** Bodies up to here are carried whole and lie in memory; larger ones follow, streamed. */
export const BODY_IN_MEMORY_BYTES_MAX = 256 * 1024;

/** A message may live this long: iat to exp. Long enough for a slow link, short enough to remember for replay. */
export const MESSAGE_LIFETIME_S_MAX = 300;

/** Two clocks may differ by what the policy says, and the policy by no more than this. */
export const CLOCK_SKEW_MS_MAX = 60_000;

/** Octets of a salt: as many as the digest it protects. */
export const SALT_BYTES = 32;

/** One entry of a log, so that entry bundles can carry its length in 16 bits (C2SP tlog-tiles). */
export const ENTRY_BYTES_MAX = 65_535;

/** `Data-Form` decoded. */
export const FORM_BYTES_MAX = 8 * 1024;

/** Depth and size of any JSON that is taken from outside. */
export const JSON_DEPTH_MAX = 32;
export const JSON_BYTES_MAX = 1024 * 1024;

/** Bytes of one certificate (DER) and one OCSP answer: government certificates reach 4 KiB, answers carry one more. */
export const CERTIFICATE_BYTES_MAX = 16 * 1024;
export const OCSP_ANSWER_BYTES_MAX = 32 * 1024;

/** One RFC 3161 token or answer: a signature, the authority's certificate and perhaps its chain. */
export const TIME_STAMP_BYTES_MAX = 32 * 1024;

/** A signed note, characters, and its signature lines: C2SP demands 16, which may be post-quantum (5 kB each). */
export const NOTE_BYTES_MAX = 128 * 1024;
export const NOTE_SIGNATURES_MAX = 64;

/** Certificates between leaf and root, both counted. */
export const CERTIFICATE_CHAIN_MAX = 4;

if (Math.ceil(HEAD_BYTES_MAX / 3) * 4 + ENVELOPE_BYTES_MAX + 4096 > PEER_FIELDS_BYTES_MAX)
  throw new TypeError('limits: a head, an envelope and the other fields must fit PEER_FIELDS_BYTES_MAX');
if (CLIENT_HEAD_BYTES_MAX + 2048 > HEAD_BYTES_MAX || CLIENT_HEAD_LINES_MAX + 16 > HEAD_LINES_MAX)
  throw new TypeError('limits: what a client may send must leave room for the lines that servers add');
