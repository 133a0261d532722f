// Second and fourth step of the provider's line. `prove`: who signed, for whom, when; what fails there is answered
// unsigned. `open`: is the content what was signed, and for the service it names; what fails there is refused under
// our signature, and entered.
import {
  checkHeadAgrees,
  checkTime,
  decodeBase64url,
  OncewayError,
  parseRequestEnvelope,
  parseRequestHead,
  parseSalts,
  readClientId,
  valuesOf,
} from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Exchange } from './exchange.js';
import { catchUp, checkContent, judgeConfiguration, proveSigner } from './prove.js';
import { stage, type Fresh, type FromServer, type OpenedRequest, type ProvenRequest } from './stages.js';

/** @throws {OncewayError} `envelope_invalid`, `message_misdirected`, `signer_not_listed`, `certificate_*`,
 *  `signature_invalid`, `message_expired`, `message_from_future` */
export async function prove(
  message: FromServer,
  known: TrustView,
  exchange: Exchange,
): Promise<ProvenRequest> {
  const envelope = parseRequestEnvelope(present(message.envelope, 'Exchange-Message'));
  const { claims } = envelope;
  if (claims.to !== exchange.server)
    throw new OncewayError('message_misdirected', `${claims.to} is not ${exchange.server}`);
  const trust = await catchUp(claims, message.peer, known, exchange);
  const peer = trust.server(message.peer.id);
  if (peer === undefined || !trust.hosts(peer.id, claims.iss))
    throw new OncewayError('signer_not_listed', `${claims.iss} is not registered on ${message.peer.id}`);
  const signer = await proveSigner(envelope, peer, trust, exchange);
  checkTime(envelope, exchange.clock(), trust.policy.clockSkewMs);
  return stage<ProvenRequest>({ received: message, peer, trust, message: envelope, signer });
}

/** @throws {OncewayError} `configuration_fork`, `configuration_expired`, `commitment_mismatch`, `head_invalid`, `head_too_large`, `target_mismatch`,
 *  `request_target_invalid`, `purpose_invalid`, `form_invalid` */
export function open(fresh: Fresh, exchange: Exchange): OpenedRequest {
  const { received, message } = fresh;
  const { claims } = message;
  judgeConfiguration(claims, exchange);
  const salts = parseSalts(present(received.salts, 'Exchange-Salt'));
  const head = decodeBase64url(present(received.head, 'Exchange-Head'));
  checkContent(claims, salts, head, received.body);
  const requestHead = parseRequestHead(head);
  const { path, query } = checkHeadAgrees(requestHead, claims);
  // The service is told who asks by this line: it must say what is signed, and say it once.
  const [client, ...more] = valuesOf(requestHead.lines, 'X-Road-Client');
  if (client === undefined || more.length > 0 || readClientId(client) !== claims.iss)
    throw new OncewayError('target_mismatch', 'X-Road-Client is not who signed');
  const { peer, trust, signer } = fresh;
  const { body } = received;
  return stage<OpenedRequest>({
    received,
    peer,
    trust,
    message,
    signer,
    head,
    requestHead,
    path,
    query,
    body,
    salts,
  });
}

function present(value: string | undefined, name: string): string {
  if (value === undefined) throw new OncewayError('envelope_invalid', `${name} is not there once`);
  return value;
}
