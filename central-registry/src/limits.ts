// The registry's own bounds, each with unit and reason. Wire bounds that servers share stand in @onceway/sdk/protocol.

/** Body of a management call: a member with both names and a reason, not more. */
export const MANAGEMENT_BODY_BYTES_MAX = 64 * 1024;
/** One compact JWS of a management request: it may hold two certificates, in base64 twice over. */
export const REQUEST_JWS_BYTES_MAX = 96 * 1024;
/** A signed service description: OpenAPI files of whole agencies reach some hundred KiB. */
export const DESCRIPTION_BYTES_MAX = 768 * 1024;
/** Body of a call by a server; the largest holds a description. */
export const DISTRIBUTION_BODY_BYTES_MAX = 1024 * 1024;

/** A management request may live this long, iat to exp: as a message of the exchange. */
export const REQUEST_LIFETIME_S_MAX = 300;
/** Requests of one server that may wait at once, so that none can bury the others under its own. */
export const REQUESTS_WAITING_PER_SERVER_MAX = 50;
/** Services that one subsystem may describe. */
export const DESCRIPTIONS_PER_SUBSYSTEM_MAX = 1000;

/** Longest `Prefer: wait`, seconds: below the idle timeouts of common proxies. */
export const WAIT_S_MAX = 30;
/** Clients that may wait for a configuration at once; beyond it they are answered 304 at once and ask again. */
export const WAITING_CLIENTS_MAX = 5000;

/** A witness that has not answered by then is asked again later: publication does not hang on it. */
export const WITNESS_TIMEOUT_MS = 2000;
/** How often a proof that lacks cosignatures is completed. */
export const WITNESS_RETRY_MS = 5000;

/** A configuration's life, seconds: by default, and at least and at most. */
export const CONFIGURATION_LIFETIME_S = 24 * 3600;
export const CONFIGURATION_LIFETIME_S_MIN = 2;
export const CONFIGURATION_LIFETIME_S_MAX = 7 * 24 * 3600;

/** An enrolment token: uses and life by default; the API description says at most. One server needs a certificate for
 *  each purpose, and may have to ask twice. */
export const TOKEN_USES = 4;
export const TOKEN_LIFETIME_S = 24 * 3600;

/** Rows of one page of a list. */
export const PAGE_MAX = 500;
/** Refused calls of strangers are counted, and entered in the audit trail at most so often. */
export const STRANGERS_NOTE_MS = 60_000;
/** Milliseconds that open requests get at the end before their connections are closed. */
export const SHUTDOWN_MS = 1000;
/** A responder that has not answered by then is down for this request. */
export const OCSP_TIMEOUT_MS = 5000;
/** How long a command waits for the registry's answer. */
export const MANAGEMENT_TIMEOUT_MS = 30_000;
