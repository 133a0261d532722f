// Reads a request's whole body into memory, bounded before and while it is read; writes a body that lies on disk.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OncewayError } from '@onceway/sdk/protocol';
import { writeStream } from '../exchange/answer-body.js';
import { DISCARD_BYTES_MAX } from '../limits.js';
import type { SpooledBody } from '../message-log/message-log.js';
import { PaceWatch, type Pace } from '../transport/arriving-body.js';

/** The body; null where there is none or it is empty. After a rejection the rest is still to come: discardRest.
 *  @param larger what a larger body is read with, paused, from what came of it
 *  @throws {OncewayError} `body_too_large`; `request_invalid` where it breaks off */
export function readBody<T = never>(
  request: IncomingMessage,
  bytesMax: number,
  larger?: (first: readonly Buffer[]) => T,
): Promise<Buffer | T | null> {
  const { 'content-length': declared, 'transfer-encoding': coding } = request.headers;
  if (Number(declared ?? 0) > bytesMax)
    return larger === undefined
      ? Promise.reject(new OncewayError('body_too_large', `Content-Length is above ${bytesMax}`))
      : Promise.resolve(larger([]));
  if (coding === undefined && (declared === undefined || declared === '0')) return Promise.resolve(null);
  // Listeners, not an iterator: this runs for every message.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (error?: OncewayError): void => {
      request.off('data', take).off('end', end).off('error', broke).off('close', broke);
      if (error !== undefined) reject(error);
      else
        resolve(size === 0 ? null : chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks, size));
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= bytesMax) return;
      request.pause();
      if (larger === undefined)
        return settle(new OncewayError('body_too_large', `more than ${bytesMax} octets`));
      request.off('data', take).off('end', end).off('error', broke).off('close', broke);
      resolve(larger(chunks));
    };
    const end = (): void => settle();
    const broke = (cause?: Error): void =>
      settle(new OncewayError('request_invalid', 'the request broke off', { cause }));
    request.on('data', take).on('end', end).on('error', broke).on('close', broke);
  });
}

/** What still comes of a request that was refused is read and dropped, so that its sender, who may read only once all
 *  is sent, gets the refusal and not a reset. Not for ever: a time limit of its own ends it, since node's is over for a body
 *  that was being streamed, and so many octets. */
export function discardRest(request: IncomingMessage, timeoutMs: number): void {
  if (request.complete) return;
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), timeoutMs).unref();
  request.once('close', () => clearTimeout(timer));
  let left = DISCARD_BYTES_MAX;
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  request.resume();
}

/** Writes a body from disk and ends the answer. A reader that is too slow loses its connection.
 *  @param closing in a trailer */
export async function writeStored(
  response: ServerResponse,
  body: SpooledBody,
  pace: Pace,
  closing?: string,
): Promise<void> {
  const watch = new PaceWatch(pace, (error) => response.destroy(error));
  try {
    for await (const chunk of body.read()) {
      watch.isWaiting = true;
      await writeStream(response, chunk);
      watch.isWaiting = false;
      watch.count(chunk.length);
    }
  } catch (error) {
    // The one who reads sees that it is not whole.
    response.destroy();
    throw error;
  } finally {
    watch.stop();
  }
  if (closing !== undefined) response.addTrailers({ 'Exchange-Closing': closing });
  response.end();
}
