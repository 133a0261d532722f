// Reads the body of an answer that this server asked for: bounded in octets while it comes, and in time as a whole (the
// client's own time-outs measure only the silence between two octets).
import type { Readable } from 'node:stream';

/** An answer took longer as a whole than it may. */
export class AnswerTimeoutError extends Error {}

/** The octets; empty where there is no body. What is too large or too late is cut off with its connection.
 *  @param tooLarge makes the error for more than `bytesMax` octets
 *  @throws {AnswerTimeoutError}, what `tooLarge` makes, whatever broke the connection */
export function readAnswer(
  body: Readable,
  limits: { readonly bytesMax: number; readonly timeoutMs: number },
  tooLarge: () => Error,
): Promise<Buffer> {
  // Listeners, not an iterator: this runs for every message.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => {
      body.destroy(new AnswerTimeoutError(`the answer was not complete within ${limits.timeoutMs} ms`));
    }, limits.timeoutMs);
    body
      .on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > limits.bytesMax) body.destroy(tooLarge());
      })
      .once('end', () => {
        clearTimeout(timer);
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size));
      })
      .once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
  });
}
