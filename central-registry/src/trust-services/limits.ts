// Bounds of the trust services and the witness, each with unit and reason. What both sides of a wire share stands in
// the SDK's limits.

/** Body of an OCSP or time-stamp request, or of add-checkpoint: 63 proof lines and a note with some signatures fit thrice. */
export const REQUEST_BYTES_MAX = 16 * 1024;
/** A larger body is read and dropped up to here, so that its sender still gets an answer; beyond, the connection is cut. */
export const DROPPED_BYTES_MAX = 16 * REQUEST_BYTES_MAX;
/** From the head to the last octet of a body of that size, on a very slow link. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** One signing request in PEM: RSA 8192 with a few names. */
export const CSR_BYTES_MAX = 16 * 1024;
/** RFC 8017 keys: NIST SP 800-131A forbids less than 2048; more than 8192 only costs every verifier time. */
export const RSA_BITS_MIN = 2048;
export const RSA_BITS_MAX = 8192;
/** Names a TLS certificate may carry. */
export const HOSTS_MAX = 8;
/** RFC 5280 appendix A, ub-common-name and ub-organization-name. */
export const NAME_CHARACTERS_MAX = 64;

/** Certificates asked for in one OCSP request. */
export const OCSP_CERTIFICATES_MAX = 16;
/** RFC 8954 §2.1: at least 1, at most 32 octets. */
export const OCSP_NONCE_BYTES_MAX = 32;
/** RFC 3161 sets no bound; this is 256 bits and the zero octet before them that keeps an INTEGER positive. */
export const TIME_STAMP_NONCE_BYTES_MAX = 33;

const DAY_MS = 24 * 60 * 60 * 1000;
/** Lifetimes. A child never outlives its issuer. */
export const ROOT_LIFETIME_MS = 20 * 365 * DAY_MS;
export const ISSUING_LIFETIME_MS = 10 * 365 * DAY_MS;
export const SERVICE_LIFETIME_MS = 3 * 365 * DAY_MS;
export const SIGNING_LIFETIME_MS = 2 * 365 * DAY_MS;
export const AUTHENTICATION_LIFETIME_MS = 365 * DAY_MS;

/** C2SP tlog-witness: a client sends at most 63 proof lines. */
export const PROOF_LINES_MAX = 63;
