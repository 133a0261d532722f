// Composition root of a security server: the only place that reads files, clock and randomness and puts the parts
// together. What the parts do stands in exchange/consume.ts and exchange/provide.ts.
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { ConfigurationClient, ConfigurationStore, httpConfigurationSource } from '@onceway/sdk/configuration';
import {
  BODY_IN_MEMORY_BYTES_MAX,
  parseAnchor,
  type ErrorCode,
  type OncewayError,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { ClientConnections } from './clients/client-connections.js';
import { loadSettings, streamedBodyBounds, type TighterBodyBounds, type Settings } from './config.js';
import type { Exchange } from './exchange/exchange.js';
import type { ExchangeFailure } from './exchange/failure.js';
import { HeldRights } from './exchange/held-rights.js';
import { RefusalNotes } from './exchange/refusal-notes.js';
import { randomPool } from './keys/random-pool.js';
import { RefusalRate } from './exchange/refusal-rate.js';
import { restoreReplay } from './exchange/restore-replay.js';
import { Running } from './exchange/running.js';
import {
  clientTlsContext,
  createClientInterface,
  createClientTlsInterface,
} from './http/client-interface.js';
import { listen, stop } from './http/listening.js';
import { createManagementServer } from './http/management-server.js';
import { createPeerInterface } from './http/peer-interface.js';
import { failureReports, reasonOf, RefusalReports } from './http/refusal-reports.js';
import { descriptionPublisher } from './jobs/publish-descriptions.js';
import { keepCertificateStatusFresh } from './jobs/refresh-certificate-status.js';
import { pause } from './jobs/pause.js';
import { RightPushing } from './jobs/push-rights.js';
import { SealingJob } from './jobs/seal-checkpoint.js';
import { SoftwareToken } from './keys/software-token.js';
import { identityOf, internalIdentityOf } from './keys/tls-identity.js';
import {
  CONCURRENT_EXCHANGES_MAX,
  PUSHED_RIGHTS_PER_S_MAX,
  OUTCOME_ASK_INTERVAL_MS,
  OUTCOME_ASK_TOTAL_MS,
  REFUSAL_NOTES_INTERVAL_MS,
} from './limits.js';
import { logOrigin, openMessageLog } from './message-log/sqlite-message-log.js';
import type { MessageLog } from './message-log/message-log.js';
import type { EnrolmentParts } from './registration/enrol.js';
import { ManagementRequests } from './registration/management-requests.js';
import { httpRegistry } from './registration/registry.js';
import { ServiceStore } from './services/service-store.js';
import { openState } from './state/state-database.js';
import { PeerSockets } from './transport/peer-sockets.js';
import { PeerTransport, type PeerLimits } from './transport/peer-transport.js';
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
  } & TighterBodyBounds;
}

export interface RunningServer {
  readonly settings: Settings;
  /** What the lines stand on; for the management interface and for tests. */
  readonly exchange: Exchange;
  readonly services: ServiceStore;
  readonly connections: ClientConnections;
  readonly enrolment: EnrolmentParts;
  readonly sealing: SealingJob;
  readonly addresses: {
    readonly client: string;
    /** Where the settings name a listener for it. */
    readonly clientTls?: string;
    readonly peer: string;
    readonly management: string;
  };
  /** Stops taking messages, waits for those in flight, seals the log. */
  close(): Promise<void>;
}

/** Nothing stays open or runs on after a failure.
 *  @throws {OncewayError} what is missing or broken in the folder, before any listener is open; `conflict` where one can
 *  not be opened */
export async function runSecurityServer(options: RunOptions): Promise<RunningServer> {
  const opened: Close[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0).reverse()) await one();
  };
  try {
    return { ...(await compose(options, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Close = () => unknown;

/** @param opened gets what ends each part, in the order in which they began */
async function compose(options: RunOptions, opened: Close[]): Promise<Omit<RunningServer, 'close'>> {
  const { folder } = options;
  const clock = options.clock ?? Date.now;
  const report = options.report ?? (() => undefined);
  const alarm = (error: OncewayError): void =>
    report({ event: 'alarm', code: error.code, message: error.message });
  const settings = loadSettings(readFileSync(join(folder, 'server.json'), 'utf8'));
  const anchor = parseAnchor(JSON.parse(readFileSync(join(folder, 'anchor.json'), 'utf8')));
  let renewInternal = (): void => undefined;
  const token = SoftwareToken.open(join(folder, 'token.json'), options.pin, {
    clock,
    changed: () => renewInternal(),
  });
  const own = new OwnCertificates(() => token.keys());
  let identity = identityOf(token.authentication());
  // Towards information systems, and to services that want to know who calls them.
  const { clientTls: tlsListener } = settings.listeners;
  if (tlsListener !== undefined) token.internal();
  let internal = internalIdentityOf(token);
  const peers = new PeerTransport({
    identity: () => identity,
    clock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  // Set once there are services: the last good configuration is taken before.
  let publish = (): void => undefined;
  let pushRights = (): void => undefined;
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
      pushRights();
    },
  });
  const log = await openMessageLog(join(folder, 'log'), {
    origin: logOrigin(domainOf(anchor.log.origin), settings.id),
    keys: token,
    clock,
  });
  opened.push(() => log.close());
  const state = openState(join(folder, 'state.db'));
  opened.push(() => state.close());
  const services = new ServiceStore({
    database: state,
    token,
    enterRight: (right) => log.appendToServerLog({ type: 'right', right }),
    rightEntered: () => pushRights(),
    clock,
  });
  await services.recover();
  const connections = new ClientConnections({
    database: state,
    servesTls: tlsListener !== undefined,
    clock,
  });
  await settleOpenRequests(log);
  const reportsMs = options.limits?.refusalReportsMs ?? REFUSAL_NOTES_INTERVAL_MS;
  const exchange: Exchange = {
    server: settings.id,
    configuration,
    token,
    log,
    replay: await restoreReplay(log, clock),
    running: new Running(),
    refusals: new RefusalRate(clock),
    pushes: new RefusalRate(clock, PUSHED_RIGHTS_PER_S_MAX),
    notes: new RefusalNotes((note) => log.appendToServerLog(note), REFUSAL_NOTES_INTERVAL_MS),
    rights: new HeldRights(clock),
    directory: services.directory,
    connections,
    peers,
    services: new ServiceTransport({ identity: () => internal, clock }),
    credentials: new Credentials({ clock, alarm }),
    sources: new PeerSources({
      peers,
      clock,
      ownCertificate: (digest) => own.find(digest)?.der,
      folder: join(folder, 'certificate-status'),
    }),
    catchUp: new CatchUp(clock),
    failed: failureReports(clock, reportsMs, report),
    ownUsage: (digest) => own.find(digest)?.usage,
    clock,
    randomBytes: randomPool(),
    limits: {
      bodyBytesMax: settings.limits?.bodyBytesMax ?? BODY_IN_MEMORY_BYTES_MAX,
      bodyBounds: streamedBodyBounds(settings, options.limits),
      outcomeAskIntervalMs: options.limits?.outcomeAskIntervalMs ?? OUTCOME_ASK_INTERVAL_MS,
      outcomeAskTotalMs: options.limits?.outcomeAskTotalMs ?? OUTCOME_ASK_TOTAL_MS,
    },
  };
  opened.push(() => exchange.notes.close());
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
  const clientOptions = {
    exchange,
    concurrentMax,
    uuid: randomUUID,
    failed: (failure: ExchangeFailure, detail: string) => {
      counters.failed_calls_total++;
      report({ event: 'failed', code: failure.code, hop: failure.hop, detail, why: reasonOf(failure) });
    },
  };
  const client = createClientInterface(clientOptions);
  const clientTls = tlsListener && internal && createClientTlsInterface(clientOptions, internal);
  renewInternal = () => {
    // One that is switched off before another is on stays in use: the listener must show one.
    internal = internalIdentityOf(token) ?? internal;
    if (internal !== undefined) clientTls?.setSecureContext(clientTlsContext(internal));
  };
  const reports = new RefusalReports(clock, reportsMs);
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
    identity = identityOf(token.authentication());
    peer.setSecureContext({ ...identity, minVersion: 'TLSv1.3' });
    peers.forgetSessions();
  };
  closeUnlisted = (view) =>
    peerSockets.prune((digest) => view.serverOfCertificate(digest, clock()) !== undefined);
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
  const pushing = new RightPushing(exchange, services.deliveries);
  opened.push(
    () => sealing.stop(),
    () => pushing.close(),
    () => exchange.services.close(),
    () => peers.close(),
    // A peer that is slow is not waited for: its connection ends first.
    () => void pushing.close(),
  );
  pushRights = () => void pushing.wake();
  pushRights();
  const requests = new ManagementRequests({ database: state, token, registry, server: settings.id, clock });
  const management = createServer(
    createManagementServer({
      ...{ exchange, token, state, services, connections, requests, registry, sealing, report },
      ...{ publishDescriptions, pushRights: () => pushRights() },
      counters: () => ({ ...counters, other_configurations_named_total: configuration.othersNamed }),
    }),
  );
  // Together: each waits for the exchanges in flight on it. One that could not open has none.
  opened.push(() => {
    const listeners = [client, peer, management, ...(clientTls === undefined ? [] : [clientTls])];
    return Promise.all(listeners.filter(({ listening }) => listening).map(stop));
  });
  const jobs = new AbortController();
  opened.push(() => jobs.abort());
  void configuration.follow(jobs.signal);
  void keepCertificateStatusFresh(exchange, own, (ms) => pause(ms, jobs.signal), jobs.signal);
  const { listeners: at } = settings;
  return {
    settings,
    exchange,
    services,
    connections,
    sealing,
    enrolment: {
      token,
      registry,
      requests,
      server: settings.id,
      report: (step) => report({ event: 'enrolment', step }),
    },
    addresses: {
      client: `http://${await listen(client, at.client)}`,
      ...(clientTls && at.clientTls && { clientTls: `https://${await listen(clientTls, at.clientTls)}` }),
      peer: `https://${await listen(peer, at.peer)}`,
      management: `http://${await listen(management, at.management)}`,
    },
  };
}

/** `vn.example/log/registry` → `vn.example`. */
function domainOf(origin: string): string {
  return origin.slice(0, origin.indexOf('/log/'));
}

/** What a crash left open is said to be unknown before anybody is answered (design §3). */
async function settleOpenRequests(log: MessageLog): Promise<void> {
  for (const { mid, dir } of await log.unanswered()) await log.appendOutcome(mid, dir, 'unknown');
}
