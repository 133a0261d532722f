// A step of the provider's line, for answers above 256 KiB only: the body leaves while the service still gives it, and
// only the closing, held back until the record is durable, makes an answer of it.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { formatSalts, OncewayError, type Salts } from '@onceway/sdk/protocol';
import { ArrivingBody } from '../transport/arriving-body.js';
import type { Exchange } from './exchange.js';
import { stage, type SealedAnswer, type Whole } from './stages.js';
import { passStream } from './streamed-body.js';

/** @throws {OncewayError} `service_failed` where the service breaks off; `body_aborted` where the peer does;
 *  `service_timeout`, `service_answer_invalid` (too large), `outcome_unknown` (no place for it), `log_unavailable` */
export async function answerBody(
  sealed: SealedAnswer,
  response: ServerResponse | undefined,
  exchange: Exchange,
): Promise<Whole<SealedAnswer>> {
  const { body, mid: opening, envelope, head, salts, signer } = sealed;
  if (!(body instanceof ArrivingBody) || response === undefined)
    throw new TypeError('this body has nothing to wait for');
  try {
    beginStream(response, { envelope, head, salts });
    const pass = (chunk: Buffer): Promise<void> => writeStream(response, chunk);
    const streamed = await passStream(
      body,
      opening,
      signer,
      salts.body,
      [sealed.request.peer.id],
      pass,
      exchange,
    );
    // It may have taken hours: the entry names the configuration that is in force when it is made.
    return stage<Whole<SealedAnswer>>({ ...sealed, ...streamed, trust: exchange.configuration.current() });
  } catch (error) {
    body.close();
    throw ofService(error);
  }
}

/** The fields of a message whose body follows. */
export function beginStream(
  response: ServerResponse,
  { envelope, head, salts }: { readonly envelope: string; readonly head: Buffer; readonly salts: Salts },
): void {
  response.writeHead(200, {
    'Exchange-Message': envelope,
    'Exchange-Head': head.toString('base64url'),
    'Exchange-Salt': formatSalts(salts),
    'Transfer-Encoding': 'chunked',
    Trailer: 'Exchange-Closing',
  });
}

/** Resolves when more may be sent. @throws {OncewayError} `body_aborted` where nobody reads any more */
export async function writeStream(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (isGone(response)) throw new OncewayError('body_aborted', 'the connection is gone');
  if (response.write(chunk)) return;
  const ended = new AbortController();
  try {
    await Promise.race([
      once(response, 'drain', { signal: ended.signal }),
      once(response, 'close', { signal: ended.signal }),
    ]);
  } finally {
    ended.abort();
  }
  if (isGone(response)) throw new OncewayError('body_aborted', 'the connection broke');
}

const isGone = (response: ServerResponse): boolean => response.destroyed;

/** Whose fault it was, as the consumer shall read it: the body is the service's. */
function ofService(error: unknown): unknown {
  if (!(error instanceof OncewayError)) return error;
  const { code, message } = error;
  if (code === 'body_too_large') return new OncewayError('service_answer_invalid', message, { cause: error });
  // It was called: `busy` would invite to call it again.
  if (code === 'busy') return new OncewayError('outcome_unknown', message, { cause: error });
  if (code === 'body_too_slow') return new OncewayError('service_timeout', message, { cause: error });
  return code === 'body_aborted' ? new OncewayError('service_failed', message, { cause: error }) : error;
}
