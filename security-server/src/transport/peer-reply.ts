// What a peer replied, as it came.
import type { ArrivingBody } from './arriving-body.js';

export interface PeerReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Empty where it follows. */
  readonly body: Buffer;
  /** Of a streamed answer; the connection is its own until it is read or closed. */
  readonly following?: ArrivingBody;
}
