// Bodies above 256 KiB (docs/protocol.md#bodies): the opening has gone before, the octets pass through to the disk, and
// the closing makes a message of them. Nothing of the body's size is in memory. What does not come to its closing is
// discarded on both sides.
import type { MessageId, SecurityServerId } from '@onceway/schemas';
import {
  codeOf,
  CommitmentHash,
  encodeBodyClosing,
  messageIdOf,
  OncewayError,
  parseBodyClosing,
  requestHash,
  requestHashOfDigest,
  verifySignature,
  type Envelope,
  type MessageEntry,
} from '@onceway/sdk/protocol';
import type { SigningKey } from '../keys/signer.js';
import { PASSED_ON_PATIENCE } from '../limits.js';
import { SpooledBody, type Body } from '../message-log/message-log.js';
import { PaceWatch, type ArrivingBody, type BodyBounds } from '../transport/arriving-body.js';
import type { Credential } from '../trust/credentials.js';
import type { Exchange } from './exchange.js';
import { envelopeSigner, signMessage } from './sign-message.js';
import type { Closed } from './stages.js';

/** A transfer that did not come to its closing: there was no message. */
export class TransferAbortedError extends OncewayError {
  /** @param cause has the code with which it is refused */
  constructor(cause: unknown) {
    super(codeOf(cause), 'the transfer of a body ended before there was a message', { cause });
  }
}

/** Whether a body broke off behind this error. */
export function isAborted(error: unknown): boolean {
  if (error instanceof TransferAbortedError) return true;
  return error instanceof Error && error.cause !== undefined && isAborted(error.cause);
}

/** What a streamed body makes of its opening. */
export interface Streamed {
  /** The closing's: that of the message. */
  readonly mid: MessageId;
  readonly body: SpooledBody;
  readonly closed: Closed;
}

/** X-Road's request hash; of a spooled body nothing is read again. */
export function hashOfRequest(head: Buffer, body: Body): string {
  return body instanceof SpooledBody ? requestHashOfDigest(head, body.sha512) : requestHash(head, body);
}

/** Takes a body in whose opening is proven, and proves its closing: by the opening's key, of this opening, over these
 *  octets.
 *  @param salt of the body
 *  @returns `iat`: of the closing, in seconds; not judged here
 *  @throws {TransferAbortedError} of `body_aborted`, `body_too_slow`, `body_too_large`, `head_too_large`,
 *  `envelope_invalid`, `signature_invalid`, `commitment_mismatch`, `busy`, `log_unavailable` */
export async function takeStream(
  arriving: ArrivingBody,
  opening: Envelope<{ readonly server: SecurityServerId }>,
  signer: Credential,
  salt: Buffer | null,
  exchange: Exchange,
): Promise<Streamed & { readonly iat: number }> {
  const { bodyBounds } = exchange.limits;
  // The one who passes it on notices first whose fault a pause is.
  const bounds = {
    bytesMax: bodyBounds.bytesMax,
    idleMs: bodyBounds.idleMs * PASSED_ON_PATIENCE,
    bytesPerSMin: bodyBounds.bytesPerSMin / PASSED_ON_PATIENCE,
  };
  try {
    const { body, hash } = await spool(arriving, bounds, salt, [opening.claims.server], exchange);
    try {
      const closing = parseBodyClosing(arriving.closing(), opening);
      verifySignature(closing.jws, signer.key, opening.alg);
      if (closing.claims.digest !== hash.digest())
        throw new OncewayError('commitment_mismatch', 'the closing is over other octets');
      const closed = { opening: opening.mid, closing: closing.jws.compact };
      return { mid: closing.mid, iat: closing.iat, body, closed };
    } catch (error) {
      await body.discard();
      throw error;
    }
  } catch (error) {
    throw new TransferAbortedError(error);
  }
}

/** Passes a body on whose opening has left, keeps it, and signs its closing. The closing has not left.
 *  @param whose places among the spools it takes
 *  @param pass resolves when the next piece may come
 *  @throws {TransferAbortedError} of `body_aborted`, `body_too_slow`, `body_too_large`, `busy`, `log_unavailable`; what
 *  `pass` throws */
export async function passStream(
  arriving: ArrivingBody,
  opening: MessageId,
  signer: SigningKey,
  salt: Buffer | null,
  whose: readonly string[],
  pass: (chunk: Buffer) => Promise<void>,
  exchange: Exchange,
): Promise<Streamed> {
  const { body, hash } = await spool(arriving, exchange.limits.bodyBounds, salt, whose, exchange, pass);
  try {
    const { envelope, mid } = await signMessage(
      encodeBodyClosing(envelopeSigner(signer, Math.floor(exchange.clock() / 1000)), {
        v: 1,
        re: opening,
        digest: hash.digest(),
      }),
      signer,
    );
    return { mid, body, closed: { opening, closing: envelope } };
  } catch (error) {
    await body.discard();
    throw error;
  }
}

async function spool(
  arriving: ArrivingBody,
  bounds: BodyBounds,
  salt: Buffer | null,
  whose: readonly string[],
  exchange: Exchange,
  pass?: (chunk: Buffer) => Promise<void>,
): Promise<{ readonly body: SpooledBody; readonly hash: CommitmentHash }> {
  if (salt === null) throw new OncewayError('commitment_mismatch', 'a body without a salt');
  const hash = new CommitmentHash(salt);
  const writer = await exchange.log.spool(...whose);
  const passing = pass && new Passing(pass, bounds);
  try {
    for await (const chunk of arriving.chunks(bounds)) {
      hash.update(chunk);
      // Each waits for the slower of disk and line.
      const passed = passing?.pass(chunk);
      passed?.catch(() => undefined);
      await writer.write(chunk);
      await passed;
    }
    const body = await writer.end();
    if (body.bytes > 0) return { body, hash };
    throw new OncewayError('body_aborted', 'a body without an octet is none');
  } catch (error) {
    await writer.discard();
    throw error;
  } finally {
    passing?.stop();
  }
}

/** Passes on to a receiver that must keep pace, too. */
class Passing {
  readonly #pass: (chunk: Buffer) => Promise<void>;
  readonly #watch: PaceWatch;
  #tooSlow: OncewayError | undefined;
  /** Ends the wait at hand; a race with one promise for the whole body would hold something of each of its pieces. */
  #fail: (error: OncewayError) => void = () => undefined;

  constructor(pass: (chunk: Buffer) => Promise<void>, { idleMs, bytesPerSMin }: BodyBounds) {
    this.#pass = pass;
    this.#watch = new PaceWatch(
      { idleMs: PASSED_ON_PATIENCE * idleMs, bytesPerSMin: bytesPerSMin / PASSED_ON_PATIENCE },
      (cause) => {
        this.#tooSlow = new OncewayError('body_aborted', 'the receiver does not keep pace', { cause });
        this.#fail(this.#tooSlow);
      },
    );
  }

  async pass(chunk: Buffer): Promise<void> {
    if (this.#tooSlow !== undefined) throw this.#tooSlow;
    this.#watch.isWaiting = true;
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.#pass(chunk).then(resolve, reject);
    });
    this.#watch.isWaiting = false;
    this.#watch.count(chunk.length);
  }

  stop(): void {
    this.#watch.stop();
  }
}

/** The time that a body takes at the lowest pace, ms: added to what a service is given for its answer. */
export function deliveryMs(bytes: number, { bytesPerSMin }: BodyBounds): number {
  return Math.ceil((bytes / bytesPerSMin) * 1000);
}

/** The opening and closing of an entry whose body was streamed. */
export function closedOf({ message, closing }: MessageEntry): { readonly closed?: Closed } {
  return closing === undefined ? {} : { closed: { opening: midOf(message), closing } };
}

/** Mid of a message that was entered. */
export function midOf(compact: string): MessageId {
  return messageIdOf({ signingInput: compact.slice(0, compact.lastIndexOf('.')) });
}
