// Builds the global configuration from the database: records in their one form, and the head over them. Pure reading;
// signing and making it public is publication.ts.
import type { Digest } from '@onceway/schemas';
import { recordDigest, type ConfigurationHead, type ConfigurationRecord } from '@onceway/sdk/protocol';
import { recordsRoot } from '@onceway/sdk/verify';
import type { GlobalGroups } from '../members/global-group.js';
import type { Members } from '../members/member.js';
import type { SecurityServers } from '../members/security-server.js';
import type { ApprovedServices } from './approved-services.js';

export interface ConfigurationSources {
  readonly members: Members;
  readonly servers: SecurityServers;
  readonly groups: GlobalGroups;
  readonly services: ApprovedServices;
}

export interface Records {
  /** Ascending by the octets of their digests. */
  readonly digests: readonly Digest[];
  readonly octets: ReadonlyMap<Digest, Buffer>;
  readonly root: Digest;
}

/** The same database gives the same octets: a head is published only where these differ. */
export function buildRecords(sources: ConfigurationSources, nowS: number): Records {
  const records: ConfigurationRecord[] = [
    sources.services.policy(),
    ...sources.services.list(),
    ...sources.members.records(),
    ...sources.servers.records(nowS),
    ...sources.groups.records(),
  ];
  const octets = new Map<Digest, Buffer>();
  for (const record of records) {
    const encoded = Buffer.from(JSON.stringify(record));
    octets.set(recordDigest(encoded), encoded);
  }
  const digests = [...octets.keys()].sort((a, b) =>
    Buffer.compare(Buffer.from(a, 'base64url'), Buffer.from(b, 'base64url')),
  );
  return { digests, octets, root: recordsRoot(digests) };
}

/** The head that follows the one before. Times in seconds. */
export function nextHead(
  instance: string,
  before: { readonly seq: number; readonly digest: Digest; readonly issuedS: number } | undefined,
  root: Digest,
  nowS: number,
  lifetimeS: number,
): ConfigurationHead {
  // A clock that went back must not date a head before the one that it follows.
  const issued = Math.max(nowS, before?.issuedS ?? 0);
  return {
    v: 1,
    instance,
    seq: (before?.seq ?? 0) + 1,
    ...(before === undefined ? {} : { prev: before.digest }),
    issued,
    expires: issued + lifetimeS,
    root,
  };
}
