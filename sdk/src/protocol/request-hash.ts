// X-Road-Request-Hash: which request an answer belongs to (X-Road message protocol for REST, §4.3).
import { createHash, hash, type Hash } from 'node:crypto';

/** base64(SHA-512(SHA-512(head) ‖ SHA-512(body))), or base64(SHA-512(head)) without a body; an empty body is none.
 *  Taken while the body is read: one pass over it, no copy. */
export class RequestHash {
  readonly #head: Buffer;
  #body: Hash | undefined;

  /** @param head octets of the head as sent (docs/protocol.md#head) */
  constructor(head: Uint8Array) {
    this.#head = hash('sha512', head, 'buffer');
  }

  update(chunk: Uint8Array): void {
    if (chunk.length > 0) (this.#body ??= createHash('sha512')).update(chunk);
  }

  /** Once, after the last octet. */
  digest(): string {
    if (this.#body === undefined) return this.#head.toString('base64');
    return createHash('sha512').update(this.#head).update(this.#body.digest()).digest('base64');
  }
}

/** The hash of a request that lies in memory. */
export function requestHash(head: Uint8Array, body: Uint8Array | null): string {
  if (body === null || body.length === 0) return hash('sha512', head, 'base64');
  return hash(
    'sha512',
    Buffer.concat([hash('sha512', head, 'buffer'), hash('sha512', body, 'buffer')]),
    'base64',
  );
}

/** The hash of a request whose body was hashed while it was spooled.
 *  @param body SHA-512 of a body that is not empty */
export function requestHashOfDigest(head: Uint8Array, body: Uint8Array): string {
  return createHash('sha512')
    .update(hash('sha512', head, 'buffer'))
    .update(body)
    .digest('base64');
}
