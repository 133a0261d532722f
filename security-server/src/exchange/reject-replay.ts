// Third step of the provider's line: a message is taken once. Before its content is looked at: a copy of a message that
// is being served, also an altered one, must not be entered as that message's refusal.
import { CLOCK_SKEW_MS_MAX } from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import { stage, type Fresh, type ProvenRequest } from './stages.js';

/** @throws {OncewayError} `message_replayed`, `busy` */
export function rejectReplay(request: ProvenRequest, exchange: Exchange): Fresh {
  const { claims, iat } = request.message;
  exchange.replay.take(claims, iat * 1000, claims.exp * 1000 + CLOCK_SKEW_MS_MAX);
  return stage<Fresh>(request);
}
