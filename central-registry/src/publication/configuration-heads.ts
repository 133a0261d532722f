// The heads that were signed, with their records, in the database and in the registry's log. Which of them is public is
// decided in publication.ts.
import type { KeyObject } from 'node:crypto';
import type { Digest, LogOrigin } from '@onceway/schemas';
import type { ConfigurationBundle, ConfigurationHead } from '@onceway/sdk/protocol';
import { formatTlogProof, signCheckpoint } from '@onceway/sdk/verify';
import type { Database } from '../database.js';
import type { TransparencyLog } from '../transparency-log/transparency-log.js';
import type { Records } from './global-configuration.js';

export interface HeadRow {
  readonly seq: number;
  readonly digest: Digest;
  /** Compact JWS. */
  readonly head: string;
  /** Digests as a JSON array. */
  readonly records: string;
  readonly root: Digest;
  readonly issued_s: number;
  readonly expires_s: number;
  /** Of its entry in the log. */
  readonly place: number;
  /** Over the log up to that entry, with the cosignatures that it got. */
  readonly checkpoint: string;
}

export class ConfigurationHeads {
  readonly #db: Database;
  readonly #log: TransparencyLog;
  readonly #signer: { readonly origin: LogOrigin; readonly key: KeyObject };

  constructor(
    db: Database,
    log: TransparencyLog,
    signer: { readonly origin: LogOrigin; readonly key: KeyObject },
  ) {
    this.#db = db;
    this.#log = log;
    this.#signer = signer;
  }

  last(): HeadRow | undefined {
    return this.#db.prepare<[], HeadRow>('SELECT * FROM configuration_head ORDER BY seq DESC LIMIT 1').get();
  }

  /** Keeps a signed head and enters it in the log. One transaction: it is in both, or nowhere, and its seq is then used
   *  by the next. */
  add(head: ConfigurationHead, digest: Digest, signed: string, records: Records, nowMs: number): HeadRow {
    const { origin, key } = this.#signer;
    const insert = this.#db.prepare('INSERT OR IGNORE INTO record VALUES (?, ?)');
    return this.#db
      .transaction(() => {
        for (const [address, octets] of records.octets) insert.run(address, octets);
        const place = this.#log.append('configuration', nowMs, { seq: head.seq, digest });
        const row: HeadRow = {
          seq: head.seq,
          digest,
          head: signed,
          records: JSON.stringify(records.digests),
          root: records.root,
          issued_s: head.issued,
          expires_s: head.expires,
          place,
          checkpoint: signCheckpoint({ origin, size: place + 1, root: this.#log.root() }, key),
        };
        this.#db
          .prepare(
            `INSERT INTO configuration_head
             VALUES (@seq, @digest, @head, @records, @root, @issued_s, @expires_s, @place, @checkpoint)`,
          )
          .run(row);
        return row;
      })
      .immediate();
  }

  /** Keeps a checkpoint that got more cosignatures. */
  setCheckpoint(seq: number, checkpoint: string): void {
    this.#db.prepare('UPDATE configuration_head SET checkpoint = ? WHERE seq = ?').run(checkpoint, seq);
  }

  record(digest: string): Buffer | undefined {
    return this.#db
      .prepare<[string], { octets: Buffer }>('SELECT octets FROM record WHERE digest = ?')
      .get(digest)?.octets;
  }

  /** What servers are given of it: proven by the checkpoint, with the cosignatures that it got so far. */
  bundle(row: HeadRow, checkpoint: string): ConfigurationBundle {
    return {
      head: [row.head],
      delegations: this.#db
        .prepare<[], { jws: string }>('SELECT jws FROM delegation ORDER BY seq')
        .all()
        .map(({ jws }) => JSON.parse(jws) as string[]),
      records: JSON.parse(row.records) as Digest[],
      entry: this.#log.entry(row.place) ?? '',
      proof: formatTlogProof({
        index: row.place,
        proof: this.#log.inclusionProof(row.place, row.place + 1),
        checkpoint,
      }),
    };
  }
}
