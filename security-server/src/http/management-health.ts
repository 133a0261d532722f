// What stops the exchange, and when: said before it does. For people, load balancers and Prometheus.
import { codeOf, type Digest, type ErrorCode, type SecurityServerId } from '@onceway/sdk/protocol';
import type { ConfigurationClient } from '@onceway/sdk/configuration';
import type { ClientConnections } from '../clients/client-connections.js';
import type { KeyInfo } from '../keys/key-info.js';
import type { MessageLog } from '../message-log/message-log.js';
import type { ServiceStore } from '../services/service-store.js';

export interface HealthParts {
  readonly server: SecurityServerId;
  readonly configuration: Pick<ConfigurationClient, 'current' | 'latest'>;
  readonly log: Pick<MessageLog, 'counts' | 'stampingBacklogMs' | 'witnessBacklogMs'>;
  readonly keys: () => readonly KeyInfo[];
  readonly connections: Pick<ClientConnections, 'list'>;
  readonly services: { readonly directory: Pick<ServiceStore['directory'], 'services'> };
  /** When the newest OCSP answer of an own certificate was made, ms; undefined where there is none yet. */
  readonly statusAtMs: (certificate: Digest) => number | undefined;
  /** What the listeners counted since the start. */
  readonly counters: () => Readonly<Record<string, number>>;
  readonly clock: () => number;
}

export interface Finding {
  readonly code: ErrorCode;
  readonly about: string;
  /** When it stops the exchange, or stopped it; ms since 1970. */
  readonly stopsAt: number;
  /** Whom it stops, where that is not everybody: `failing` is not said of it. */
  readonly only?: string;
}

export interface Health {
  /** `failing`: the exchange is refused now. `warning`: it will be, should nothing change. */
  readonly status: 'ok' | 'warning' | 'failing';
  readonly findings: readonly Finding[];
}

const HOUR_MS = 3_600_000;
/** Certificates are renewed by people: a week is what they need. */
const RENEWAL_MS = 7 * 24 * HOUR_MS;

export function healthOf(parts: HealthParts): Health {
  const now = parts.clock();
  const found = [
    ...configurationFindings(parts, now),
    ...backlogFindings(parts, now),
    ...certificateFindings(parts, now),
    ...clientFindings(parts, now),
    ...serviceFindings(parts, now),
  ];
  const findings = found.sort((a, b) => a.stopsAt - b.stopsAt);
  const failing = findings.some(({ stopsAt, only }) => stopsAt <= now && only === undefined);
  return { status: failing ? 'failing' : findings.length > 0 ? 'warning' : 'ok', findings };
}

function configurationFindings({ configuration, server }: HealthParts, now: number): Finding[] {
  const view = configuration.latest();
  const stopped = (code: ErrorCode, about: string): Finding => ({ code, about, stopsAt: now });
  if (view === undefined) return [stopped('configuration_missing', 'no configuration was taken yet')];
  const findings: Finding[] = [];
  const stopsAt = view.head.expires * 1000;
  const lifetimeMs = stopsAt - view.head.issued * 1000;
  // Taken anew every minute: half its life without a new one means that the registry is away.
  if (stopsAt - now < lifetimeMs / 2)
    findings.push({ code: 'configuration_expired', about: `configuration ${view.head.seq}`, stopsAt });
  try {
    if (stopsAt > now) configuration.current();
  } catch (error) {
    findings.push(stopped(codeOf(error), `configuration ${view.head.seq}`));
  }
  if (view.server(server) === undefined)
    findings.push(stopped('client_unknown', `${server} is not registered`));
  else if (!view.isActive(server)) findings.push(stopped('client_suspended', server));
  return findings;
}

/** Alarm at a quarter of what is allowed (design §5). */
function backlogFindings({ configuration, log }: HealthParts, now: number): Finding[] {
  const policy = configuration.latest()?.policy;
  if (policy === undefined) return [];
  return (
    [
      ['time_stamping_overdue', log.stampingBacklogMs(), policy.stampingBacklogMs, 'time-stamps'],
      ['witness_overdue', log.witnessBacklogMs(), policy.witnessBacklogMs, 'witnesses'],
    ] as const
  ).flatMap(([code, backlogMs, allowedMs, what]) =>
    backlogMs > allowedMs / 4
      ? [
          {
            code,
            about: `${what} are behind by ${Math.round(backlogMs / 1000)} s`,
            stopsAt: now - backlogMs + allowedMs,
          },
        ]
      : [],
  );
}

function certificateFindings({ configuration, keys, statusAtMs }: HealthParts, now: number): Finding[] {
  const policy = configuration.latest()?.policy;
  const active = keys().flatMap(({ usage, member, certificates }) =>
    certificates
      .filter((each) => each.active)
      .map((each) => ({
        ...each,
        of: `${usage} ${member ?? ''}`.trim(),
        whom: usage === 'internal' ? { only: 'information systems over HTTPS' } : {},
      })),
  );
  return active.flatMap(({ of, digest, until, whom }) => {
    const about = `${of} certificate ${digest}`;
    const findings: Finding[] = [];
    if (until * 1000 - now < RENEWAL_MS)
      findings.push({ code: 'certificate_invalid', about, stopsAt: until * 1000, ...whom });
    const statusAt = statusAtMs(digest);
    if (policy !== undefined && statusAt !== undefined && now - statusAt > policy.ocspFreshnessMs)
      findings.push({
        code: 'certificate_status_unknown',
        about,
        stopsAt: statusAt + policy.ocspFreshnessMs + policy.ocspGraceMs,
      });
    return findings;
  });
}

/** Information systems that are let in by nothing but a certificate that ends. */
function clientFindings({ connections }: HealthParts, now: number): Finding[] {
  return [...connections.list()].flatMap(([client, { type, certificates }]): Finding[] => {
    const last = [...certificates.values()].sort((a, b) => a.until - b.until).at(-1);
    if (type !== 'mutual' || last === undefined || last.until * 1000 - now >= RENEWAL_MS) return [];
    const about = `certificate ${last.digest} of ${client}`;
    return [{ code: 'client_not_authenticated', about, stopsAt: last.until * 1000, only: client }];
  });
}

function serviceFindings({ services }: HealthParts, now: number): Finding[] {
  return services.directory.services().flatMap(({ id, certificate }): Finding[] => {
    if (certificate === undefined || certificate.until * 1000 - now >= RENEWAL_MS) return [];
    const about = `certificate ${certificate.digest} of ${id}`;
    return [{ code: 'service_unreachable', about, stopsAt: certificate.until * 1000, only: id }];
  });
}

/** Prometheus text format 0.0.4. */
export function metricsOf(parts: HealthParts): string {
  const health = healthOf(parts);
  const view = parts.configuration.latest();
  const { lane, server, uncovered } = parts.log.counts();
  const gauges: Record<string, number> = {
    healthy: health.status === 'failing' ? 0 : 1,
    findings: health.findings.length,
    configuration_seq: view?.head.seq ?? 0,
    configuration_expires_timestamp_seconds: view?.head.expires ?? 0,
    log_lane_entries: lane,
    log_server_entries: server,
    log_uncovered_entries: uncovered,
    time_stamping_backlog_seconds: parts.log.stampingBacklogMs() / 1000,
    witness_backlog_seconds: parts.log.witnessBacklogMs() / 1000,
    resident_memory_bytes: process.memoryUsage.rss(),
  };
  const lines = (of: Readonly<Record<string, number>>, type: 'gauge' | 'counter'): string[] =>
    Object.entries(of).map(
      ([name, value]) => `# TYPE onceway_server_${name} ${type}\nonceway_server_${name} ${value}\n`,
    );
  return [...lines(gauges, 'gauge'), ...lines(parts.counters(), 'counter')].join('');
}
