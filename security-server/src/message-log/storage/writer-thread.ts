// The writing thread: commits one batch after the other and says so. It decides nothing: indexes, times and hashes were
// given by the main thread, which waits for the disk here and not in its own loop.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import type { Database, Statement } from 'better-sqlite3';
import { fileOf, openWriter, type FileKind } from './files.js';
import { NO_SLOT, ORDER, OrderReader, type Packed } from './orders.js';
import { sealContent } from './sealed-content.js';

/** Sealed blocks up to here lie in the database (design §8). */
const IN_DATABASE_BYTES_MAX = 64 * 1024;

/** Octets of a WAL, as a guess, before it is copied back into its file: some ten milliseconds between two batches. */
const WAL_BYTES = 32 * 1024 * 1024;
/** An order changes one page or adds to the last one. */
const PAGE_BYTES = 4096;

const { folder, port } = workerData as { readonly folder: string; readonly port: MessagePort };

type Carry = (order: OrderReader) => void;

/** An open file and what each order does in it. */
interface Table {
  readonly db: Database;
  readonly begin: Statement;
  readonly commit: Statement;
  /** Octets that its WAL has grown by since it was copied back, as a guess: the file itself never shrinks. */
  walBytes: number;
  readonly carry: ReadonlyMap<number, Carry>;
}

function tableOn(db: Database, carry: Table['carry']): Table {
  return { db, begin: db.prepare('BEGIN IMMEDIATE'), commit: db.prepare('COMMIT'), walBytes: 0, carry };
}

const slotOf = (number: number): number | null => (number === NO_SLOT ? null : number);

function openLane(): Table {
  const db = openWriter(folder, 'lane');
  const entry = db.prepare('INSERT INTO entry VALUES (?, ?, ?)');
  const message = db.prepare('INSERT INTO message (out, exchange, idx, mid) VALUES (?, ?, ?, ?)');
  const exchange = db.prepare('INSERT INTO exchange (request, slot) VALUES (?, ?)');
  const answer = db.prepare('UPDATE exchange SET answer = ? WHERE request = ?');
  const outcome = db.prepare('UPDATE exchange SET outcome = ? WHERE request = ?');
  const content = db.prepare('INSERT INTO content VALUES (?, ?)');
  const material = db.prepare('INSERT INTO material (idx, digest) VALUES (?, ?)');
  const forget = db.prepare('DELETE FROM void WHERE until < ?');
  const declare = db.prepare('INSERT OR REPLACE INTO void (until, mid) VALUES (?, ?)');
  const carry = new Map<number, Carry>([
    [ORDER.entry, (o) => entry.run(o.number(), o.octets(), o.octets())],
    [ORDER.message, (o) => message.run(o.number(), o.number(), o.number(), o.octets())],
    [ORDER.exchange, (o) => exchange.run(o.number(), slotOf(o.number()))],
    [ORDER.answer, (o) => answer.run(o.number(), o.number())],
    [ORDER.outcome, (o) => outcome.run(o.number(), o.number())],
    [ORDER.material, (o) => material.run(o.number(), o.octets())],
    [
      ORDER.content,
      (o) => {
        const index = o.number();
        const key = o.octets();
        const sealed = sealContent(o.octets(), key, index);
        const isSmall = sealed.length <= IN_DATABASE_BYTES_MAX;
        if (!isSmall) writeContentFile(index, sealed);
        content.run(index, isSmall ? sealed : null);
      },
    ],
    [
      ORDER.body,
      (o) => {
        const index = o.number();
        moveBody(index, o.octets().toString());
      },
    ],
    [
      ORDER.void,
      (o) => {
        const untilMs = o.number();
        forget.run(o.number());
        declare.run(untilMs, o.octets());
      },
    ],
  ]);
  return tableOn(db, carry);
}

function openServer(): Table {
  const db = openWriter(folder, 'server');
  const entry = db.prepare('INSERT INTO entry VALUES (?, ?, ?)');
  const checkpoint = db.prepare(
    'INSERT INTO checkpoint (size, at, entry, origin, note) VALUES (?, ?, ?, ?, ?)',
  );
  const cosignatures = db.prepare('UPDATE checkpoint SET cosignatures = ? WHERE origin = ? AND size = ?');
  const timeStamp = db.prepare('UPDATE checkpoint SET token = ? WHERE origin = ? AND size = ?');
  const carry = new Map<number, Carry>([
    [ORDER.entry, (o) => entry.run(o.number(), o.octets(), o.octets())],
    [
      ORDER.checkpoint,
      (o) => checkpoint.run(o.number(), o.number(), o.number(), o.octets().toString(), o.octets().toString()),
    ],
    [ORDER.cosignatures, (o) => cosignatures.run(o.octets().toString(), o.octets().toString(), o.number())],
    [ORDER.timeStamp, (o) => timeStamp.run(o.octets(), o.octets().toString(), o.number())],
  ]);
  return tableOn(db, carry);
}

function openKeys(): Table {
  const db = openWriter(folder, 'keys');
  const key = db.prepare('INSERT INTO key VALUES (?, ?)');
  const carry = new Map<number, Carry>([[ORDER.key, (o) => key.run(o.number(), o.octets())]]);
  return tableOn(db, carry);
}

const open = { lane: openLane, server: openServer, keys: openKeys };
const tables = new Map<FileKind, Table>();

function tableOf(kind: FileKind): Table {
  let table = tables.get(kind);
  if (table === undefined) {
    table = open[kind]();
    tables.set(kind, table);
  }
  return table;
}

function makeContentFolder(content: { readonly folder: string }): void {
  if (mkdirSync(content.folder, { recursive: true, mode: 0o700 }) === undefined) return;
  sync(dirname(content.folder));
  sync(folder);
}

/** Indexes of the bodies that the batch at hand has moved. */
let moved: number[] = [];
/** Folders with names that came with the batch at hand. */
const touched = new Set<string>();

/** The octets are on stable storage already; the name is before the entry that relies on it (commit). */
function moveBody(index: number, spool: string): void {
  const content = fileOf.content(folder, index);
  makeContentFolder(content);
  renameSync(spool, fileOf.body(folder, index));
  moved.push(index);
  touched.add(content.folder);
}

/** Takes away the bodies that a failed batch had moved, unless the batch turns out to be there. */
function takeBack(indexes: readonly number[]): void {
  if (indexes.length === 0) return;
  try {
    const entry = tableOf('lane').db.prepare('SELECT 1 FROM entry WHERE idx = ?');
    for (const index of indexes)
      if (entry.get(index) === undefined) rmSync(fileOf.body(folder, index), { force: true });
  } catch {
    // Not known: it stays, and the next start looks.
    letGo();
  }
}

/** The octets, the file's name and its folder's are on stable storage before the entry that relies on them is: the name
 *  with those of the whole batch (commit). */
function writeContentFile(index: number, octets: Uint8Array): void {
  const content = fileOf.content(folder, index);
  makeContentFolder(content);
  const descriptor = openSync(content.file, 'w', 0o600);
  try {
    for (let at = 0; at < octets.length;) at += writeSync(descriptor, octets, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  touched.add(content.folder);
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function commit(kind: FileKind, orders: Float64Array, octets: Uint8Array): void {
  const table = tableOf(kind);
  const { carry } = table;
  table.begin.run();
  for (const order = new OrderReader(orders, octets); !order.done;) {
    const code = order.number();
    const carried = carry.get(code);
    if (carried === undefined) throw new TypeError(`no order ${code} for ${kind}`);
    carried(order);
    table.walBytes += PAGE_BYTES;
  }
  // Once for all names of the batch, before the entries that rely on them.
  for (const path of touched) sync(path);
  touched.clear();
  table.commit.run();
}

// Keys first: a crash between the two leaves a key without content, never content that nobody can open.
function write({ log, keys, orders, octets }: Packed): string | undefined {
  try {
    if (keys.length > 0) commit('keys', keys, octets);
    commit(log, orders, octets);
    moved = [];
    return undefined;
  } catch (error) {
    letGo();
    takeBack(moved);
    moved = [];
    touched.clear();
    return error instanceof Error ? error.message : String(error);
  }
}

/** Closing rolls back what is open. After a failure each file is opened anew: it may have been moved, mended or replaced. */
function letGo(): void {
  for (const { db } of tables.values()) db.close();
  tables.clear();
}

/** WALs that the other thread is copying back. */
const copying = new Set<FileKind>();
let copier: Worker | undefined;

// Only the few pages that came meanwhile are left to this thread; then the WAL begins anew with the next batch.
function copyBack(): void {
  for (const [kind, table] of tables) {
    if (table.walBytes < WAL_BYTES || copying.has(kind)) continue;
    copier ??= startCopier();
    copying.add(kind);
    copier.postMessage(kind);
  }
}

function startCopier(): Worker {
  const worker = new Worker(new URL('./copy-back-thread.js', import.meta.url), { workerData: { folder } });
  worker.on('message', (kind: FileKind) => {
    copying.delete(kind);
    const table = tables.get(kind);
    if (table === undefined) return;
    table.walBytes = 0;
    try {
      table.db.pragma('wal_checkpoint(PASSIVE)');
    } catch {
      letGo();
    }
  });
  worker.on('error', () => {
    copier = undefined;
    copying.clear();
  });
  return worker;
}

parentPort?.on('message', (packed: Packed | 'close') => {
  if (packed === 'close') {
    void Promise.resolve(copier?.terminate()).then(() => {
      letGo();
      port.close();
      parentPort?.close();
    });
    return;
  }
  port.postMessage(write(packed));
  copyBack();
});
