// Gives a running server another certificate of the pilot's authority, as wrong as a test wants it, and makes it show
// and use it as if it were good. Holds no expectations.
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { digestOf, memberOf, type Digest, type MemberId, type SecurityServerId } from '@onceway/sdk/protocol';
import { openCertificationAuthority } from '@onceway/central-registry/trust-services/certification-authority';
import { request } from 'undici';
import type { Federation, TestServer } from './federation.js';

type Usage = 'authentication' | 'signing';

export interface Wrong {
  /** How far the authority's clock is off while it issues. */
  readonly shiftMs?: number;
  /** What the authority certifies, where it is not the use. */
  readonly profile?: Usage;
  /** Of whom and where the registry lists it, where that is not the truth; null lists it nowhere. */
  readonly listed?: { readonly server?: SecurityServerId; readonly member?: MemberId } | null;
}

export interface Replaced {
  readonly digest: Digest;
  readonly good: Digest;
  /** Puts the good one back. */
  restore(): void;
}

/** The server uses it from its next message (signing) or start (authentication) on. */
export async function replaceCertificate(
  federation: Federation,
  server: TestServer,
  usage: Usage,
  wrong: Wrong = {},
): Promise<Replaced> {
  const { token } = server.running.enrolment;
  const member = memberOf(server.id);
  const good =
    usage === 'signing'
      ? token.signingKey(member).certificateDigest
      : token.authentication().certificateDigest;
  const key = token.generateKey(usage === 'signing' ? { usage, member } : { usage });
  const der = await issue(federation, server, wrong, usage, await requestOf(token, key.id, member));
  const digest = digestOf(der);
  token.addCertificate(der);
  token.setActive(digest, true);
  token.setActive(good, false);
  if (wrong.listed !== null)
    federation.registry.registry.servers.addCertificate({
      digest,
      server: wrong.listed?.server ?? server.id,
      usage,
      member: wrong.listed?.member ?? member,
      alg: 'ES256',
      der,
      fromS: 0,
      untilS: 2 ** 32,
    });
  await federation.registry.registry.publication.changed();
  return {
    digest,
    good,
    restore() {
      token.setActive(good, true);
      token.setActive(digest, false);
    },
  };
}

function requestOf(
  token: TestServer['running']['enrolment']['token'],
  keyId: string,
  member: MemberId,
): Promise<string> {
  return token.certificateRequest(keyId, { subject: { CN: member, O: member }, dns: ['127.0.0.1'] });
}

async function issue(
  federation: Federation,
  server: TestServer,
  { shiftMs = 0, profile }: Wrong,
  usage: Usage,
  csr: string,
): Promise<Buffer> {
  const { clock, registry } = federation;
  const member = memberOf(server.id);
  const before = clock.offsetMs;
  clock.offsetMs = before + shiftMs;
  try {
    const { token } = registry.registry.tokens.create(member, server.id, 1, 600);
    const answer = await request(`${registry.addresses.distribution}/certificates`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, profile: profile ?? usage, member, server: server.id, csr }),
    });
    const { certificate } = (await answer.body.json()) as { certificate: string };
    return new X509Certificate(certificate).raw;
  } finally {
    clock.offsetMs = before;
  }
}

/** Revokes by the pilot's authority, whose responder says so from now on. */
export function revoke(federation: Federation, digest: Digest): void {
  const authority = openCertificationAuthority({
    folder: join(federation.folder, 'registry', 'authority'),
    clock: federation.clock.now,
    locations: { ocsp: 'http://127.0.0.1', issuer: 'http://127.0.0.1' },
  });
  authority.revoke(authority.find(digest)?.serial ?? '', 'keyCompromise');
  authority.close();
}

/** Makes the server use and show its own certificate whatever is wrong with it, as a faulty one would.
 *  @param good what it believes to show. Returns how to make it see again. */
export function blind(server: TestServer, { digest, good }: Replaced): () => void {
  const { credentials, sources, configuration } = server.running.exchange;
  const require = credentials.require.bind(credentials);
  const show = credentials.show.bind(credentials);
  credentials.require = (asked, ...rest) => require(asked === digest ? good : asked, ...rest);
  credentials.show = async (asked, ...rest) => {
    if (asked !== digest) return show(asked, ...rest);
    const believed = await show(good, ...rest);
    const { certificate, issuers, ocsp } = await sources.own(configuration.current())(digest);
    return { ...believed, chain: [certificate, ...issuers], status: { ...believed.status, answer: ocsp } };
  };
  return () => {
    credentials.require = require;
    credentials.show = show;
  };
}
