// The central registry as one object: its concepts over one database, put together. No listeners, no process: main.ts.
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Anchor } from '@onceway/schemas';
import { AuditTrail } from './audit/audit-trail.js';
import { Catalogue } from './catalogue/catalogue.js';
import type { Settings } from './config.js';
import { openDatabase, type Database } from './database.js';
import { ApiKeys } from './access/api-key.js';
import { Approvals } from './access/approvals.js';
import { EnrolmentTokens } from './members/enrolment-token.js';
import { GlobalGroups } from './members/global-group.js';
import { Members } from './members/member.js';
import { SecurityServers } from './members/security-server.js';
import { tellOperator } from './operator.js';
import { ApprovedServices } from './publication/approved-services.js';
import { ConfigurationHeads } from './publication/configuration-heads.js';
import { readInstanceKey } from './publication/instance-keys.js';
import { auditLogOrigin, readInstance } from './publication/instance.js';
import { Publication } from './publication/publication.js';
import { TrustChanges } from './publication/trust-change.js';
import { Witnessing } from './publication/witnessing.js';
import type { StatusCheck } from './registration/certificate.js';
import { ocspStatusCheck } from './registration/certificate-status.js';
import { Registration } from './registration/registration.js';
import { TransparencyLog } from './transparency-log/transparency-log.js';

/** What comes from outside the process; tests bring their own. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly randomBytes?: (size: number) => Buffer;
  /** Told of what broke here. */
  readonly broke?: (error: unknown) => void;
  /** Where witnesses of the policy are reached, where that is not what the anchor says. */
  readonly witnessUrls?: ReadonlyMap<string, string>;
  readonly checkStatus?: StatusCheck;
}

export interface Registry {
  readonly settings: Settings;
  readonly anchor: Anchor;
  readonly db: Database;
  readonly clock: () => number;
  readonly broke: (error: unknown) => void;
  readonly audit: AuditTrail;
  readonly keys: ApiKeys;
  readonly members: Members;
  readonly servers: SecurityServers;
  readonly groups: GlobalGroups;
  readonly tokens: EnrolmentTokens;
  readonly services: ApprovedServices;
  readonly changes: TrustChanges;
  readonly registration: Registration;
  readonly catalogue: Catalogue;
  readonly log: TransparencyLog;
  readonly heads: ConfigurationHeads;
  readonly publication: Publication;
  readonly checkStatus: StatusCheck;
  readonly close: () => Promise<void>;
}

/** Opens what `init` made. @throws {OncewayError} `not_found`, `request_invalid`, `key_invalid` */
export function openRegistry(folder: string, surroundings: Surroundings = {}): Registry {
  const { settings, anchor } = readInstance(folder);
  const { clock = Date.now, randomBytes = systemRandomBytes, broke = tellOperator } = surroundings;
  const logKey = readInstanceKey(folder, 'registry-log');
  const configurationKey = readInstanceKey(folder, 'configuration');
  const auditKey = readInstanceKey(folder, 'audit-log');
  const db = openDatabase(join(folder, 'registry.db'), { create: false });

  const members = new Members(db, settings.instance, clock);
  const servers = new SecurityServers(db, clock);
  const groups = new GlobalGroups(db, members);
  const services = new ApprovedServices(db);
  const approvals = new Approvals(db, settings.officers, clock);
  const keys = new ApiKeys(db, clock, randomBytes, settings.officers);
  const log = new TransparencyLog(db, 'registry');
  const witnesses = anchor.witnesses.witnesses.map(({ key, url }) => ({
    key,
    url: surroundings.witnessUrls?.get(key) ?? url,
  }));
  const heads = new ConfigurationHeads(db, log, { origin: anchor.log.origin, key: logKey });
  const publication = new Publication({
    clock,
    instance: settings.instance,
    lifetimeS: settings.lifetimeS,
    sources: { members, servers, groups, services },
    heads,
    configurationKey,
    witnessing: new Witnessing({ witnesses, threshold: anchor.witnesses.threshold }, log),
    failed: broke,
  });
  const audit = new AuditTrail(
    db,
    clock,
    { origin: auditLogOrigin(settings.domain), key: auditKey },
    () => void publication.changed(),
  );
  return {
    settings,
    anchor,
    db,
    clock,
    broke,
    audit,
    keys,
    members,
    servers,
    groups,
    tokens: new EnrolmentTokens(db, members, clock, randomBytes),
    services,
    changes: new TrustChanges({ db, clock, approvals, services, keys }),
    registration: new Registration(db, { members, servers }, approvals, clock, randomBytes),
    catalogue: new Catalogue(db, members),
    log,
    heads,
    publication,
    checkStatus: surroundings.checkStatus ?? ocspStatusCheck(clock, () => services.policy().clockSkewMs),
    async close() {
      await publication.stop();
      db.close();
    },
  };
}
