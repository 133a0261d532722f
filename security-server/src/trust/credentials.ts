// Certificates of peers and of this server with their status: verified once, kept, and asked anew before they are
// stale. Whose certificate it is says the configuration; here only: genuine, of this purpose, in its time, not revoked.
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Digest } from '@onceway/schemas';
import { codeOf, digestOf, OncewayError } from '@onceway/sdk/protocol';
import { verifyChain, verifyOcspAnswer, type TrustView } from '@onceway/sdk/verify';
import { CREDENTIALS_MAX } from '../limits.js';
import type { Material } from '../message-log/message-log.js';

export type Usage = 'authentication' | 'signing';

/** What its owner shows for a certificate; nothing of it believed. DER. */
export interface ShownCredential {
  readonly certificate: Buffer;
  readonly issuers: readonly Buffer[];
  readonly ocsp: Buffer;
}

/** Where a certificate and its status come from: its own server, or for our own the responder. */
export type CredentialSource = (digest: Digest) => Promise<ShownCredential>;

export interface Status {
  readonly digest: Digest;
  readonly answer: Buffer;
  readonly thisUpdateMs: number;
  readonly revokedAtMs: number | undefined;
}

/** A certificate that was good when last judged. */
export interface Credential {
  readonly digest: Digest;
  readonly usage: Usage;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  /** Leaf first. */
  readonly chain: readonly Buffer[];
  readonly chainDigests: readonly Digest[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly status: Status;
  /** Certificates and OCSP answer, for the log. */
  readonly materials: readonly Material[];
}

interface Kept {
  credential: Credential;
  /** The approved authorities under which the chain was verified. */
  readonly authorities: string;
  refreshing: Promise<Credential> | undefined;
  retryAtMs: number;
}

/** After a responder or peer gave no newer status, it is asked again no sooner than this. */
const RETRY_MS = 5_000;

export class Credentials {
  readonly #clock: () => number;
  readonly #alarm: (error: OncewayError) => void;
  readonly #kept = new Map<Digest, Kept>();
  /** First fetches at hand: who asks for the same certificate meanwhile shares one. */
  readonly #fetching = new Map<string, Promise<Credential>>();

  constructor(options: { readonly clock: () => number; readonly alarm: (error: OncewayError) => void }) {
    this.#clock = options.clock;
    this.#alarm = options.alarm;
  }

  /** The credential for a certificate, synchronously where it is known and fresh, so that the hot path waits for
   *  nothing. Stale within the grace it is used while it is asked anew.
   *  @throws {OncewayError} `certificate_invalid`, `certificate_revoked`, `certificate_status_unknown` */
  require(
    digest: Digest,
    usage: Usage,
    trust: TrustView,
    source: CredentialSource,
  ): Credential | Promise<Credential> {
    const kept = this.#kept.get(digest);
    if (kept === undefined || kept.authorities !== authoritiesOf(trust))
      return this.#fetch(digest, usage, trust, source).then((credential) =>
        this.#judge(credential, usage, trust),
      );
    const now = this.#clock();
    const { policy } = trust;
    const age = now - kept.credential.status.thisUpdateMs;
    if (age > policy.ocspFreshnessMs / 2 && now >= kept.retryAtMs) {
      const refreshed = this.#refresh(kept, digest, usage, trust, source);
      if (age > policy.ocspFreshnessMs)
        return refreshed.then((credential) => this.#judge(credential, usage, trust));
    }
    return this.#judge(kept.credential, usage, trust);
  }

  /** When the newest status known of a certificate was made, ms; undefined where none is known. */
  statusAtMs(digest: Digest): number | undefined {
    return this.#kept.get(digest)?.credential.status.thisUpdateMs;
  }

  /** The credential as it is, revoked and stale too: for showing the own ones, which the asker judges. */
  async show(digest: Digest, usage: Usage, trust: TrustView, source: CredentialSource): Promise<Credential> {
    const kept = this.#kept.get(digest);
    const now = this.#clock();
    // While the responder is away the peers are not kept waiting for it: they judge the age of what is shown.
    if (
      kept !== undefined &&
      (now - kept.credential.status.thisUpdateMs < trust.policy.ocspFreshnessMs / 2 || now < kept.retryAtMs)
    )
      return kept.credential;
    return this.renew(digest, usage, trust, source);
  }

  /** Asks anew whatever the age; a failure leaves what was known.
   *  @throws {OncewayError} `certificate_*` where nothing was known */
  async renew(digest: Digest, usage: Usage, trust: TrustView, source: CredentialSource): Promise<Credential> {
    const kept = this.#kept.get(digest);
    if (kept !== undefined) return this.#refresh(kept, digest, usage, trust, source);
    return this.#fetch(digest, usage, trust, source);
  }

  #keep(obtained: Credential, trust: TrustView): Credential {
    const known = this.#kept.get(obtained.digest)?.credential.status;
    const credential =
      known !== undefined && known.thisUpdateMs > obtained.status.thisUpdateMs
        ? credentialOf(obtained.digest, obtained.usage, obtained.certificate, obtained.chain, known)
        : obtained;
    if (this.#kept.size >= CREDENTIALS_MAX) this.#kept.delete(this.#kept.keys().next().value as Digest);
    this.#kept.set(credential.digest, {
      credential,
      authorities: authoritiesOf(trust),
      refreshing: undefined,
      retryAtMs: 0,
    });
    return credential;
  }

  #judge(credential: Credential, usage: Usage, trust: TrustView): Credential {
    const now = this.#clock();
    const { clockSkewMs, ocspFreshnessMs, ocspGraceMs } = trust.policy;
    if (credential.usage !== usage)
      throw new OncewayError('certificate_invalid', `the certificate is not for ${usage}`);
    if (now + clockSkewMs < credential.notBeforeMs || now - clockSkewMs > credential.notAfterMs)
      throw new OncewayError('certificate_invalid', 'the certificate is not in its validity');
    if (credential.status.revokedAtMs !== undefined)
      throw new OncewayError(
        'certificate_revoked',
        `revoked at ${new Date(credential.status.revokedAtMs).toISOString()}`,
      );
    if (now - credential.status.thisUpdateMs > ocspFreshnessMs + ocspGraceMs)
      throw new OncewayError(
        'certificate_status_unknown',
        'the last OCSP answer is older than freshness and grace',
      );
    return credential;
  }

  #fetch(digest: Digest, usage: Usage, trust: TrustView, source: CredentialSource): Promise<Credential> {
    const key = `${usage} ${digest}`;
    let fetching = this.#fetching.get(key);
    if (fetching === undefined) {
      fetching = this.#obtain(digest, usage, trust, source)
        .then((credential) => this.#keep(credential, trust))
        .finally(() => this.#fetching.delete(key));
      this.#fetching.set(key, fetching);
    }
    return fetching;
  }

  /** One attempt at a time. What is not newer than the status known changes nothing: a peer can not take back a
   *  revocation by showing an older answer, and while its responder is away it is not asked for each message. */
  #refresh(
    kept: Kept,
    digest: Digest,
    usage: Usage,
    trust: TrustView,
    source: CredentialSource,
  ): Promise<Credential> {
    kept.refreshing ??= this.#obtain(digest, usage, trust, source)
      .then((credential) => {
        if (credential.status.thisUpdateMs <= kept.credential.status.thisUpdateMs)
          throw new OncewayError('certificate_status_unknown', `no newer status of ${digest} is shown`);
        return (kept.credential = credential);
      })
      .catch((error: unknown) => {
        const now = this.#clock();
        kept.retryAtMs = now + RETRY_MS;
        if (now - kept.credential.status.thisUpdateMs > trust.policy.ocspFreshnessMs / 2)
          this.#alarm(
            error instanceof OncewayError && codeOf(error) !== 'broken'
              ? error
              : new OncewayError('certificate_status_unknown', `no fresh status of ${digest}`, {
                  cause: error,
                }),
          );
        return kept.credential;
      })
      .finally(() => (kept.refreshing = undefined));
    return kept.refreshing;
  }

  async #obtain(
    digest: Digest,
    usage: Usage,
    trust: TrustView,
    source: CredentialSource,
  ): Promise<Credential> {
    const shown = await source(digest);
    if (digestOf(shown.certificate) !== digest)
      throw new OncewayError('certificate_invalid', 'the certificate shown is another one');
    const nowMs = this.#clock();
    const { certificate, chain, authorities } = await approvedChain(shown.certificate, usage, trust, nowMs);
    const issuer = chain[1];
    if (issuer === undefined) throw new OncewayError('certificate_invalid', 'the certificate has no issuer');
    const ocsp = await verifyOcspAnswer(shown.ocsp, {
      certificate: shown.certificate,
      issuer,
      authorities,
      nowMs,
      skewMs: trust.policy.clockSkewMs,
      graceMs: trust.policy.ocspGraceMs,
    });
    if (ocsp.status === 'unknown')
      throw new OncewayError('certificate_status_unknown', 'the responder does not know the certificate');
    return credentialOf(digest, usage, certificate, chain, {
      digest: digestOf(shown.ocsp),
      answer: shown.ocsp,
      thisUpdateMs: ocsp.thisUpdateMs,
      revokedAtMs: ocsp.status === 'revoked' ? (ocsp.revokedAtMs ?? ocsp.thisUpdateMs) : undefined,
    });
  }
}

/** The chain to one of the approved authorities: each is a root with the issuing authorities below it. */
async function approvedChain(leaf: Buffer, usage: Usage, trust: TrustView, atMs: number) {
  let failed: unknown;
  for (const authority of trust.authorities) {
    const authorities = authority.certificates.map((der) => Buffer.from(der, 'base64'));
    try {
      return { ...(await verifyChain(leaf, { authorities, atMs, usage })), authorities };
    } catch (error) {
      failed = error;
    }
  }
  if (failed instanceof Error) throw failed;
  throw new OncewayError('certificate_invalid', 'no certification authority is approved');
}

function credentialOf(
  digest: Digest,
  usage: Usage,
  certificate: X509Certificate,
  chain: readonly Buffer[],
  status: Status,
): Credential {
  const chainDigests = chain.map((der) => digestOf(der));
  return {
    digest,
    usage,
    certificate,
    key: certificate.publicKey,
    chain,
    chainDigests,
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    status,
    materials: [
      ...chain.map((der, i): Material => ({
        kind: 'certificate',
        digest: chainDigests[i] as Digest,
        octets: () => der,
      })),
      { kind: 'ocsp', digest: status.digest, octets: () => status.answer },
    ],
  };
}

const authorities = new WeakMap<TrustView, string>();

/** A change of the approved authorities makes every chain be verified anew. */
function authoritiesOf(trust: TrustView): string {
  let text = authorities.get(trust);
  if (text === undefined)
    authorities.set(
      trust,
      (text = trust.authorities
        .map((authority) => trust.digestOf(authority))
        .sort()
        .join()),
    );
  return text;
}
