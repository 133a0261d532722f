// Gets time-stamps over the own checkpoints from an approved authority, and takes only what verifies.
import { OncewayError } from '@onceway/sdk/protocol';
import { timeStampRequest, verifyTimeStamp, type TrustView } from '@onceway/sdk/verify';
import { askTrustService } from '../transport/ask.js';

export interface TimeStamper {
  /** Resolves with an RFC 3161 token (DER) over the octets, which it has verified. */
  stamp(octets: Buffer): Promise<Buffer>;
}

const TIMEOUT_MS = 10_000;
/** A token with its certificates has some 6 KiB. */
const TOKEN_BYTES_MAX = 64 * 1024;
const NONCE_BYTES = 16;

export function timeStamperOf(trust: () => TrustView, randomBytes: (size: number) => Buffer): TimeStamper {
  return {
    /** Asks the approved authorities in turn. @throws {OncewayError} `time_stamp_invalid` where none gives a good one */
    async stamp(octets) {
      const view = trust();
      let cause: unknown;
      for (const { url, certificate } of view.timeStampingAuthorities) {
        const nonce = randomBytes(NONCE_BYTES);
        try {
          const query = await timeStampRequest(octets, nonce);
          const { status, body } = await askTrustService(url, 'application/timestamp-query', query, {
            bytesMax: TOKEN_BYTES_MAX,
            timeoutMs: TIMEOUT_MS,
            tooLarge: () =>
              new OncewayError('time_stamp_invalid', `${url} sent more than ${TOKEN_BYTES_MAX} octets`),
          });
          if (status !== 200) throw new OncewayError('time_stamp_invalid', `${url} answered ${status}`);
          return await verified(body, octets, Buffer.from(certificate, 'base64'), nonce, view);
        } catch (error) {
          cause = error;
        }
      }
      throw new OncewayError('time_stamp_invalid', 'no approved authority gave a time-stamp', { cause });
    },
  };
}

/** Under whichever approved certification authority the time-stamping authority's certificate stands. */
async function verified(
  der: Buffer,
  data: Buffer,
  authority: Buffer,
  nonce: Buffer,
  view: TrustView,
): Promise<Buffer> {
  let failed: unknown;
  for (const { certificates } of view.authorities) {
    const authorities = certificates.map((text) => Buffer.from(text, 'base64'));
    try {
      return (await verifyTimeStamp(der, { data, authority, authorities, nonce })).token;
    } catch (error) {
      failed = error;
    }
  }
  if (failed instanceof Error) throw failed;
  throw new OncewayError('time_stamp_invalid', 'no certification authority is approved');
}
