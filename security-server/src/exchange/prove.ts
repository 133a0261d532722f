// What a message of either direction must prove before anything in it is believed (design §4.7): configuration,
// listing of the certificate for (member, server), certificate and status, signature, time, commitments.
import type { SecurityServerRecord } from '@onceway/sdk/protocol';
import {
  checkCommitment,
  codeOf,
  memberOf,
  OncewayError,
  verifySignature,
  type ConfigurationReference,
  type Envelope,
  type RequestClaims,
  type Salts,
  type SignatureAlgorithm,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Credential } from '../trust/credentials.js';
import type { Exchange } from './exchange.js';
import type { AnyBody } from './stages.js';

type Speaking = Pick<RequestClaims, 'iss' | 'server' | 'cfg'>;

/** Brings our configuration up to the one that a message names, where that can be had from the peer that named it or
 *  from the registry; otherwise our own unexpired one decides, and the entry keeps both. Nothing is judged yet.
 *  @throws {OncewayError} the codes of ConfigurationClient.current */
export function catchUp(
  speaking: Speaking,
  peer: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
): TrustView | Promise<TrustView> {
  const { seq, digest } = trust.reference;
  return speaking.cfg.seq === seq && speaking.cfg.digest === digest
    ? trust
    : catchUpNow(speaking, peer, trust, exchange);
}

async function catchUpNow(
  { cfg }: Speaking,
  peer: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
): Promise<TrustView> {
  const { configuration } = exchange;
  // A fork and an expired one are refused when the signature under that claim is proven: judgeConfiguration.
  const isOurs = (): boolean => ['same', 'known'].includes(configuration.standing(cfg));
  if (!isOurs())
    await exchange.catchUp.once(peer.id, cfg, async (signal) => {
      const failed = await takeFrom(peer, cfg, trust, exchange, signal).catch((error: unknown) => ({
        error,
      }));
      if (!isOurs() && cfg.seq > configuration.current().reference.seq)
        await exchange.catchUp.once('registry', cfg, () => configuration.refresh(0, signal));
      if (failed !== undefined && !isOurs()) throw failed.error;
    });
  return configuration.current();
}

/** Takes what a peer named from the peer itself. A head that is signed like one that we took and says another thing is
 *  kept as evidence, in the log; the alarm is the configuration's own. */
async function takeFrom(
  peer: SecurityServerRecord,
  { digest }: ConfigurationReference,
  trust: TrustView,
  { configuration, sources, log }: Exchange,
  signal: AbortSignal,
): Promise<void> {
  const bundle = await sources.configuration(peer, trust, digest);
  try {
    await configuration.takeShown(bundle, (of) => sources.record(peer, trust, of), signal);
  } catch (error) {
    const { head, delegations } = bundle;
    if (codeOf(error) === 'configuration_fork')
      await log.appendMaterials([
        { kind: 'configuration', digest, octets: () => Buffer.from(JSON.stringify({ head, delegations })) },
      ]);
    throw error;
  }
}

/** What the sender decided by, once it is proven that it says so.
 *  @throws {OncewayError} `configuration_fork`, `configuration_expired` */
export function judgeConfiguration({ cfg }: Pick<Speaking, 'cfg'>, exchange: Exchange): void {
  exchange.configuration.judge(cfg);
}

/** Proves who signed a message that came from `peer`. Configuration, time and content are not yet judged.
 *  @throws {OncewayError} `signer_not_listed`, `certificate_*`, `signature_invalid` */
export async function proveSigner(
  message: Envelope<Speaking>,
  peer: SecurityServerRecord,
  trust: TrustView,
  exchange: Exchange,
): Promise<Credential> {
  if (message.claims.server !== peer.id)
    throw new OncewayError('signer_not_listed', `${message.claims.server} is not ${peer.id}`);
  const alg = listedAlgorithm(message, peer, trust, exchange.clock());
  const pending = exchange.credentials.require(
    message.certificate,
    'signing',
    trust,
    exchange.sources.of(peer, trust),
  );
  const signer = pending instanceof Promise ? await pending : pending;
  verifySignature(message.jws, signer.key, alg);
  return signer;
}

function listedAlgorithm(
  message: Envelope<Speaking>,
  peer: SecurityServerRecord,
  trust: TrustView,
  nowMs: number,
): SignatureAlgorithm {
  const listed = trust.signingListing(memberOf(message.claims.iss), peer.id, message.certificate, nowMs);
  if (listed === undefined || !trust.isActive(message.claims.iss))
    throw new OncewayError(
      'signer_not_listed',
      `the certificate may not sign for ${message.claims.iss} on ${peer.id}`,
    );
  if (!trust.allowsAlgorithm(listed.alg, nowMs))
    throw new OncewayError('signature_invalid', `${listed.alg} is not allowed at this time`);
  return listed.alg;
}

/** Of a body that follows only that it does: its commitment stands in the closing (streamed-body.ts).
 *  @throws {OncewayError} `commitment_mismatch` */
export function checkContent(
  claims: Pick<RequestClaims, 'head' | 'body'>,
  salts: Salts,
  head: Buffer,
  body: AnyBody,
): void {
  checkCommitment(claims.head.digest, salts.head, head);
  if (claims.body === null) {
    if (body !== null || salts.body !== null)
      throw new OncewayError('commitment_mismatch', 'a body came that was not signed');
  } else {
    if (body === null || salts.body === null)
      throw new OncewayError('commitment_mismatch', 'the body that was signed did not come');
    const isToCome = !(body instanceof Uint8Array);
    if ('follows' in claims.body !== isToCome)
      throw new OncewayError('commitment_mismatch', 'a body follows, or comes at once, as its envelope says');
    if (!isToCome && 'digest' in claims.body) checkCommitment(claims.body.digest, salts.body, body);
  }
}
