// How the registry is, for people, monitors and Prometheus. Says what will stop the exchange, and when, before it does.
import type { ErrorCode } from '@onceway/sdk/protocol';
import type { Registry } from '../registry.js';

export interface Health {
  /** `failing` once servers must stop for it. */
  readonly status: 'ok' | 'warning' | 'failing';
  readonly alarms: readonly ErrorCode[];
  readonly configuration?: ReturnType<typeof configurationView>;
  readonly requests: { readonly waiting: number };
}

export function configurationView({ publication, settings: { officers } }: Registry) {
  const current = publication.current();
  if (current === undefined) return undefined;
  const { seq, digest, issued, expires, witnessed, records } = current;
  const { threshold, witnesses } = publication.witnesses;
  return {
    seq,
    digest,
    issued,
    expires,
    records,
    officers,
    witnesses: {
      threshold,
      satisfied: witnessed.satisfied,
      cosigned: witnessed.cosigned,
      missing: witnesses.map(({ key }) => key).filter((key) => !witnessed.cosigned.includes(key)),
    },
  };
}

export function healthOf(registry: Registry): Health {
  const configuration = configurationView(registry);
  const nowS = registry.clock() / 1000;
  const alarms: ErrorCode[] = [];
  if (configuration === undefined) alarms.push(registry.publication.absence().code);
  else if (configuration.expires <= nowS) alarms.push('configuration_expired');
  const failing = alarms.length > 0;
  if (configuration?.witnesses.satisfied === false) alarms.push('witness_overdue');
  return {
    status: failing ? 'failing' : alarms.length > 0 ? 'warning' : 'ok',
    alarms,
    ...(configuration === undefined ? {} : { configuration }),
    requests: { waiting: registry.registration.waiting() },
  };
}

export function metricsOf(registry: Registry): string {
  const { configuration, requests } = healthOf(registry);
  const numbers: Record<string, number> = {
    onceway_registry_configuration_seq: configuration?.seq ?? 0,
    onceway_registry_configuration_expires_seconds: configuration?.expires ?? 0,
    onceway_registry_configuration_records: configuration?.records ?? 0,
    onceway_registry_witnesses_cosigned: configuration?.witnesses.cosigned.length ?? 0,
    onceway_registry_witnesses_threshold: registry.publication.witnesses.threshold,
    onceway_registry_requests_waiting: requests.waiting,
    onceway_registry_clients_waiting: registry.publication.waiting,
    onceway_registry_audit_entries: registry.audit.log.size,
    process_resident_memory_bytes: process.memoryUsage.rss(),
  };
  return Object.entries(numbers)
    .map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`)
    .join('');
}
