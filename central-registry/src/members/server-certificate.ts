// A certificate as it is listed for one member on one security server, and how it is kept.
import type { Digest, MemberId, SecurityServerId } from '@onceway/schemas';
import type { SignatureAlgorithm } from '@onceway/sdk/protocol';

export type CertificateUsage = 'authentication' | 'signing';

export interface ServerCertificate {
  readonly digest: Digest;
  readonly server: SecurityServerId;
  readonly usage: CertificateUsage;
  readonly member: MemberId;
  readonly alg: SignatureAlgorithm;
  readonly der: Buffer;
  readonly fromS: number;
  readonly untilS: number;
  /** Why it is no longer listed. */
  readonly removed?: string;
}

export interface CertificateRow {
  digest: Digest;
  server: SecurityServerId;
  usage: CertificateUsage;
  member: MemberId;
  alg: SignatureAlgorithm;
  der: Buffer;
  from_s: number;
  until_s: number;
  removed: string | null;
}

export const certificateFrom = (row: CertificateRow): ServerCertificate => ({
  digest: row.digest,
  server: row.server,
  usage: row.usage,
  member: row.member,
  alg: row.alg,
  der: row.der,
  fromS: row.from_s,
  untilS: row.until_s,
  ...(row.removed === null ? {} : { removed: row.removed }),
});
