// Where everything is (country.json), and the management interfaces of the servers, asked a few requests at a time.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Anchor, ShownConfiguration } from './configuration.js';
import { Finding, prove } from './finding.js';

const REQUESTS_MAX = 4;
const TIMEOUT_MS = 30_000;
/** A message with its configuration of some 10,000 records, or a body that is kept. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export interface ShownEntry {
  readonly log: string;
  readonly index: number;
  readonly entry: string;
  /** Of a request: the id of its answer or refusal. */
  readonly answer?: string;
  readonly configuration?: ShownConfiguration;
  readonly lane?: { readonly checkpoint: string; readonly proof: readonly string[] };
  readonly server?: {
    readonly checkpoint: string;
    readonly witnessed?: boolean;
    readonly timeStamp?: string;
    readonly index: number;
    readonly entry: string;
    readonly proof: readonly string[];
  };
  readonly materials: readonly { readonly kind: string; readonly digest: string; readonly octets: string }[];
}

export interface ShownContent {
  readonly head: string;
  readonly body: string | null;
  readonly salts: { readonly head: string; readonly body: string | null };
}

interface CountryFile {
  readonly registry: { readonly anchor: string };
  readonly members: readonly {
    readonly keys: string;
    readonly servers: readonly { readonly id: string; readonly management: string }[];
  }[];
}

export class ManagementInterface {
  readonly id: string;
  readonly #url: string;
  readonly #key: string;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #sealed: Promise<void> | undefined;

  constructor(id: string, url: string, key: string) {
    this.id = id;
    this.#url = url;
    this.#key = key;
  }

  /** The entries of a message; none where this log does not hold it. Where no complete checkpoint covers one yet, one
   *  is sealed, once. */
  async entries(mid: string): Promise<readonly ShownEntry[]> {
    const entries = await this.#entries(mid);
    const isCovered = ({ server }: ShownEntry): boolean =>
      server?.witnessed === true && server.timeStamp !== undefined;
    if (entries.every(isCovered)) return entries;
    await (this.#sealed ??= this.#call('POST', '/checkpoint').then(() => undefined));
    return this.#entries(mid);
  }

  async #entries(mid: string): Promise<readonly ShownEntry[]> {
    const shown = (await this.#call('GET', `/messages/${mid}`)) as { entries: ShownEntry[] } | undefined;
    return shown?.entries ?? [];
  }

  /** Head, body and salts, while they are kept. The server enters in its log that they were taken, and on what ground. */
  async content(mid: string, ground: string): Promise<ShownContent | undefined> {
    return (await this.#call('POST', `/messages/${mid}/content`, { ground })) as ShownContent | undefined;
  }

  /** Undefined for what is not there. */
  async #call(method: string, path: string, body: object = {}): Promise<unknown> {
    while (this.#running >= REQUESTS_MAX) await new Promise<void>((go) => this.#waiting.push(go));
    this.#running++;
    try {
      const answer = await fetch(new URL(path, this.#url), {
        method,
        headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
        ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await readAll(answer.body ?? []);
      if (answer.status === 404) return undefined;
      prove(answer.ok, 'interface', `${method} ${path} answered ${answer.status}: ${text.slice(0, 300)}`);
      return JSON.parse(text) as unknown;
    } catch (thrown) {
      const finding =
        thrown instanceof Finding
          ? thrown
          : new Finding('interface', `${method} ${path}: ${String(thrown)}`, { cause: thrown });
      finding.server = this.id;
      throw finding;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}

async function readAll(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    prove(size <= ANSWER_BYTES_MAX, 'interface', `more than ${ANSWER_BYTES_MAX} octets`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export interface Country {
  readonly anchor: Anchor;
  readonly servers: readonly ManagementInterface[];
}

/** @throws {Error} when a file is not there or not JSON */
export function readCountry(file: string): Country {
  const country = JSON.parse(readFileSync(file, 'utf8')) as CountryFile;
  const found = (path: string): string =>
    existsSync(resolve(path)) ? resolve(path) : resolve(dirname(file), path);
  const servers = new Map<string, ManagementInterface>();
  // The keys of a member fit its first server; several members may share one, which is asked once.
  const hosts = country.members.flatMap(({ keys, servers: of }) => of.map((one, i) => ({ ...one, keys, i })));
  for (const { id, management, keys } of hosts.sort((a, b) => a.i - b.i)) {
    const key = (): string => readFileSync(join(found(keys), 'api-key-auditor.txt'), 'utf8').trim();
    if (!servers.has(id)) servers.set(id, new ManagementInterface(id, management, key()));
  }
  return {
    anchor: JSON.parse(readFileSync(found(country.registry.anchor), 'utf8')) as Anchor,
    servers: [...servers.values()],
  };
}

/** Message ids of all steps. */
export function readResult(file: string): string[] {
  const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: { messages: string[] }[] };
  return steps.flatMap(({ messages }) => messages);
}
