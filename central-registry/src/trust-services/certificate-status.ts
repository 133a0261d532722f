// What is said of a certificate after it was issued: the words that the authority and the responder share.

/** RFC 5280 §5.3.1; the others make no sense for a certificate of ours. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;

export type CertificateStatus =
  | { readonly state: 'good' }
  | { readonly state: 'revoked'; readonly revokedAtMs: number; readonly reason: RevocationReason }
  | { readonly state: 'unknown' };
