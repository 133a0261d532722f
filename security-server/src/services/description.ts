// OpenAPI 3 descriptions of services: what is taken from them (endpoints), and how they are handed on. A description
// is not validated as a whole: the exchange relies on its paths only.
import { OncewayError } from '@onceway/sdk/protocol';
import { parsePattern } from './endpoint-pattern.js';
import type { Endpoint } from './service.js';

const METHODS = ['delete', 'get', 'head', 'options', 'patch', 'post', 'put', 'trace'] as const;
/** The largest public APIs have some thousand operations; each is compared with a request's path. */
export const ENDPOINTS_MAX = 5_000;
/** The catalogue takes it signed, in base64url, and holds one for each service of the country. */
export const DESCRIPTION_BYTES_MAX = 512 * 1024;
/** Visible ASCII after `METHOD `: the form of `op` in an answer. */
const DESCRIBED_PATH = /^\/[!-~]{0,1000}$/;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Description {
  readonly endpoints: readonly Endpoint[];
  /** JSON text, `servers[].url` without scheme and host. */
  readonly document: string;
}

/** @throws {OncewayError} `request_invalid` when it is not OpenAPI 3, or too large */
export function readDescription(value: unknown): Description {
  if (!isObject(value) || typeof value['openapi'] !== 'string' || !value['openapi'].startsWith('3.'))
    throw invalid('"openapi" does not begin with "3."');
  const { paths } = value;
  if (!isObject(paths)) throw invalid('it has no "paths"');
  const endpoints = Object.entries(paths).flatMap(([path, item]) => {
    if (path.startsWith('x-') || !isObject(item)) return [];
    if (!DESCRIBED_PATH.test(path)) throw invalid(`path "${path}" is not visible ASCII beginning with "/"`);
    // Several templates in one segment keep only what stands around them, as a pattern does.
    const glob = decodeTemplate(path)
      .replaceAll(/\{[^{}]*\}/g, '*')
      .replaceAll(/\*[^/]*\*/g, '*');
    parsePattern(glob);
    return METHODS.filter((method) => isObject(item[method])).map((method) => ({
      method: method.toUpperCase(),
      path: glob,
      described: path,
    }));
  });
  if (endpoints.length > ENDPOINTS_MAX) throw invalid(`more than ${ENDPOINTS_MAX} operations`);
  const document = JSON.stringify(withoutHosts(value));
  if (Buffer.byteLength(document) > DESCRIPTION_BYTES_MAX)
    throw invalid(`more than ${DESCRIPTION_BYTES_MAX} octets`);
  return { endpoints, document };
}

/** Where the service really stands is nobody's business outside: callers go through /r1/. */
function withoutHosts(description: Json): Json {
  const reduce = (servers: unknown): unknown =>
    Array.isArray(servers)
      ? servers.map((server: unknown) =>
          isObject(server) && typeof server['url'] === 'string'
            ? { ...server, url: server['url'].replace(/^(?:[A-Za-z][A-Za-z0-9+.-]*:)?\/\/[^/?#]*/, '') }
            : server,
        )
      : servers;
  const own = (value: Json): Json =>
    'servers' in value ? { ...value, servers: reduce(value['servers']) } : value;
  const paths = Object.entries(description['paths'] as Json).map(([path, item]) => {
    if (!isObject(item)) return [path, item];
    const operations = METHODS.flatMap((method) => {
      const operation = item[method];
      return isObject(operation) ? [[method, own(operation)]] : [];
    });
    return [path, { ...own(item), ...(Object.fromEntries(operations) as Json) }];
  });
  return { ...own(description), paths: Object.fromEntries(paths) as Json };
}

/** Patterns are compared with decoded paths. */
function decodeTemplate(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw invalid(`path "${path}" has a bad escape`, cause);
  }
}

function invalid(why: string, cause?: unknown): OncewayError {
  return new OncewayError('request_invalid', `not a description in OpenAPI 3 (JSON): ${why}`, { cause });
}
