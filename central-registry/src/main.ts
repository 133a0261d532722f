// Puts a running registry together: concepts, interfaces and, for development and pilots, the trust services, each on
// an address of its own. Reads no environment and no arguments: cli/ does.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LogOrigin, VerifierKey } from '@onceway/schemas';
import type { Listener, ListenerName } from './config.js';
import { createDistributionInterface } from './http/distribution-interface.js';
import { listen, type OpenListener } from './http/listener.js';
import { createManagementInterface } from './http/management-interface.js';
import { tellOperator } from './operator.js';
import type { PilotServices } from './pilot-services.js';
import { readInstance } from './publication/instance.js';
import { openRegistry, type Registry, type Surroundings } from './registry.js';
import { createWitnessListener } from './witness/add-checkpoint.js';
import { forked, Witness } from './witness/witness.js';

export interface RunOptions {
  readonly folder: string;
  /** Also runs what the folder holds of: certification authority, OCSP responder, time-stamping authority, witness. */
  readonly trustServices: boolean;
  /** In place of those of registry.json. */
  readonly listeners?: Partial<Record<ListenerName, Listener>>;
  readonly surroundings?: Surroundings;
}

export interface RunningRegistry {
  readonly registry: Registry;
  /** Base URLs of what runs. */
  readonly addresses: Readonly<Partial<Record<ListenerName, string>>>;
  readonly stop: () => Promise<void>;
}

/** Starts a registry that `init` made; resolves when everything answers and a configuration is published.
 *  @throws {OncewayError} `not_found` where `init` was not run, `key_invalid`, `request_invalid` */
export async function runRegistry(options: RunOptions): Promise<RunningRegistry> {
  const { folder, surroundings = {} } = options;
  const { settings } = readInstance(folder);
  const authorityHere = options.trustServices && existsSync(join(folder, 'authority'));
  const witnessHere = options.trustServices && existsSync(join(folder, 'witness'));
  const names: ListenerName[] = [
    'management',
    'distribution',
    ...(authorityHere ? (['authority', 'ocsp', 'timeStamping'] as const) : []),
    ...(witnessHere ? (['witness'] as const) : []),
  ];
  const opened = new Map<ListenerName, OpenListener>();
  const closers: (() => unknown)[] = [];
  // First whoever waits for a configuration is answered, then the doors are closed, then what stands behind them.
  let leave = (): Promise<void> => Promise.resolve();
  const stop = async (): Promise<void> => {
    await leave();
    await Promise.all([...opened.values()].map((listener) => listener.close()));
    opened.clear();
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    for (const name of names) {
      const listener = await listen({ ...settings.listeners[name], ...options.listeners?.[name] });
      opened.set(name, listener);
    }
    const at = (name: ListenerName): OpenListener => {
      const listener = opened.get(name);
      if (listener === undefined) throw new TypeError(`${name} is not open`);
      return listener;
    };

    const broke = surroundings.broke ?? tellOperator;
    // The witness is open before the registry, which asks it in its first publication.
    const logs = { keyOf: (_origin: string): VerifierKey | undefined => undefined };
    const witnessUrls = new Map(surroundings.witnessUrls);
    if (witnessHere) {
      const witness = new Witness({
        folder: join(folder, 'witness'),
        clock: surroundings.clock ?? Date.now,
        logOf: (origin) => logs.keyOf(origin),
        caught: (fork) => broke(forked(fork)),
      });
      closers.push(() => witness.close());
      at('witness').serve(createWitnessListener(witness, broke));
      witnessUrls.set(witness.vkey, at('witness').url);
    }
    const registry = openRegistry(folder, { ...surroundings, witnessUrls });
    closers.push(registry.close);
    leave = () => registry.publication.stop();
    logs.keyOf = (origin) => logKeyOf(registry, origin);

    let services: PilotServices | undefined;
    if (authorityHere) {
      const { openPilotServices } = await import('./pilot-services.js');
      services = await openPilotServices({
        folder: join(folder, 'authority'),
        organization: settings.organization,
        urls: { authority: at('authority').url, ocsp: at('ocsp').url, timeStamping: at('timeStamping').url },
        validityMs: registry.services.policy().ocspFreshnessMs,
        clock: registry.clock,
        report: broke,
      });
      closers.push(services.close);
      at('authority').serve(services.listeners.authority);
      at('ocsp').serve(services.listeners.ocsp);
      at('timeStamping').serve(services.listeners.timeStamping);
      approve(registry, services);
    }
    await registry.publication.start();
    at('management').serve(createManagementInterface(registry, services?.authority));
    at('distribution').serve(createDistributionInterface(registry, services));
    const addresses = Object.fromEntries([...opened].map(([name, { url }]) => [name, url]));
    return { registry, addresses, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Puts the pilot's own services on the list, and their addresses where these have moved. No officer is asked: whoever
 *  began this instance with them, and runs it, holds its keys. What officers removed stays removed. */
function approve({ services, audit }: Registry, { records }: PilotServices): void {
  const held = new Map(
    services.list().map((record) => [`${record.type}/${record.name}`, JSON.stringify(record)]),
  );
  for (const record of records)
    if (!services.isRemoved(record) && held.get(`${record.type}/${record.name}`) !== JSON.stringify(record))
      audit.perform(
        { who: 'run', role: 'operator' },
        { act: 'putTrustService', what: `${record.type} ${record.name}` },
        () => services.put(record),
      );
}

/** The logs that the registry's own witness may sign: the registry's, and those of registered servers. */
function logKeyOf({ anchor, servers }: Registry, origin: string): VerifierKey | undefined {
  return origin === anchor.log.origin ? anchor.log.key : servers.logKey(origin as LogOrigin);
}
