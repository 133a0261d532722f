// The global configuration: a small signed head over content-addressed records (docs/protocol.md#configuration).
// Shapes and encodings only; what makes one genuine is decided in verify/configuration.ts.
import type {
  Anchor,
  ConfigurationBundle,
  ConfigurationHead,
  ConfigurationRecord,
  Delegation,
  Digest,
} from '@onceway/schemas';
import { digestOf } from './octets.js';
import { validatorOf } from './schema.js';

/** Address of a record: SHA-256 of its octets. */
export function recordDigest(octets: Uint8Array): Digest {
  return digestOf(octets);
}

/** Payload of `configuration+jws`, parsed from its one form. @throws {OncewayError} `configuration_invalid` */
export const parseConfigurationHead: (value: unknown) => ConfigurationHead = validatorOf(
  'configuration-head',
  'configuration_invalid',
);

/** A record, parsed from its one form; that its octets hash to a listed digest is the caller's to check.
 *  @throws {OncewayError} `configuration_invalid` */
export const parseConfigurationRecord: (value: unknown) => ConfigurationRecord = validatorOf(
  'configuration-record',
  'configuration_invalid',
);

/** Payload of `delegation+jws`. @throws {OncewayError} `configuration_invalid` */
export const parseDelegation: (value: unknown) => Delegation = validatorOf(
  'delegation',
  'configuration_invalid',
);

/** The file that a server is given by hand. @throws {OncewayError} `configuration_invalid` */
export const parseAnchor: (value: unknown) => Anchor = validatorOf('anchor', 'configuration_invalid');

/** Answer of `GET /configuration`. Nothing in it is verified. @throws {OncewayError} `configuration_invalid` */
export const parseConfigurationBundle: (value: unknown) => ConfigurationBundle = validatorOf(
  'configuration-bundle',
  'configuration_invalid',
);
