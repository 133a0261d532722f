// Begins an instance: keys, first delegation, anchor, first API keys. Done once, into an empty folder; `run` makes
// none of these.
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Anchor, Delegation, LogOrigin, WitnessPolicy } from '@onceway/schemas';
import { OncewayError, parseAnchor } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { AuditTrail, ROLES } from '../audit/audit-trail.js';
import { checkSettings, loadSettings, type Settings } from '../config.js';
import { openDatabase } from '../database.js';
import { ApiKeys, hashOf, newKey } from '../access/api-key.js';
import { writeSecret } from '../trust-services/credential.js';
import { createCertificationAuthority } from '../trust-services/certification-authority.js';
import { initWitness } from '../witness/witness.js';
import { createInstanceKey, rawKeyOf, signByRawKey } from './instance-keys.js';

export interface InstanceOptions {
  readonly folder: string;
  /** One officer is enough unless they say otherwise. */
  readonly settings: Omit<Settings, 'officers'> & Partial<Settings>;
  /** Where servers fetch configurations: stands in the anchor. */
  readonly distribution: readonly string[];
  readonly witnesses: WitnessPolicy['witnesses'];
  /** How many witnesses must cosign; all of them by default. */
  readonly threshold?: number;
  /** Makes a witness of the registry's own, which is one of the policy's. Its name, and where it will be reached. */
  readonly ownWitness?: { readonly name: string; readonly url: string };
  /** Makes the pilot authority with OCSP responder and time-stamping authority. */
  readonly trustServices: boolean;
  readonly clock: () => number;
  readonly randomBytes?: (size: number) => Buffer;
}

const registryLogOrigin = (domain: string): LogOrigin => `${domain}/log/registry` as LogOrigin;
export const auditLogOrigin = (domain: string): LogOrigin => `${domain}/log/registry-audit` as LogOrigin;

/** Makes an instance beside the folder and puts it there by rename: a crash or a refusal leaves no half of one.
 *  @throws {OncewayError} `conflict` where the folder holds something, `request_invalid`, `configuration_invalid` (a
 *  witness or an address that is none) */
export async function initInstance(options: InstanceOptions): Promise<Anchor> {
  const { folder } = options;
  const settings = checkSettings({ officers: 1, ...options.settings });
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new OncewayError('conflict', `${folder} is not empty: init makes a new instance only`);
  const unfinished = `${folder.replace(/\/+$/, '')}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(join(unfinished, 'keys'), { recursive: true, mode: 0o700 });
  try {
    const anchor = await makeInstance({ ...options, settings, folder: unfinished });
    writeFileSync(join(unfinished, 'anchor.json'), `${JSON.stringify(anchor, null, 2)}\n`);
    writeSecret(join(unfinished, 'registry.json'), `${JSON.stringify(settings, null, 2)}\n`);
    renameSync(unfinished, folder);
    return anchor;
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

async function makeInstance(options: InstanceOptions & { readonly settings: Settings }): Promise<Anchor> {
  const { folder, settings, clock, randomBytes = systemRandomBytes } = options;
  const { instance, domain, organization } = settings;
  const root = createInstanceKey(folder, 'root');
  const configuration = createInstanceKey(folder, 'configuration');
  const log = createInstanceKey(folder, 'registry-log');
  const auditKey = createInstanceKey(folder, 'audit-log');
  const origin = registryLogOrigin(domain);
  const anchor = parseAnchor({
    v: 1,
    instance,
    roots: { keys: [rawKeyOf(root)], threshold: 1 },
    witnesses: makeWitnessPolicy(options),
    log: { origin, key: vkeyOf(origin, log) },
    distribution: options.distribution,
  });
  const delegation: Delegation = {
    v: 1,
    instance,
    seq: 1,
    issued: Math.floor(clock() / 1000),
    configuration: { keys: [rawKeyOf(configuration)], threshold: 1 },
  };
  const signed = await signByRawKey('delegation+jws', delegation, root);
  if (options.trustServices)
    await createCertificationAuthority({
      folder: join(folder, 'authority'),
      clock,
      randomBytes,
      organization,
    });

  const db = openDatabase(join(folder, 'registry.db'), { create: true });
  try {
    const signer = { origin: auditLogOrigin(domain), key: auditKey };
    const audit = new AuditTrail(db, clock, signer, () => undefined);
    const keys = new ApiKeys(db, clock, randomBytes, settings.officers);
    audit.perform({ who: 'init', role: 'operator' }, { act: 'initInstance', what: instance }, () => {
      db.prepare('INSERT INTO delegation VALUES (1, ?)').run(JSON.stringify([signed]));
      for (const role of ROLES)
        for (let officer = 1; officer <= (keys.decidedByTwo(role) ? settings.officers : 1); officer += 1) {
          const name = officer === 1 ? role : `${role}-${officer}`;
          const key = newKey(randomBytes);
          keys.enter(role, `${name}, made by init`, hashOf(key));
          writeSecret(join(folder, 'keys', `api-key-${name}.txt`), `${key}\n`);
        }
    });
  } finally {
    db.close();
  }
  return anchor;
}

/** @throws {OncewayError} `request_invalid` for more than there are */
function makeWitnessPolicy({
  folder,
  ownWitness,
  witnesses: others,
  threshold,
}: InstanceOptions): WitnessPolicy {
  const witnesses = [...others];
  if (ownWitness !== undefined)
    witnesses.push({
      key: initWitness({ folder: join(folder, 'witness'), name: ownWitness.name }),
      url: ownWitness.url,
    });
  const needed = threshold ?? witnesses.length;
  if (!Number.isSafeInteger(needed) || needed < 0 || needed > witnesses.length)
    throw new OncewayError('request_invalid', `${needed} of ${witnesses.length} witnesses can not cosign`);
  return { witnesses, threshold: needed };
}

/** @throws {OncewayError} `not_found` where `init` was not run, `request_invalid` */
export function readInstance(folder: string): { readonly settings: Settings; readonly anchor: Anchor } {
  try {
    return {
      settings: loadSettings(readFileSync(join(folder, 'registry.json'), 'utf8')),
      anchor: parseAnchor(JSON.parse(readFileSync(join(folder, 'anchor.json'), 'utf8'))),
    };
  } catch (cause) {
    if (cause instanceof OncewayError) throw cause;
    throw new OncewayError('not_found', `${folder} holds no registry: run onceway-registry init`, { cause });
  }
}
