// The provider's line: one message of a peer, from its arrival to its reply. Read it from top to bottom; each step
// takes what only the step before can make (stages.ts). docs/architecture.md draws it.
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
import type {
  Accepted,
  OpenedRequest,
  ProvenRequest,
  ReceivedMessage,
  RecordedAnswer,
  Reply,
} from './stages.js';

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
  let accepted: Accepted | undefined;
  try {
    const fresh = rejectReplay(proven, exchange); // once
    opened = open(fresh, exchange); // the content is what was signed
    const authorized = authorize(opened, exchange); // by which right
    accepted = await recordAccepted(authorized, exchange); // durable before the service is called
    const delivered = await deliver(accepted, exchange); // at most once
    const released = release(delivered, exchange); // still by right: the service may have taken minutes
    const sealed = await sealAnswer(released, exchange); // head, commitments, signature
    const recorded = await recordAnswer(sealed, exchange); // durable before the answer leaves
    return reply(recorded);
  } catch (error) {
    const op = accepted?.request.op ?? (opened === undefined ? undefined : `${opened.requestHead.method} *`);
    return refuse(opened ?? proven, error, op, accepted?.index, exchange);
  }
}

function reply({ envelope, head, salts, body }: RecordedAnswer): Reply {
  return { kind: 'signed', envelope, head, salts, body };
}
