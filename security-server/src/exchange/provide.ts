// The provider's line: one message of a peer, from its arrival to its reply. Read it from top to bottom; each step
// takes what only the step before can make (stages.ts). docs/architecture.md draws it.
import { SpooledBody } from '../message-log/message-log.js';
import { answerBody } from './answer-body.js';
import { authenticateServer } from './authenticate-server.js';
import { authorize } from './authorize.js';
import { deliver } from './deliver.js';
import { trustNow, type Exchange } from './exchange.js';
import { open, prove } from './open-request.js';
import { recordAccepted, recordAnswer } from './record.js';
import { refuse } from './refuse.js';
import { rejectReplay } from './reject-replay.js';
import { release } from './release.js';
import { sealAnswer } from './seal.js';
import {
  isWhole,
  type Accepted,
  type AnyBody,
  type Authorized,
  type Delivered,
  type OpenedRequest,
  type ProvenRequest,
  type ReceivedMessage,
  type RecordedAnswer,
  type Reply,
  type SealedAnswer,
  type Whole,
} from './stages.js';
import { ArrivingBody } from '../transport/arriving-body.js';
import { takeBody } from './take-body.js';

/** @throws {OncewayError} what is answered without a signature: strangers learn nothing and do not fill the log */
export async function provide(received: ReceivedMessage, exchange: Exchange): Promise<Reply> {
  const trust = trustNow(exchange); // refuses while the configuration is expired or the evidence is behind
  const fromServer = await authenticateServer(received, trust, exchange); // which server is speaking
  const proven = await prove(fromServer, trust, exchange); // who signed, for us, in time
  return exchange.running.during(proven.message.mid, proven.peer.id, () => serve(proven, exchange));
}

/** From here on a refusal is signed and entered. */
async function serve(proven: ProvenRequest, exchange: Exchange): Promise<Reply> {
  let opened: OpenedRequest | undefined;
  let whole: Whole<Authorized> | undefined;
  let accepted: Accepted | undefined;
  let delivered: Delivered | undefined;
  let answered: Whole<SealedAnswer> | undefined;
  try {
    const fresh = rejectReplay(proven, exchange); // once
    opened = open(fresh, exchange); // the content is what was signed
    const authorized = authorize(opened, exchange); // by which right
    whole = isWhole(authorized) ? authorized : await takeBody(authorized, exchange); // above 256 KiB: it comes only now
    accepted = await recordAccepted(whole, exchange); // durable before the service is called
    delivered = await deliver(accepted, exchange); // at most once
    const released = release(delivered, exchange); // still by right: the service may have taken minutes
    const sealed = await sealAnswer(released, exchange); // head, commitments, signature
    answered = isWhole(sealed) ? sealed : await answerBody(sealed, proven.received.response, exchange); // above 256 KiB: but for the closing it leaves
    const recorded = await recordAnswer(answered, exchange); // durable before the answer leaves
    return reply(recorded);
  } catch (error) {
    await giveUp(whole?.body, delivered?.result.body, answered?.body);
    const op = accepted?.request.op ?? (opened === undefined ? undefined : `${opened.requestHead.method} *`);
    return refuse(whole ?? opened ?? proven, error, op, accepted?.index, exchange);
  }
}

function reply({ envelope, head, salts, body, closed }: RecordedAnswer): Reply {
  return { kind: 'signed', envelope, head, salts, body, closed };
}

/** Of streamed bodies nothing is kept that no entry holds, and a service does not wait for ever for a reader. */
async function giveUp(...bodies: (AnyBody | undefined)[]): Promise<void> {
  for (const body of bodies) {
    if (body instanceof ArrivingBody) body.close();
    if (body instanceof SpooledBody) await body.discard();
  }
}
