// A witness alone, run by somebody independent of the registry: which logs it may cosign it learns from the global
// configuration, proven from the anchor; the registry's own log stands in the anchor itself.
import { join } from 'node:path';
import type { Anchor, LogOrigin, VerifierKey } from '@onceway/schemas';
import { ConfigurationClient, ConfigurationStore, httpConfigurationSource } from '@onceway/sdk/configuration';
import type { Listener } from './config.js';
import { listen } from './http/listener.js';
import { createWitnessListener } from './witness/add-checkpoint.js';
import { tellOperator } from './operator.js';
import { forked, Witness } from './witness/witness.js';

export interface WitnessOptions {
  readonly folder: string;
  readonly anchor: Anchor;
  readonly listener: Listener;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly broke?: (error: unknown) => void;
}

export interface RunningWitness {
  readonly address: string;
  readonly key: VerifierKey;
  /** Asks for a newer configuration now. */
  refresh(): Promise<boolean>;
  readonly stop: () => Promise<void>;
}

/** Resolves once it answers; without a registry it knows the registry's log only, and learns the others later.
 *  @throws {OncewayError} `not_found` where `witness init` was not run, `key_invalid`, `configuration_invalid` */
export async function runWitness(options: WitnessOptions): Promise<RunningWitness> {
  const { folder, anchor, clock = Date.now, broke = tellOperator } = options;
  const client = new ConfigurationClient({
    anchor,
    store: new ConfigurationStore(join(folder, 'configuration')),
    source: httpConfigurationSource(anchor.distribution),
    clock,
  });
  // The newest one taken, expired or not: a log does not change its key because the registry is away.
  const logOf = (origin: string): VerifierKey | undefined =>
    origin === anchor.log.origin
      ? anchor.log.key
      : client
          .latest()
          ?.servers.flatMap(({ logs }) => logs)
          .find((log) => log.origin === (origin as LogOrigin))?.key;
  const witness = new Witness({ folder, clock, logOf, caught: (fork) => broke(forked(fork)) });
  const listener = await listen(options.listener).catch((error: unknown) => {
    witness.close();
    throw error;
  });
  listener.serve(createWitnessListener(witness, broke));
  const ended = new AbortController();
  const following = client.follow(ended.signal);
  return {
    address: listener.url,
    key: witness.vkey,
    refresh: () => client.refresh(),
    async stop() {
      ended.abort();
      await following;
      await listener.close();
      witness.close();
    },
  };
}
