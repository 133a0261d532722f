// Finds services in the registry's public catalogue. What it returns is the registry's word; the signature over a
// description is not checked here.
import { request } from 'undici';
import type { ServiceId } from '@onceway/schemas';
import { parseServiceId } from '../protocol/identifiers.js';
import { JSON_BYTES_MAX } from '../protocol/limits.js';
import { OncewayError } from '../protocol/errors.js';

export interface CatalogueEntry {
  readonly service: ServiceId;
  readonly title: { readonly en: string; readonly vi: string };
  /** The description's own words, where it has some. */
  readonly summary?: string;
  /** The member that offers it. */
  readonly provider: { readonly en: string; readonly vi: string };
}

const TIMEOUT_MS = 30_000;

/** Services whose title, summary, path or provider hold all words, in either language; marks and case do not matter.
 *  @param registry the registry's public address
 *  @throws {OncewayError} `request_invalid`: what came is no catalogue
 *  @throws {Error} the registry could not be reached */
export async function searchCatalogue(
  registry: string,
  words: string,
  options: { readonly timeoutMs?: number } = {},
): Promise<CatalogueEntry[]> {
  const address = new URL('/catalogue', registry);
  address.searchParams.set('q', words);
  const answer = await request(address, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > JSON_BYTES_MAX) throw invalid(`more than ${JSON_BYTES_MAX} octets`);
    chunks.push(chunk);
  }
  if (answer.statusCode !== 200) throw invalid(`the registry answers ${answer.statusCode}`);
  let entries: unknown;
  try {
    entries = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw invalid('not JSON', cause);
  }
  if (!Array.isArray(entries)) throw invalid('not a list');
  return entries.map(readEntry);
}

const isNames = (value: unknown): value is CatalogueEntry['title'] =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { en?: unknown }).en === 'string' &&
  typeof (value as { vi?: unknown }).vi === 'string';

function readEntry(value: unknown): CatalogueEntry {
  const entry = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { service, title, summary, provider } = entry;
  if (typeof service !== 'string' || !isNames(title) || !isNames(provider))
    throw invalid('an entry is incomplete');
  return {
    service: parseServiceId(service),
    title,
    provider,
    ...(typeof summary === 'string' ? { summary } : {}),
  };
}

const invalid = (why: string, cause?: unknown): OncewayError =>
  new OncewayError('request_invalid', `catalogue: ${why}`, { cause });
