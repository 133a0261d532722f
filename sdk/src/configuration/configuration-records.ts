// The records of a configuration: believed by their digests, wherever they come from.
import type { Digest } from '@onceway/schemas';
import {
  JSON_BYTES_MAX,
  OncewayError,
  parseConfigurationRecord,
  parseStrictObject,
  recordDigest,
  type ConfigurationHead,
  type ConfigurationRecord,
  type ConfigurationReference,
} from '../protocol/index.js';
import { TrustView } from '../verify/index.js';

/** What is taken of one configuration from a peer: what changes between two. More is left to the registry. */
const SHOWN_RECORDS_MAX = 256;
const SHOWN_BYTES_MAX = 4 * JSON_BYTES_MAX;

const invalid = (why: string): OncewayError => new OncewayError('configuration_invalid', why);

/** The octets, where they are of this digest. */
export function intact(digest: Digest, octets: Buffer | undefined): Buffer | undefined {
  return octets !== undefined && recordDigest(octets) === digest ? octets : undefined;
}

export interface Gathered {
  readonly records: Map<Digest, Buffer>;
  /** Those that were not here. */
  readonly added: Map<Digest, Buffer>;
}

/** Those of a peer's records that are not here are asked for, one after the other.
 *  @param here what is here already, intact
 *  @param show gives the octets of a record; not believed
 *  @throws {OncewayError} `configuration_invalid`; whatever `show` throws and the signal says */
export async function gatherRecords(
  digests: readonly Digest[],
  here: (digest: Digest) => Buffer | undefined,
  show: (digest: Digest) => Promise<Buffer>,
  signal?: AbortSignal,
): Promise<Gathered> {
  const records = new Map<Digest, Buffer>();
  const added = new Map<Digest, Buffer>();
  let bytes = 0;
  for (const digest of digests) {
    let octets = here(digest);
    if (octets === undefined) {
      if (added.size === SHOWN_RECORDS_MAX)
        throw invalid(`more than ${SHOWN_RECORDS_MAX} records are missing`);
      signal?.throwIfAborted();
      octets = intact(digest, await show(digest));
      if (octets === undefined) throw invalid('a record is not of its digest');
      if ((bytes += octets.length) > SHOWN_BYTES_MAX)
        throw invalid(`the records have more than ${SHOWN_BYTES_MAX} octets`);
      added.set(digest, octets);
    }
    records.set(digest, octets);
  }
  return { records, added };
}

/** @throws {OncewayError} `configuration_invalid`, `json_invalid` */
export function viewOf(
  head: ConfigurationHead,
  reference: ConfigurationReference,
  records: ReadonlyMap<Digest, Buffer>,
): TrustView {
  const parsed = [...records].map(([digest, octets]): readonly [Digest, ConfigurationRecord] => [
    digest,
    parseConfigurationRecord(parseStrictObject(octets.toString('utf8'))),
  ]);
  return new TrustView(head, reference, parsed);
}
