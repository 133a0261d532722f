// Fetches configurations over the registry's public interface. Believes nothing: what comes is verified by the client.
import { request } from 'undici';
import type { Digest } from '@onceway/schemas';
import {
  JSON_BYTES_MAX,
  OncewayError,
  parseConfigurationBundle,
  type ConfigurationBundle,
} from '../protocol/index.js';

export interface ConfigurationSource {
  /** The newest bundle, or undefined while `known` is still the newest; waits up to `waitS` seconds for a newer one.
   *  @throws {OncewayError} `configuration_missing` where no registry address answers */
  bundle(
    known: Digest | undefined,
    waitS: number,
    signal?: AbortSignal,
  ): Promise<ConfigurationBundle | undefined>;
  /** Octets of a record; not yet verified to be of this digest. */
  record(digest: Digest, signal?: AbortSignal): Promise<Buffer>;
  /** C2SP consistency proof of the registry's log, hashes in base64. */
  consistency(from: number, to: number, signal?: AbortSignal): Promise<readonly Buffer[]>;
}

/** A country of 4,000 members lists some 10,000 digests of 43 characters. */
const BUNDLE_BYTES_MAX = 4 * JSON_BYTES_MAX;
const FETCH_TIMEOUT_MS = 10_000;

async function read(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > bytesMax)
      throw new OncewayError('configuration_invalid', 'the registry sent more than is allowed');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Asks the addresses in turn until one answers. */
export function httpConfigurationSource(addresses: readonly string[]): ConfigurationSource {
  async function get(path: string, headers: Record<string, string>, waitS: number, signal?: AbortSignal) {
    let cause: unknown;
    for (const address of addresses) {
      try {
        const timeoutMs = FETCH_TIMEOUT_MS + waitS * 1000;
        const answer = await request(address.replace(/\/$/, '') + path, {
          headers,
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
          ...(signal === undefined ? {} : { signal }),
        });
        const octets = await read(answer.body, BUNDLE_BYTES_MAX);
        if (answer.statusCode === 200 || answer.statusCode === 304)
          return { status: answer.statusCode, octets };
        cause = new OncewayError('configuration_missing', `${address}${path} answered ${answer.statusCode}`);
      } catch (error) {
        signal?.throwIfAborted();
        cause = error;
      }
    }
    throw new OncewayError('configuration_missing', `no registry address answers ${path}`, { cause });
  }

  return {
    async bundle(known, waitS, signal) {
      const { status, octets } = await get(
        '/configuration',
        known === undefined
          ? {}
          : { 'if-none-match': `"${known}"`, ...(waitS > 0 ? { prefer: `wait=${waitS}` } : {}) },
        waitS,
        signal,
      );
      return status === 304 ? undefined : parseConfigurationBundle(JSON.parse(octets.toString('utf8')));
    },
    async record(digest, signal) {
      return (await get(`/records/${digest}`, {}, 0, signal)).octets;
    },
    async consistency(from, to, signal) {
      const { octets } = await get(`/consistency/${from}/${to}`, {}, 0, signal);
      const { proof } = JSON.parse(octets.toString('utf8')) as { proof?: unknown };
      if (!Array.isArray(proof) || proof.length > 64)
        throw new OncewayError('configuration_invalid', 'the consistency proof is malformed');
      return proof.map((hash) => Buffer.from(String(hash), 'base64'));
    },
  };
}
