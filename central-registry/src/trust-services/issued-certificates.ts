// What the certification authority remembers: every certificate that it issued, and which are revoked. Signs nothing.
import { createHash, type KeyObject } from 'node:crypto';
import type { Digest, MemberId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import { openStateFile, type StateFile } from '../state-file.js';
import type { CertificateProfile } from './certificate-profiles.js';
import { REVOCATION_REASONS, type CertificateStatus, type RevocationReason } from './certificate-status.js';

export interface IssuedCertificate {
  /** 32 hexadecimal digits. */
  readonly serial: string;
  readonly digest: Digest;
  readonly profile: CertificateProfile;
  readonly member: MemberId | null;
  readonly commonName: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly status: CertificateStatus;
  /** DER. */
  readonly certificate: Buffer;
}

interface Row {
  serial: string;
  digest: Digest;
  profile: CertificateProfile;
  member: MemberId | null;
  common_name: string;
  not_before_ms: number;
  not_after_ms: number;
  revoked_at_ms: number | null;
  reason: RevocationReason | null;
  certificate: Buffer;
}

const SCHEMA = `
  CREATE TABLE certificates (
    serial TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, profile TEXT NOT NULL, member TEXT, common_name TEXT NOT NULL,
    key TEXT NOT NULL, not_before_ms INTEGER NOT NULL, not_after_ms INTEGER NOT NULL, certificate BLOB NOT NULL,
    revoked_at_ms INTEGER, reason TEXT,
    CHECK ((revoked_at_ms IS NULL) = (reason IS NULL))
  ) STRICT;
  CREATE INDEX certificates_by_key ON certificates (key);`;

/** What `add` keeps of a certificate. */
export type NewCertificate = Omit<IssuedCertificate, 'status'> & { readonly publicKey: KeyObject };

export class IssuedCertificates {
  readonly #state: StateFile;

  /** @param create whether the file is made: by the authority's init only
   *  @throws {OncewayError} `not_found` */
  constructor(path: string, { create }: { readonly create: boolean }) {
    this.#state = openStateFile(path, [SCHEMA], { create });
  }

  /** When it returns, the certificate is recorded durably. One key has one use and one holder: a connection's key must
   *  never sign statements, nor one member's for another.
   *  @throws {OncewayError} `key_invalid` */
  add({ publicKey, ...certificate }: NewCertificate): IssuedCertificate {
    const row: Row = {
      serial: certificate.serial,
      digest: certificate.digest,
      profile: certificate.profile,
      member: certificate.member,
      common_name: certificate.commonName,
      not_before_ms: certificate.notBeforeMs,
      not_after_ms: certificate.notAfterMs,
      certificate: certificate.certificate,
      revoked_at_ms: null,
      reason: null,
    };
    const key = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    const insert = this.#state.transaction(() => {
      const other = this.#state
        .prepare(
          'SELECT 1 FROM certificates WHERE key = @key AND (profile <> @profile OR member IS NOT @member)',
        )
        .get({ ...row, key });
      if (other !== undefined)
        throw new OncewayError('key_invalid', 'this key is certified for another use or another member');
      this.#state
        .prepare(
          `INSERT INTO certificates (serial, digest, profile, member, common_name, key, not_before_ms, not_after_ms, certificate)
           VALUES (@serial, @digest, @profile, @member, @common_name, @key, @not_before_ms, @not_after_ms, @certificate)`,
        )
        .run({ ...row, key });
    });
    insert.immediate();
    return issuedOf(row);
  }

  /** @throws {OncewayError} `not_found`, `conflict` (revoked before) */
  revoke(serial: string, reason: RevocationReason, atMs: number): void {
    if (!Object.hasOwn(REVOCATION_REASONS, reason)) throw new TypeError(`no reason: ${reason}`);
    const { changes } = this.#state
      .prepare(
        'UPDATE certificates SET revoked_at_ms = ?, reason = ? WHERE serial = ? AND revoked_at_ms IS NULL',
      )
      .run(atMs, reason, serial);
    if (changes === 1) return;
    if (this.status(serial).state === 'unknown') throw new OncewayError('not_found', 'no such certificate');
    throw new OncewayError('conflict', 'the certificate is revoked already');
  }

  status(serial: string): CertificateStatus {
    const row = this.#state
      .prepare('SELECT revoked_at_ms, reason FROM certificates WHERE serial = ?')
      .get(serial) as Pick<Row, 'revoked_at_ms' | 'reason'> | undefined;
    return row === undefined ? { state: 'unknown' } : statusOf(row);
  }

  find(digest: Digest): IssuedCertificate | undefined {
    const row = this.#state.prepare('SELECT * FROM certificates WHERE digest = ?').get(digest) as
      Row | undefined;
    return row && issuedOf(row);
  }

  list(member?: MemberId): IssuedCertificate[] {
    const rows =
      member === undefined
        ? this.#state.prepare('SELECT * FROM certificates ORDER BY rowid').all()
        : this.#state.prepare('SELECT * FROM certificates WHERE member = ? ORDER BY rowid').all(member);
    return (rows as Row[]).map(issuedOf);
  }

  close(): void {
    this.#state.close();
  }
}

function statusOf({ revoked_at_ms, reason }: Pick<Row, 'revoked_at_ms' | 'reason'>): CertificateStatus {
  return revoked_at_ms === null || reason === null
    ? { state: 'good' }
    : { state: 'revoked', revokedAtMs: revoked_at_ms, reason };
}

function issuedOf(row: Row): IssuedCertificate {
  return {
    serial: row.serial,
    digest: row.digest,
    profile: row.profile,
    member: row.member,
    commonName: row.common_name,
    notBeforeMs: row.not_before_ms,
    notAfterMs: row.not_after_ms,
    status: statusOf(row),
    certificate: row.certificate,
  };
}
