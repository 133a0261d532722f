// What the two lines stand on, composed in main.ts. The lines themselves: consume.ts and provide.ts.
import type { Digest, SecurityServerId } from '@onceway/schemas';
import type { ConfigurationClient } from '@onceway/sdk/configuration';
import { OncewayError, type About, type HeadLine, type MemberId } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { ClientConnections } from '../clients/client-connections.js';
import type { Token } from '../keys/signer.js';
import type { Material, MessageLog } from '../message-log/message-log.js';
import type { ServiceDirectory } from '../services/service.js';
import type { BodyBounds } from '../transport/arriving-body.js';
import type { PeerTransport } from '../transport/peer-transport.js';
import type { ServiceTransport } from '../transport/service-transport.js';
import type { Credential, Credentials, Usage } from '../trust/credentials.js';
import type { PeerSources } from '../trust/peer-sources.js';
import type { HeldRights } from './held-rights.js';
import type { RefusalNotes } from './refusal-notes.js';
import type { RefusalRate } from './refusal-rate.js';
import type { ReplayWindow } from './replay.js';
import type { Running } from './running.js';
import type { CatchUp } from '../trust/catch-up.js';
import { about, quarterOf } from './about.js';

export interface Exchange {
  readonly server: SecurityServerId;
  readonly configuration: ConfigurationClient;
  readonly token: Token;
  readonly log: MessageLog;
  readonly replay: ReplayWindow;
  readonly running: Running;
  readonly refusals: RefusalRate;
  /** ... and how many rights a peer may push. */
  readonly pushes: RefusalRate;
  readonly notes: RefusalNotes;
  readonly rights: HeldRights;
  readonly directory: ServiceDirectory;
  readonly connections: Pick<ClientConnections, 'of'>;
  readonly peers: PeerTransport;
  readonly services: ServiceTransport;
  readonly credentials: Credentials;
  readonly sources: PeerSources;
  readonly catchUp: CatchUp;
  /** Tells the operator of what failed beside an exchange, where nobody waits for it; bounded.
   *  @param about identifiers and digests, never of a person */
  readonly failed: (what: string, error: unknown, about?: Readonly<Record<string, string>>) => void;
  /** What a certificate of this server's token is for; undefined where it is not one. */
  readonly ownUsage: (digest: Digest) => Usage | undefined;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly randomBytes: (size: number) => Buffer;
  readonly limits: {
    /** Of a body in memory; a larger one is streamed. */
    readonly bodyBytesMax: number;
    /** Of a streamed body. */
    readonly bodyBounds: BodyBounds;
    readonly outcomeAskIntervalMs: number;
    readonly outcomeAskTotalMs: number;
  };
}

/** The configuration to decide by, while this server may exchange at all.
 *  @throws {OncewayError} the codes of ConfigurationClient.current, `time_stamping_overdue`, `witness_overdue` */
export function trustNow(exchange: Exchange): TrustView {
  const trust = exchange.configuration.current();
  if (exchange.log.stampingBacklogMs() > trust.policy.stampingBacklogMs)
    throw new OncewayError(
      'time_stamping_overdue',
      'checkpoints have been without a time-stamp for too long',
    );
  if (exchange.log.witnessBacklogMs() > trust.policy.witnessBacklogMs)
    throw new OncewayError('witness_overdue', 'checkpoints have been without enough witnesses for too long');
  return trust;
}

/** The own signing certificate with a status that peers will accept.
 *  @throws {OncewayError} `signing_key_unavailable`, `certificate_*` */
export async function ownCredential(
  exchange: Exchange,
  digest: Digest,
  trust: TrustView,
): Promise<Credential> {
  return exchange.credentials.require(digest, 'signing', trust, exchange.sources.own(trust));
}

type MaterialsOfPeer = Map<SecurityServerId, readonly Material[]>;
/** By configuration first, so that none outlives its own because a peer fell silent. */
const perSigner = new WeakMap<TrustView, WeakMap<Credential, MaterialsOfPeer>>();

/** What a message relied on, for the log: certificates, OCSP answer, and the records that list the signer. The same list
 *  for every message of a signer between the same two servers, while neither configuration nor status changes. */
export function materialsOf(
  exchange: Exchange,
  trust: TrustView,
  signer: Credential,
  peer: SecurityServerId,
): readonly Material[] {
  let signers = perSigner.get(trust);
  if (signers === undefined) perSigner.set(trust, (signers = new WeakMap()));
  let ofPeer = signers.get(signer);
  if (ofPeer === undefined) signers.set(signer, (ofPeer = new Map() as MaterialsOfPeer));
  let materials = ofPeer.get(peer);
  if (materials === undefined) ofPeer.set(peer, (materials = listMaterials(exchange, trust, signer, peer)));
  return materials;
}

function listMaterials(
  exchange: Exchange,
  trust: TrustView,
  signer: Credential,
  peer: SecurityServerId,
): Material[] {
  const { configuration } = exchange;
  const record = (digest: Digest): Material => ({
    kind: 'record',
    digest,
    octets: () => configuration.record(digest) ?? missing(digest),
  });
  const parties = [peer, exchange.server].flatMap((id) => trust.server(id) ?? []);
  return [
    ...configurationMaterials(exchange, trust),
    ...parties.map((party) => record(trust.digestOf(party))),
    ...signer.materials,
  ];
}

const perView = new WeakMap<TrustView, readonly Material[]>();

/** Head, delegations, policy and authorities: the same for every message under one configuration. */
function configurationMaterials(exchange: Exchange, trust: TrustView): readonly Material[] {
  let materials = perView.get(trust);
  if (materials === undefined) {
    const general = [trust.policy, ...trust.authorities, ...trust.timeStampingAuthorities];
    materials = [
      {
        kind: 'configuration',
        digest: trust.reference.digest,
        // Of this very view: another configuration may have been taken since the line began.
        octets: () => {
          const { head, delegations } =
            exchange.configuration.past(trust.reference.digest)?.bundle ?? missing(trust.reference.digest);
          return Buffer.from(JSON.stringify({ head, delegations }));
        },
      },
      ...general.map((of): Material => {
        const digest = trust.digestOf(of);
        return {
          kind: 'record',
          digest,
          octets: () => exchange.configuration.record(digest) ?? missing(digest),
        };
      }),
    ];
    perView.set(trust, materials);
  }
  return materials;
}

function missing(digest: Digest): never {
  throw new TypeError(`record ${digest} of the configuration in force is not held`);
}

const pseudonyms = new WeakMap<readonly HeadLine[], { member: MemberId; quarter: string; about: About[] }>();

/** The pseudonyms of one member for a head: made once for the request and its answer. */
export function aboutOf(exchange: Exchange, lines: readonly HeadLine[], member: MemberId): About[] {
  const nowMs = exchange.clock();
  const quarter = quarterOf(nowMs);
  const known = pseudonyms.get(lines);
  if (known?.member === member && known.quarter === quarter) return known.about;
  const made = about(lines, member, nowMs, (of, k) => exchange.token.pseudonymKey(of, k));
  pseudonyms.set(lines, { member, quarter, about: made });
  return made;
}
