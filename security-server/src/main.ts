// Composition root of a security server: the only place that reads files, clock and randomness and puts the parts
// together. What the parts do stands in exchange/consume.ts and exchange/provide.ts.
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Digest } from '@onceway/schemas';
import { ConfigurationClient, ConfigurationStore, httpConfigurationSource } from '@onceway/sdk/configuration';
import {
  BODY_IN_MEMORY_BYTES_MAX,
  CLOCK_SKEW_MS_MAX,
  OncewayError,
  parseAnchor,
  type ErrorCode,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { loadSettings, type Listener, type Settings } from './config.js';
import type { Exchange } from './exchange/exchange.js';
import { HeldRights } from './exchange/held-rights.js';
import { RefusalNotes } from './exchange/refusal-notes.js';
import { randomPool } from './exchange/random-pool.js';
import { RefusalRate } from './exchange/refusal-rate.js';
import { ReplayWindow } from './exchange/replay.js';
import { Running } from './exchange/running.js';
import { createClientInterface } from './http/client-interface.js';
import { createManagementServer } from './http/management-server.js';
import { createPeerInterface } from './http/peer-interface.js';
import { RefusalReports } from './http/refusal-reports.js';
import { descriptionPublisher } from './jobs/publish-descriptions.js';
import { keepCertificateStatusFresh } from './jobs/refresh-certificate-status.js';
import { SealingJob } from './jobs/seal-checkpoint.js';
import { SoftwareToken } from './keys/software-token.js';
import {
  CONCURRENT_EXCHANGES_MAX,
  OUTCOME_ASK_INTERVAL_MS,
  OUTCOME_ASK_TOTAL_MS,
  REFUSAL_NOTES_INTERVAL_MS,
  REPLAY_WINDOW_MS_MAX,
  SHUTDOWN_LOOK_MS,
  SHUTDOWN_MS_MAX,
} from './limits.js';
import { logOrigin, openMessageLog } from './message-log/sqlite-message-log.js';
import type { MessageLog } from './message-log/message-log.js';
import type { EnrolmentParts } from './registration/enrol.js';
import { ManagementRequests } from './registration/management-requests.js';
import { httpRegistry } from './registration/registry.js';
import { ServiceStore } from './services/service-store.js';
import { openState } from './state/state-database.js';
import { PeerSockets } from './transport/peer-sockets.js';
import { PeerTransport, type PeerLimits, type TlsIdentity } from './transport/peer-transport.js';
import { ServiceTransport } from './transport/service-transport.js';
import { CatchUp } from './trust/catch-up.js';
import { Credentials } from './trust/credentials.js';
import { OwnCertificates } from './trust/own-certificates.js';
import { PeerSources } from './trust/peer-sources.js';
import { timeStamperOf } from './trust/time-stamper.js';
import { witnessesOf } from './trust/witnesses.js';

export interface RunOptions {
  /** Where `init` put token, log, state and settings. */
  readonly folder: string;
  readonly pin: string;
  /** One line of the server's own log, as JSON. */
  readonly report?: (event: Record<string, unknown>) => void;
  /** Milliseconds since 1970; tests move it. */
  readonly clock?: () => number;
  /** Tighter than those of limits.ts, for tests. */
  readonly limits?: PeerLimits & {
    readonly outcomeAskIntervalMs?: number;
    readonly outcomeAskTotalMs?: number;
    readonly refusalReportsMs?: number;
  };
}

export interface RunningServer {
  readonly settings: Settings;
  /** What the lines stand on; for the management interface and for tests. */
  readonly exchange: Exchange;
  readonly services: ServiceStore;
  readonly enrolment: EnrolmentParts;
  readonly sealing: SealingJob;
  readonly addresses: { readonly client: string; readonly peer: string; readonly management: string };
  /** Stops taking messages, waits for those in flight, seals the log. */
  close(): Promise<void>;
}

/** @throws {OncewayError} what is missing or broken in the folder, before any listener is open */
export async function runSecurityServer(options: RunOptions): Promise<RunningServer> {
  const { folder } = options;
  const clock = options.clock ?? Date.now;
  const report = options.report ?? (() => undefined);
  const alarm = (error: OncewayError): void =>
    report({ event: 'alarm', code: error.code, message: error.message });
  const settings = loadSettings(readFileSync(join(folder, 'server.json'), 'utf8'));
  const anchor = parseAnchor(JSON.parse(readFileSync(join(folder, 'anchor.json'), 'utf8')));
  const token = SoftwareToken.open(join(folder, 'token.json'), options.pin, { clock });
  const own = new OwnCertificates(() => token.keys());
  let identity = identityOf(token);
  const peers = new PeerTransport({
    identity: () => identity,
    clock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  // Set once there are services: the last good configuration is taken before.
  let publish = (): void => undefined;
  let closeUnlisted: (view: TrustView) => void = () => undefined;
  let renewIdentity: (view: TrustView) => void = () => undefined;
  const configuration = new ConfigurationClient({
    anchor,
    store: new ConfigurationStore(join(folder, 'configuration')),
    source: httpConfigurationSource(
      settings.registry === undefined ? anchor.distribution : [settings.registry],
    ),
    clock,
    alarm,
    changed: (view) => {
      peers.prune(view);
      closeUnlisted(view);
      renewIdentity(view);
      publish();
    },
  });
  const log = await openMessageLog(join(folder, 'log'), {
    origin: logOrigin(domainOf(anchor.log.origin), settings.id),
    keys: token,
    clock,
  });
  const state = openState(join(folder, 'state.db'));
  const services = new ServiceStore({
    database: state,
    token,
    enterRight: (right) => log.appendToServerLog({ type: 'right', right }),
    clock,
  });
  await services.recover();
  await settleOpenRequests(log);
  const exchange: Exchange = {
    server: settings.id,
    configuration,
    token,
    log,
    replay: await restoreReplay(log, clock),
    running: new Running(),
    refusals: new RefusalRate(clock),
    notes: new RefusalNotes((note) => log.appendToServerLog(note), REFUSAL_NOTES_INTERVAL_MS),
    rights: new HeldRights(clock),
    directory: services.directory,
    peers,
    services: new ServiceTransport(),
    credentials: new Credentials({ clock, alarm }),
    sources: new PeerSources({
      peers,
      clock,
      ownCertificate: (digest) => own.find(digest)?.der,
      folder: join(folder, 'certificate-status'),
    }),
    catchUp: new CatchUp(clock),
    ownUsage: (digest) => own.find(digest)?.usage,
    clock,
    randomBytes: randomPool(),
    limits: {
      bodyBytesMax: settings.limits?.bodyBytesMax ?? BODY_IN_MEMORY_BYTES_MAX,
      outcomeAskIntervalMs: options.limits?.outcomeAskIntervalMs ?? OUTCOME_ASK_INTERVAL_MS,
      outcomeAskTotalMs: options.limits?.outcomeAskTotalMs ?? OUTCOME_ASK_TOTAL_MS,
    },
  };
  // A registry that is away does not keep a server from starting on its last good configuration.
  await configuration.refresh().catch((error: unknown) => report({ event: 'alarm', message: String(error) }));
  const registry = httpRegistry(settings.registry ?? anchor.distribution[0] ?? '');
  const publishDescriptions = descriptionPublisher({ services, token, registry, clock }, (service, error) =>
    report({ event: 'alarm', service, why: reasonOf(error) }),
  );
  publish = () => void publishDescriptions();
  publish();
  const counters = { failed_calls_total: 0, refused_messages_total: 0 };
  const concurrentMax = settings.limits?.concurrentExchangesMax ?? CONCURRENT_EXCHANGES_MAX;
  const client = createClientInterface({
    exchange,
    concurrentMax,
    uuid: randomUUID,
    failed: (failure, detail) => {
      counters.failed_calls_total++;
      report({ event: 'failed', code: failure.code, hop: failure.hop, detail, why: reasonOf(failure) });
    },
  });
  const reports = new RefusalReports(clock, options.limits?.refusalReportsMs ?? REFUSAL_NOTES_INTERVAL_MS);
  const peer = createPeerInterface({
    exchange,
    identity,
    concurrentMax,
    refused: (code: ErrorCode, error, certificate, from) => {
      counters.refused_messages_total++;
      const unreported = reports.due(code, from);
      if (unreported === undefined) return;
      report({ event: 'refused', code, peer: from, certificate, unreported, why: reasonOf(error) });
    },
  });
  const peerSockets = new PeerSockets(peer);
  renewIdentity = (view) => {
    // A renewed certificate serves from the moment that peers can find it in the configuration.
    const { certificateDigest } = token.authentication();
    if (certificateDigest === identity.certificateDigest) return;
    if (view.serverOfCertificate(certificateDigest, clock())?.id !== settings.id) return;
    identity = identityOf(token);
    peer.setSecureContext({ ...identity, minVersion: 'TLSv1.3' });
    peers.forgetSessions();
  };
  closeUnlisted = (view) =>
    peerSockets.prune((digest) => view.serverOfCertificate(digest, clock()) !== undefined);
  const jobs = new AbortController();
  const sealing = new SealingJob(
    log,
    {
      witnesses: witnessesOf(anchor.witnesses),
      timeStamper: timeStamperOf(() => configuration.current(), randomBytes),
    },
    (failures) => {
      for (const { step, error } of failures) report({ event: 'alarm', step, why: reasonOf(error) });
    },
  );
  void configuration.follow(jobs.signal);
  void keepCertificateStatusFresh(exchange, own, (ms) => pause(ms, jobs.signal), jobs.signal);
  const requests = new ManagementRequests({ database: state, token, registry, server: settings.id, clock });
  const management = createServer(
    createManagementServer({
      ...{ exchange, token, state, services, requests, registry, sealing, publishDescriptions, report },
      counters: () => counters,
    }),
  );
  return {
    settings,
    exchange,
    services,
    sealing,
    enrolment: {
      token,
      registry,
      requests,
      server: settings.id,
      report: (step) => report({ event: 'enrolment', step }),
    },
    addresses: {
      client: `http://${await listen(client, settings.listeners.client)}`,
      peer: `https://${await listen(peer, settings.listeners.peer)}`,
      management: `http://${await listen(management, settings.listeners.management)}`,
    },
    async close() {
      jobs.abort();
      await Promise.all([client, peer, management].map(stop));
      peers.close();
      await exchange.services.close();
      await sealing.stop();
      await exchange.notes.close();
      await log.close();
      state.close();
    },
  };
}

function identityOf(token: SoftwareToken): TlsIdentity & { readonly certificateDigest: Digest } {
  const { key, certificate, certificateDigest } = token.authentication();
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key: pem, cert: certificate.toString(), certificateDigest };
}

/** `vn.example/log/registry` → `vn.example`. */
function domainOf(origin: string): string {
  return origin.slice(0, origin.indexOf('/log/'));
}

/** What a crash left open is said to be unknown before anybody is answered (design §3). */
async function settleOpenRequests(log: MessageLog): Promise<void> {
  for (const { mid, dir } of await log.unanswered()) await log.appendOutcome(mid, dir, 'unknown');
}

async function restoreReplay(log: MessageLog, clock: () => number): Promise<ReplayWindow> {
  const { restoredAtMs } = log;
  const replay = new ReplayWindow(
    clock,
    restoredAtMs === undefined ? undefined : restoredAtMs + CLOCK_SKEW_MS_MAX,
  );
  for await (const { iss, jti, expMs } of log.requestsSince(clock() - REPLAY_WINDOW_MS_MAX))
    replay.restore({ iss, jti }, expMs + CLOCK_SKEW_MS_MAX);
  return replay;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}

function listen(server: Server, { host, port }: Listener): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new OncewayError('conflict', `can not listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, host, () => {
      const address = server.address();
      resolve(`${host}:${typeof address === 'object' && address !== null ? address.port : port}`);
    });
  });
}

/** Waits for the exchanges in flight, but not for connections that are only kept alive: Node closes those that are idle
 *  at this moment and forgets those that become so. */
function stop(
  server: Pick<HttpServer, 'close' | 'closeIdleConnections' | 'closeAllConnections'>,
): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), SHUTDOWN_LOOK_MS);
    const bound = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS_MAX);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(bound);
      resolve();
    });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
