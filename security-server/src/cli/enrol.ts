// `enrol`: registers the server of a folder at its registry, while it does not run. Run again, it goes on.
import { join } from 'node:path';
import { ConfigurationClient, ConfigurationStore, httpConfigurationSource } from '@onceway/sdk/configuration';
import type { LogOrigin } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { loadSettings } from '../config.js';
import { SoftwareToken } from '../keys/software-token.js';
import { logOrigin } from '../message-log/sqlite-message-log.js';
import { enrolServer, untilDecided } from '../registration/enrol.js';
import { ManagementRequests, type RequestStatus } from '../registration/management-requests.js';
import { httpRegistry } from '../registration/registry.js';
import { openState } from '../state/state-database.js';
import { domainOf, LOG_KEYS, readAnchor } from './init.js';
import { readText } from './files.js';

export interface EnrolOptions {
  readonly folder: string;
  readonly pin: string;
  /** `https://host:port` of the peer listener, as peers reach it. */
  readonly address: string;
  readonly dns: readonly string[];
  readonly enrolmentToken: string;
  /** Asks until the registry has decided. */
  readonly wait: boolean;
  readonly pause: () => Promise<void>;
  readonly clock: () => number;
  readonly report: (step: string) => void;
}

/** @throws {OncewayError} what is missing in the folder, `pin_incorrect`, `registry_unreachable`, what the registry
 *  refuses */
export async function enrol(options: EnrolOptions): Promise<RequestStatus> {
  const { folder, address, clock, report } = options;
  const settings = loadSettings(readText(join(folder, 'server.json')));
  const anchor = readAnchor(join(folder, 'anchor.json'));
  const addresses = settings.registry === undefined ? anchor.distribution : [settings.registry];
  const registry = httpRegistry(addresses[0] ?? '');
  const token = SoftwareToken.open(join(folder, 'token.json'), options.pin, { clock });
  const database = openState(join(folder, 'state.db'));
  try {
    const requests = new ManagementRequests({ database, token, registry, server: settings.id, clock });
    const server = logOrigin(domainOf(anchor), settings.id);
    const logs = LOG_KEYS.map((name) => {
      const origin = name === 'server' ? server : (`${server}/${name}` as LogOrigin);
      return { origin, key: vkeyOf(origin, token.logKey(name)) };
    });
    const { dns, enrolmentToken } = options;
    const status = await enrolServer(
      { token, registry, requests, server: settings.id, report },
      { address, dns: dns.length === 0 ? [new URL(address).hostname] : dns, enrolmentToken, logs },
    );
    if (!options.wait) return status;
    report('waiting for the decision');
    const configuration = new ConfigurationClient({
      anchor,
      store: new ConfigurationStore(join(folder, 'configuration')),
      source: httpConfigurationSource(addresses),
      clock,
    });
    return await untilDecided(requests, status, async () => {
      await options.pause();
      // The answer to the request may have been lost; what the configuration lists is decided.
      await configuration.refresh().catch(() => undefined);
      if (configuration.latest()?.server(settings.id) !== undefined)
        requests.settle('register-server', settings.id);
    });
  } finally {
    database.close();
  }
}
