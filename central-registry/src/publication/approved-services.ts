// What the configuration holds beside members and servers: the policy, and the trust services that are approved.
import {
  CLOCK_SKEW_MS_MAX,
  OncewayError,
  parseConfigurationRecord,
  type CertificationAuthorityRecord,
  type PolicyRecord,
  type TimeStampingAuthorityRecord,
} from '@onceway/sdk/protocol';
import type { Database } from '../database.js';

export type ApprovedService = CertificationAuthorityRecord | TimeStampingAuthorityRecord;

const HOUR_MS = 3_600_000;

/** Defaults of design §4 to §6: a day without the registry, half a day without OCSP, four hours without stamps. */
const DEFAULT_POLICY: PolicyRecord = {
  v: 1,
  type: 'policy',
  clockSkewMs: 30_000,
  ocspFreshnessMs: HOUR_MS,
  ocspGraceMs: 12 * HOUR_MS,
  stampingBacklogMs: 4 * HOUR_MS,
  witnessBacklogMs: 4 * HOUR_MS,
  refreshMs: 60_000,
  algorithms: [
    { alg: 'ES256', from: 0 },
    { alg: 'RS256', from: 0 },
    { alg: 'PS256', from: 0 },
    { alg: 'EdDSA', from: 0 },
  ],
};

export class ApprovedServices {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  policy(): PolicyRecord {
    const row = this.#db
      .prepare<[], { record: string }>(`SELECT record FROM setting_record WHERE name = 'policy'`)
      .get();
    return row === undefined ? DEFAULT_POLICY : (JSON.parse(row.record) as PolicyRecord);
  }

  /** @throws {OncewayError} `request_invalid` */
  setPolicy(policy: PolicyRecord): void {
    if (policy.clockSkewMs > CLOCK_SKEW_MS_MAX)
      throw new OncewayError('request_invalid', `clockSkewMs exceeds ${CLOCK_SKEW_MS_MAX}`);
    this.#put('policy', policy);
  }

  list(): ApprovedService[] {
    return this.#db
      .prepare<[], { record: string }>(
        `SELECT record FROM setting_record WHERE name <> 'policy' ORDER BY name`,
      )
      .all()
      .map(({ record }) => JSON.parse(record) as ApprovedService);
  }

  authorities(): CertificationAuthorityRecord[] {
    return this.list().filter((record) => record.type === 'certification-authority');
  }

  /** Approves a service, or changes the one of this type and name. */
  put(service: ApprovedService): void {
    const name = `${service.type}/${service.name}`;
    this.#put(name, service);
    this.#db.prepare('DELETE FROM removed_service WHERE name = ?').run(name);
  }

  /** @throws {OncewayError} `not_found` */
  get(type: ApprovedService['type'], name: string): ApprovedService {
    const found = this.list().find((service) => service.type === type && service.name === name);
    if (found === undefined) throw new OncewayError('not_found', `there is no ${type} ${name}`);
    return found;
  }

  /** @throws {OncewayError} `not_found` */
  remove(type: ApprovedService['type'], name: string): void {
    this.get(type, name);
    this.#db.prepare('DELETE FROM setting_record WHERE name = ?').run(`${type}/${name}`);
    this.#db.prepare('INSERT OR IGNORE INTO removed_service VALUES (?)').run(`${type}/${name}`);
  }

  /** Whether officers have removed it, and not approved it again since. */
  isRemoved({ type, name }: ApprovedService): boolean {
    return (
      this.#db.prepare('SELECT 1 FROM removed_service WHERE name = ?').get(`${type}/${name}`) !== undefined
    );
  }

  #put(name: string, record: PolicyRecord | ApprovedService): void {
    this.#db
      .prepare(
        `INSERT INTO setting_record VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record`,
      )
      .run(name, JSON.stringify(parseConfigurationRecord(record)));
  }
}
