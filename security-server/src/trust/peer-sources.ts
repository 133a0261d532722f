// Where certificates and their status come from: of a peer from the peer itself, of this server from the responder.
// Only a certificate's own server asks its responder (design §4.11).
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '@onceway/schemas';
import {
  CERTIFICATE_BYTES_MAX,
  digestOf,
  JSON_BYTES_MAX,
  OCSP_ANSWER_BYTES_MAX,
  OncewayError,
  parseConfigurationBundle,
  parseJws,
  type ConfigurationBundle,
  type SecurityServerRecord,
} from '@onceway/sdk/protocol';
import { ocspRequest, verifyOcspAnswer, type TrustView } from '@onceway/sdk/verify';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { replaceFile } from '../keys/durable-file.js';
import { CONFIGURATION_BYTES_MAX, CREDENTIAL_TIMEOUT_MS } from '../limits.js';
import { askTrustService } from '../transport/ask.js';
import type { PeerReply } from '../transport/peer-reply.js';
import type { PeerConnection, PeerTransport } from '../transport/peer-transport.js';
import type { CredentialSource, ShownCredential } from './credentials.js';

/** Answer of `GET /credentials/{digest}` for a certificate; DER in base64. */
export interface CertificateCredential {
  readonly type: 'certificate';
  readonly certificate: string;
  readonly issuers: readonly string[];
  readonly ocsp: string;
}

/** ... and for a configuration, by the digest of its head: what a peer needs to judge one that it lacks, and to take it. */
export interface ConfigurationCredential extends ConfigurationBundle {
  readonly type: 'configuration';
}

/** ... and for a record of a configuration: its octets, which are strict JSON. */
export interface RecordCredential {
  readonly type: 'record';
  readonly record: string;
}

/** ... and for a right, to its parties: a `right+jws`. */
export interface RightCredential {
  readonly type: 'right';
  readonly right: string;
}

const base64 = (bytesMax: number) => ({ type: 'string', maxLength: Math.ceil(bytesMax / 3) * 4 });
const compact = { type: 'string', maxLength: 65_536 };
const validate = new Ajv2020().compile({
  oneOf: [
    {
      type: 'object',
      additionalProperties: false,
      required: ['type', 'certificate', 'issuers', 'ocsp'],
      properties: {
        type: { const: 'certificate' },
        certificate: base64(CERTIFICATE_BYTES_MAX),
        issuers: { type: 'array', maxItems: 4, items: base64(CERTIFICATE_BYTES_MAX) },
        ocsp: base64(OCSP_ANSWER_BYTES_MAX),
      },
    },
    {
      type: 'object',
      additionalProperties: false,
      required: ['type', 'record'],
      properties: { type: { const: 'record' }, record: { type: 'string', maxLength: JSON_BYTES_MAX } },
    },
    {
      type: 'object',
      additionalProperties: false,
      required: ['type', 'right'],
      properties: { type: { const: 'right' }, right: compact },
    },
  ],
});
const CREDENTIAL_BYTES_MAX = 512 * 1024;
/** A record in JSON, whose quotes and backslashes are escaped once more. */
const RECORD_BYTES_MAX = 2 * JSON_BYTES_MAX;

export interface PeerSourcesOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly peers: PeerTransport;
  /** DER of a certificate in the own token. */
  readonly ownCertificate: (digest: Digest) => Buffer | undefined;
  /** Where the last answers of the responder are kept, for a restart while it is away. */
  readonly folder: string;
}

function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new OncewayError('certificate_status_unknown', `no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

export class PeerSources {
  readonly #options: PeerSourcesOptions;

  constructor(options: PeerSourcesOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** Certificates of a peer, as it shows them. */
  of(server: SecurityServerRecord, trust: TrustView): CredentialSource {
    return async (digest) => {
      const shown = await this.#ask(server, trust, digest);
      if (shown.type !== 'certificate')
        throw new OncewayError('certificate_invalid', `${server.id} shows something else for ${digest}`);
      return {
        certificate: Buffer.from(shown.certificate, 'base64'),
        issuers: shown.issuers.map((der) => Buffer.from(der, 'base64')),
        ocsp: Buffer.from(shown.ocsp, 'base64'),
      };
    };
  }

  /** The configuration that a peer named and we lack; not yet verified, but of this digest. */
  async configuration(
    server: SecurityServerRecord,
    trust: TrustView,
    digest: Digest,
  ): Promise<ConfigurationBundle> {
    const { type, ...bundle } = await this.#fetch<{ readonly type?: unknown }>(
      server,
      trust,
      digest,
      CONFIGURATION_BYTES_MAX,
    );
    const shown = type === 'configuration' ? parseConfigurationBundle(bundle) : undefined;
    if (shown === undefined || digestOf(parseJws(shown.head[0] ?? '').payloadOctets) !== digest)
      throw new OncewayError('configuration_invalid', `${server.id} shows something else for ${digest}`);
    return shown;
  }

  /** A record of it; not yet verified. */
  async record(server: SecurityServerRecord, trust: TrustView, digest: Digest): Promise<Buffer> {
    const shown = await this.#ask(server, trust, digest, RECORD_BYTES_MAX);
    if (shown.type !== 'record')
      throw new OncewayError('configuration_invalid', `${server.id} shows something else for ${digest}`);
    return Buffer.from(shown.record);
  }

  /** A right by which a peer decided on our request; not yet verified. */
  async right(server: SecurityServerRecord, trust: TrustView, digest: Digest): Promise<string> {
    const shown = await this.#ask(server, trust, digest);
    if (shown.type !== 'right')
      throw new OncewayError('envelope_invalid', `${server.id} shows something else for ${digest}`);
    return shown.right;
  }

  /** The own certificates: the responder is asked, and its last answer serves while it is away. */
  own(trust: TrustView): CredentialSource {
    return async (digest): Promise<ShownCredential> => {
      const certificate = this.#options.ownCertificate(digest);
      if (certificate === undefined)
        throw new OncewayError('signing_key_unavailable', `no certificate ${digest} in the token`);
      const { issuer, urls } = issuerOf(certificate, trust);
      const judge = async (ocsp: Buffer): Promise<void> => {
        const nowMs = this.#options.clock();
        const { clockSkewMs: skewMs } = trust.policy;
        const answer = { certificate, issuer, authorities: [issuer], nowMs, skewMs };
        if ((await verifyOcspAnswer(ocsp, answer)).status === 'unknown')
          throw new OncewayError('certificate_status_unknown', 'the responder does not know the certificate');
      };
      return {
        certificate,
        issuers: [issuer],
        ocsp: await this.#status(digest, await ocspRequest(certificate, issuer), urls, judge),
      };
    };
  }

  async #status(
    digest: Digest,
    body: Buffer,
    urls: readonly string[],
    judge: (answer: Buffer) => Promise<void>,
  ): Promise<Buffer> {
    const file = join(this.#options.folder, `${digest}.der`);
    let cause: unknown;
    for (const url of urls) {
      try {
        const { status, body: octets } = await askTrustService(url, 'application/ocsp-request', body, {
          bytesMax: OCSP_ANSWER_BYTES_MAX,
          timeoutMs: CREDENTIAL_TIMEOUT_MS,
          tooLarge: () => new OncewayError('certificate_status_unknown', `${url} sent too many octets`),
        });
        if (status !== 200) throw new OncewayError('certificate_status_unknown', `${url} answered ${status}`);
        // Kept only when it is genuine: what a responder sends while it is ill must not replace the last good answer.
        await judge(octets);
        replaceFile(file, octets);
        return octets;
      } catch (error) {
        cause = error;
      }
    }
    // Its age is judged by whoever uses it: freshness, then the grace.
    if (existsSync(file)) return readFileSync(file);
    throw new OncewayError('certificate_status_unknown', 'no OCSP responder answers', { cause });
  }

  async #ask(
    server: SecurityServerRecord,
    trust: TrustView,
    digest: Digest,
    bytesMax = CREDENTIAL_BYTES_MAX,
  ): Promise<CertificateCredential | RecordCredential | RightCredential> {
    const shown: unknown = await this.#fetch(server, trust, digest, bytesMax);
    if (!validate(shown)) throw new OncewayError('certificate_invalid', `${server.id} shows no credential`);
    return shown;
  }

  /** JSON, nothing of it believed. What does not come in time is cut off with its connection. */
  async #fetch<T extends object>(
    server: SecurityServerRecord,
    trust: TrustView,
    digest: Digest,
    bytesMax: number,
  ): Promise<T> {
    const { peers } = this.#options;
    let connection: PeerConnection | undefined;
    let isOver = false;
    let reusable = false;
    const ask = async (): Promise<PeerReply> => {
      const acquired = await peers.acquire(server, trust, true);
      if (isOver) {
        peers.release(acquired, true);
        throw new OncewayError('provider_unreachable', 'nobody waits any more');
      }
      connection = acquired;
      const path = `/credentials/${digest}`;
      return acquired.send('GET', path, {}, null, bytesMax, CREDENTIAL_TIMEOUT_MS);
    };
    try {
      const reply = await within(ask(), CREDENTIAL_TIMEOUT_MS);
      reusable = true;
      if (reply.status !== 200)
        throw new OncewayError(
          'certificate_status_unknown',
          `${server.id} answered ${reply.status} for ${digest}`,
        );
      return JSON.parse(reply.body.toString('utf8')) as T;
    } finally {
      isOver = true;
      if (connection !== undefined) peers.release(connection, reusable);
    }
  }
}

function issuerOf(certificate: Buffer, trust: TrustView): { issuer: Buffer; urls: readonly string[] } {
  const leaf = new X509Certificate(certificate);
  for (const authority of trust.authorities)
    for (const text of authority.certificates) {
      const issuer = Buffer.from(text, 'base64');
      if (leaf.checkIssued(new X509Certificate(issuer)))
        return { issuer, urls: authority.ocsp.map((responder) => responder.url) };
    }
  throw new OncewayError('certificate_invalid', 'no approved authority issued the certificate');
}
