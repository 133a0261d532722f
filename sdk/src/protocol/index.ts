// Formats, pure: no I/O, no clock. The one package that everybody may import; nothing here says that a thing is
// genuine (see ../verify).
export type * from '@onceway/schemas';
export { OncewayError, codeOf, type ErrorCode } from './errors.js';
export { PROBLEMS, isErrorCode, type Hop, type ProblemSpec } from './problems.js';
export { faultOf, problemOf, type Fault, type Problem, type ProblemOptions } from './problem.js';
export {
  BODY_IN_MEMORY_BYTES_MAX,
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_CHAIN_MAX,
  CLIENT_HEAD_BYTES_MAX,
  CLIENT_HEAD_LINES_MAX,
  CLOCK_SKEW_MS_MAX,
  ENTRY_BYTES_MAX,
  ENVELOPE_BYTES_MAX,
  FORM_BYTES_MAX,
  HEAD_BYTES_MAX,
  HEAD_LINES_MAX,
  IDENTIFIER_PART_BYTES_MAX,
  JSON_BYTES_MAX,
  JSON_DEPTH_MAX,
  MESSAGE_LIFETIME_S_MAX,
  NOTE_BYTES_MAX,
  NOTE_SIGNATURES_MAX,
  OCSP_ANSWER_BYTES_MAX,
  PEER_FIELDS_BYTES_MAX,
  SALT_BYTES,
  TIME_STAMP_BYTES_MAX,
} from './limits.js';
export {
  decodeSegment,
  formatMemberId,
  formatSecurityServerId,
  formatServiceId,
  formatSubsystemId,
  memberOf,
  memberParts,
  parseClientId,
  parseMemberId,
  parseSecurityServerId,
  parseServiceId,
  parseSubsystemId,
  readClientId,
  readSecurityServerId,
  readServiceId,
  securityServerParts,
  serviceParts,
  subsystemOf,
  subsystemParts,
  type MemberParts,
  type SecurityServerParts,
  type ServiceParts,
  type SubsystemParts,
} from './identifiers.js';
export { decodeBase64url, digestOf, parseDigest, sha256 } from './octets.js';
export {
  parseStrictJson,
  parseStrictObject,
  parseStrictOctets,
  type JsonObject,
  type JsonValue,
} from './strict-json.js';
export {
  algorithmOf,
  completeJws,
  encodeJws,
  encodeSigningInput,
  lowS,
  messageIdOf,
  parseJws,
  signOctets,
  verifyOctets,
  verifySignature,
  type ParsedJws,
  type SignatureAlgorithm,
} from './jws.js';
export {
  STRIPPED_HEADERS,
  encodeAnswerHead,
  encodeRequestHead,
  lastValueOf,
  linesOf,
  parseAnswerHead,
  parseRequestHead,
  targetOf,
  targetService,
  valuesOf,
  type AnswerHead,
  type HeadLine,
  type RequestHead,
} from './head.js';
export { RequestHash, requestHash, requestHashOfDigest } from './request-hash.js';
export {
  CommitmentHash,
  checkCommitment,
  commit,
  formatSalts,
  parseSalts,
  type Salts,
} from './commitment.js';
export {
  checkTime,
  encodeAnswerEnvelope,
  encodeBatchEnvelope,
  encodeBodyClosing,
  encodeRefusalEnvelope,
  encodeRequestEnvelope,
  parseAnswerEnvelope,
  parseBatchEnvelope,
  parseBodyClosing,
  parseRefusalEnvelope,
  parseRequestEnvelope,
  type Envelope,
  type EnvelopeSigner,
  type ExchangeType,
  type UnsignedEnvelope,
  type Written,
} from './envelope.js';
export { checkHeadAgrees, formUseOf, purposeOf } from './agreement.js';
export { formatBatchPlace, parseBatchPlace, type BatchPlace } from './batch.js';
export { encodeEntry, parseEntry } from './entry.js';
export {
  parseAnchor,
  parseConfigurationBundle,
  parseConfigurationHead,
  parseConfigurationRecord,
  parseDelegation,
  recordDigest,
} from './configuration.js';
export {
  parseCapabilities,
  parseDescription,
  parseManagementRequest,
  parseMessageHeader,
  parseRight,
} from './statements.js';
export { uuidV7 } from './uuid.js';
