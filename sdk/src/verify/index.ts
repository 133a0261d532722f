// What can be verified without a network, a clock or a file: `@onceway/sdk/verify`.
export {
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from './merkle.js';
export {
  consistencyPath,
  inclusionPath,
  MerkleTree,
  RootBuilder,
  rootOf,
  type HashReader,
  type RightEdge,
} from './merkle-tree.js';
export {
  openNote,
  parseNote,
  parseVerifierKey,
  signNote,
  vkeyOf,
  type NoteKeyType,
  type NoteSignature,
  type OpenedNote,
  type ParsedNote,
  type ParsedVerifierKey,
} from './note.js';
export {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  type Checkpoint,
} from './checkpoint.js';
export { cosign, verifyCosignatures } from './cosignature.js';
export {
  formatTlogProof,
  parseTlogProof,
  verifyTlogProof,
  type TlogProof,
  type VerifiedTlogProof,
} from './tlog-proof.js';
export { verifyBatched } from './batch.js';
export {
  verifyChain,
  type CertificateUsage,
  type ChainOptions,
  type VerifiedChain,
} from './certificate-chain.js';
export {
  ocspRequest,
  verifyOcspAnswer,
  type CertificateStatus,
  type OcspOptions,
} from './certificate-status.js';
export {
  timeStampRequest,
  verifyTimeStamp,
  type TimeStampOptions,
  type VerifiedTimeStamp,
} from './time-stamp.js';
export {
  recordsRoot,
  verifyBySeveral,
  verifyDelegations,
  verifyHead,
  verifyHeadProof,
  type GenuineHead,
} from './configuration.js';
export { isListedAt, TrustView, type SigningListing } from './trust-view.js';
