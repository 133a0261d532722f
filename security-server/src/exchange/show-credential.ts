// `GET /credentials/{digest}`: what proves itself, shown to the servers that must judge our messages (design §4.11), and
// a right to its parties.
// Asked before our status is known, so the asker's own status is not required: being listed is.
import type { ClientId, Digest } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { SignedRight } from '../services/service.js';
import type {
  CertificateCredential,
  ConfigurationCredential,
  RecordCredential,
  RightCredential,
} from '../trust/peer-sources.js';
import type { Exchange } from './exchange.js';

/** JSON text. @throws {OncewayError} `peer_not_authenticated`, `not_found`, `certificate_status_unknown` */
export async function showCredential(
  digest: Digest,
  certificate: Digest,
  exchange: Exchange,
): Promise<string> {
  const trust = exchange.configuration.current();
  const asker = trust.serverOfCertificate(certificate, exchange.clock());
  if (asker === undefined) throw new OncewayError('peer_not_authenticated', 'the asker is not listed');
  const bundle = exchange.configuration.bundle(digest);
  if (bundle !== undefined)
    return JSON.stringify({ type: 'configuration', ...bundle } satisfies ConfigurationCredential);
  const record = exchange.configuration.record(digest);
  if (record !== undefined)
    return JSON.stringify({ type: 'record', record: record.toString() } satisfies RecordCredential);
  const right = exchange.directory.right(digest);
  if (right !== undefined && asker.clients.some((client) => isMeant(client, right, trust, exchange)))
    return JSON.stringify({ type: 'right', right: right.right } satisfies RightCredential);
  const usage = exchange.ownUsage(digest);
  if (usage === undefined) throw new OncewayError('not_found', 'not a certificate of this server');
  const own = await exchange.credentials.show(digest, usage, trust, exchange.sources.own(trust));
  return JSON.stringify({
    type: 'certificate',
    certificate: base64(own.chain[0]),
    issuers: own.chain.slice(1).map(base64),
    ocsp: own.status.answer.toString('base64'),
  } satisfies CertificateCredential);
}

function isMeant(
  client: ClientId,
  { subject, provider }: SignedRight,
  trust: TrustView,
  { directory }: Exchange,
): boolean {
  if ('client' in subject) return subject.client === client;
  if ('group' in subject) return trust.groupsOf(client).has(subject.group);
  return directory.localGroup(provider, subject.localGroup).has(client);
}

function base64(der: Buffer | undefined): string {
  return der?.toString('base64') ?? '';
}
