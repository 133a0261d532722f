// Keeps the OCSP answers of the own certificates fresh, so that peers never wait for a responder, and enters each new
// one in the log: what was known of a certificate, and when, is evidence.
import type { Exchange } from '../exchange/exchange.js';
import type { OwnCertificates } from '../trust/own-certificates.js';

/** Asked this many times within the freshness, so that two failures in a row do no harm. */
const ATTEMPTS_PER_FRESHNESS = 4;
const INTERVAL_MS_MIN = 1_000;

/** One round over all own certificates; a failure is told and leaves the old answer. */
export async function refreshCertificateStatus(exchange: Exchange, own: OwnCertificates): Promise<void> {
  const trust = exchange.configuration.current();
  for (const digest of own.digests()) {
    const usage = own.find(digest)?.usage;
    if (usage === undefined) continue;
    const credential = await exchange.credentials
      .renew(digest, usage, trust, exchange.sources.own(trust))
      .catch((error: unknown) => exchange.failed('certificate-status', error, { certificate: digest }));
    if (typeof credential === 'object') await exchange.log.appendMaterials(credential.materials);
  }
}

/** Until the signal ends it. */
export async function keepCertificateStatusFresh(
  exchange: Exchange,
  own: OwnCertificates,
  pause: (ms: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await refreshCertificateStatus(exchange, own).catch((error: unknown) =>
      exchange.failed('certificate-status', error),
    );
    const freshnessMs = exchange.configuration.latest()?.policy.ocspFreshnessMs ?? INTERVAL_MS_MIN;
    await pause(Math.max(INTERVAL_MS_MIN, freshnessMs / ATTEMPTS_PER_FRESHNESS));
  }
}
