// First step of the consumer's line: the head in the lines that are signed. They name the request, and stay the same when
// another server is tried with a new message.
import { lastValueOf, uuidV7 } from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import { stage, type Identified, type ReceivedRequest } from './stages.js';

/** What a client may send under these names is not carried: the server says it. */
const SAID_HERE = new Set(['x-road-request-id', 'x-road-request-hash']);

/** X-Road's order: the client's lines, then the request id, then the message id where the client gave none. Of several
 *  X-Road-Client lines the last one counts; a service that reads the first must not be told another client. */
export function identify(received: ReceivedRequest, exchange: Exchange): Identified {
  const speaking = received.lines.findLastIndex(([name]) => name.toLowerCase() === 'x-road-client');
  const lines = received.lines.filter(([name], index) => {
    const lower = name.toLowerCase();
    if (lower === 'x-road-client') return index === speaking;
    return !SAID_HERE.has(lower) && !lower.startsWith('exchange-');
  });
  lines.push(['x-road-request-id', uuidV7(exchange.clock(), exchange.randomBytes(10))]);
  if (lastValueOf(lines, 'X-Road-Id') === undefined) {
    const instance = exchange.server.slice(0, exchange.server.indexOf('/'));
    lines.push(['x-road-id', `${instance}-${uuidV7(exchange.clock(), exchange.randomBytes(10))}`]);
  }
  const { channel, method, target, body } = received;
  return stage<Identified>({ channel, method, target, lines, body });
}
