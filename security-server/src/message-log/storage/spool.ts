// Streamed bodies on disk: encrypted while they come, under a key of their own that lies with the content of their entry
// and is erased with it. Until that entry is durable the file is in spool/, and no process finds one of another there.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { OncewayError } from '@onceway/sdk/protocol';
import { SPOOLS_MAX, SPOOLS_OF_ONE_MAX } from '../../limits.js';
import { fileOf } from './files.js';
import { openSegment, SEGMENT_BYTES, sealedSegmentBytes, sealSegment } from './sealed-content.js';

const KEY_BYTES = 32;

/** What must be known of a spooled body to read it; lies in the content of its entry. */
export interface SpoolRecord {
  readonly key: Buffer;
  readonly bytes: number;
  /** Of the plain octets: for X-Road's request hash. */
  readonly sha512: Buffer;
}

/** A body on disk, whole. It can be read more than once. */
export class SpooledBody implements SpoolRecord {
  readonly key: Buffer;
  readonly bytes: number;
  readonly sha512: Buffer;
  #isSpool: boolean;
  #file: string;

  /** @param isSpool whether it waits for its entry */
  constructor(file: string, { key, bytes, sha512 }: SpoolRecord, isSpool = false) {
    this.#isSpool = isSpool;
    this.#file = file;
    this.key = key;
    this.bytes = bytes;
    this.sha512 = sha512;
  }

  get file(): string {
    return this.#file;
  }

  /** Its entry is durable: it lies there now. */
  movedTo(file: string): void {
    this.#file = file;
    this.#isSpool = false;
  }

  /** Takes the spool away, unless an entry has taken it over. Never rejects: the next start takes away what is left. */
  async discard(): Promise<void> {
    if (this.#isSpool) await rm(this.#file, { force: true }).catch(() => undefined);
  }

  /** The octets, a segment at a time. @throws {OncewayError} `log_broken` when they are not what was written */
  async *read(): AsyncGenerator<Buffer> {
    let file: FileHandle | undefined;
    try {
      file = await open(this.#file, 'r');
      for (let at = 0, segment = 0; at < this.bytes; segment += 1) {
        const size = Math.min(SEGMENT_BYTES, this.bytes - at);
        const sealed = Buffer.allocUnsafe(sealedSegmentBytes(size));
        for (let filled = 0; filled < sealed.length;) {
          const { bytesRead } = await file.read(sealed, filled);
          if (bytesRead === 0) throw new RangeError('the file ends early');
          filled += bytesRead;
        }
        at += size;
        yield openSegment(sealed, this.key, segment, at === this.bytes);
      }
    } catch (cause) {
      throw new OncewayError('log_broken', `the body in ${this.#file} does not open`, { cause });
    } finally {
      await file?.close();
    }
  }
}

/** A body on its way to the disk. Ends in `end` or in `discard`. */
export class SpoolWriter {
  readonly #name: string;
  readonly #file: FileHandle;
  readonly #left: () => void;
  readonly #key = randomBytes(KEY_BYTES);
  readonly #sha512 = createHash('sha512');
  readonly #segment = Buffer.allocUnsafe(SEGMENT_BYTES);
  #filled = 0;
  #segments = 0;
  #bytes = 0;
  #isOpen = true;

  constructor(name: string, file: FileHandle, left: () => void) {
    this.#name = name;
    this.#file = file;
    this.#left = left;
  }

  /** @throws {OncewayError} `log_unavailable`: discard it */
  async write(chunk: Buffer): Promise<void> {
    this.#sha512.update(chunk);
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length;) {
      // Which segment is the last is known only when there are no more octets.
      if (this.#filled === SEGMENT_BYTES) await this.#flush(false);
      const taken = chunk.copy(this.#segment, this.#filled, at);
      this.#filled += taken;
      at += taken;
    }
  }

  /** Resolves when all octets are on stable storage. Not for an empty body: that is none.
   *  @throws {OncewayError} `log_unavailable`: discard it */
  async end(): Promise<SpooledBody> {
    await this.#flush(true);
    await onDisk(this.#file.sync());
    await this.#close();
    const record = { key: this.#key, bytes: this.#bytes, sha512: this.#sha512.digest() };
    return new SpooledBody(this.#name, record, true);
  }

  /** Takes the file away, where no entry has taken it over. Never rejects: the next start takes away what is left. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined);
    await rm(this.#name, { force: true }).catch(() => undefined);
  }

  async #flush(isLast: boolean): Promise<void> {
    const sealed = sealSegment(this.#segment.subarray(0, this.#filled), this.#key, this.#segments, isLast);
    this.#segments += 1;
    this.#filled = 0;
    for (let at = 0; at < sealed.length;) at += (await onDisk(this.#file.write(sealed, at))).bytesWritten;
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#left();
    await onDisk(this.#file.close());
  }
}

/** The spools of one log. */
export class Spools {
  readonly #folder: string;
  #open = 0;
  readonly #of = new Map<string, number>();

  /** Removes what a process left that died. */
  constructor(logFolder: string) {
    this.#folder = fileOf.spool(logFolder);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @throws {OncewayError} `busy`, `log_unavailable` */
  async open(whose: readonly string[] = []): Promise<SpoolWriter> {
    const isFull = whose.some((one) => (this.#of.get(one) ?? 0) >= SPOOLS_OF_ONE_MAX);
    if (isFull || this.#open >= SPOOLS_MAX)
      throw new OncewayError('busy', 'too many bodies are being streamed', { retrySeconds: 5 });
    this.#count(whose, 1);
    const left = (): void => this.#count(whose, -1);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const name = join(this.#folder, randomBytes(16).toString('hex'));
      return new SpoolWriter(name, await open(name, 'wx', 0o600), left);
    } catch (cause) {
      left();
      throw unavailable(cause);
    }
  }

  #count(whose: readonly string[], change: 1 | -1): void {
    this.#open += change;
    for (const one of whose) {
      const open = (this.#of.get(one) ?? 0) + change;
      if (open > 0) this.#of.set(one, open);
      else this.#of.delete(one);
    }
  }
}

const unavailable = (cause: unknown): OncewayError =>
  new OncewayError('log_unavailable', 'a body can not be spooled', { cause });

async function onDisk<T>(written: Promise<T>): Promise<T> {
  try {
    return await written;
  } catch (cause) {
    throw unavailable(cause);
  }
}
