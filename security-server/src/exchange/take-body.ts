// A step of the provider's line, for bodies above 256 KiB only: what was authorised on its head is told to come, and is
// a message once its closing is proven.
import type { Exchange } from './exchange.js';
import { stage, type Authorized, type Whole } from './stages.js';
import { takeStream } from './streamed-body.js';
import { ArrivingBody } from '../transport/arriving-body.js';

/** @throws {TransferAbortedError} there was no message: the refusal names the opening, and an outcome `aborted` is
 *  entered with it */
export async function takeBody(authorized: Authorized, exchange: Exchange): Promise<Whole<Authorized>> {
  const { body, message, signer, salts } = authorized;
  if (!(body instanceof ArrivingBody)) throw new TypeError('this body is here already');
  const { mid, ...streamed } = await takeStream(body, message, signer, salts.body, exchange);
  return stage<Whole<Authorized>>({ ...authorized, ...streamed, message: { ...message, mid } });
}
