// A step of the provider's line, for bodies above 256 KiB only: what was authorised on its head is told to come, and is
// a message once its closing is proven.
import { checkTime, MESSAGE_LIFETIME_S_MAX } from '@onceway/sdk/protocol';
import type { Exchange } from './exchange.js';
import { proveSigner } from './prove.js';
import { standNow } from './release.js';
import { stage, type Authorized, type Whole } from './stages.js';
import { takeStream, TransferAbortedError } from './streamed-body.js';
import { ArrivingBody } from '../transport/arriving-body.js';

/** @throws {TransferAbortedError} there was no message: the refusal names the opening, and an outcome `aborted` is
 *  entered with it */
export async function takeBody(authorized: Authorized, exchange: Exchange): Promise<Whole<Authorized>> {
  const { body, message, signer, salts } = authorized;
  if (!(body instanceof ArrivingBody)) throw new TypeError('this body is here already');
  const { mid, iat, ...streamed } = await takeStream(body, message, signer, salts.body, exchange);
  try {
    // It may have taken hours: the service is called by the rights of now, and the entry names what is in force when it
    // is made, or nobody could prove later that the certificate was good then.
    const trust = standNow(authorized, exchange);
    const peer = trust.server(authorized.peer.id) ?? authorized.peer;
    const signerNow = await proveSigner(message, peer, trust, exchange);
    // One that was made long ago may have been declared not recorded, and that is remembered no longer than a message lives.
    const claims = { exp: iat + MESSAGE_LIFETIME_S_MAX };
    checkTime({ ...message, iat, claims }, exchange.clock(), trust.policy.clockSkewMs);
    return stage<Whole<Authorized>>({
      ...authorized,
      ...streamed,
      message: { ...message, mid },
      peer,
      trust,
      signer: signerNow,
    });
  } catch (error) {
    await streamed.body.discard();
    throw new TransferAbortedError(error);
  }
}
