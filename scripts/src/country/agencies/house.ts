// What every agency has: a database of its own, a client for each of its subsystems, and a book of the exchanges it
// began. It knows no other agency's rules.
import { randomInt, randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import { createClient, ExchangeError } from '@onceway/sdk/client';
import type { Answer, Client } from '@onceway/sdk/client';
import { ServiceRefusal } from '@onceway/sdk/provider';
import { PURPOSE } from './directory.js';
import type { Names, Subsystem } from './directory.js';

export interface Question {
  /** The step of the life event, as the book names it. */
  readonly title: Names;
  readonly service: string;
  readonly caseId: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly json?: unknown;
  /** `<type>:<id>` of the person whom it is about. */
  readonly subject?: string;
  /** `<type>:<id>` of the person who acts. */
  readonly userId?: string;
}

export interface House {
  readonly database: Database.Database;
  readonly clock: () => number;
  /** Uniform, 0 up to and without `below`. */
  readonly randomBelow: (below: number) => number;
  readonly uuid: () => string;
  /** Asks another agency, once, and writes it into the book whatever comes of it.
   *  @throws {Unanswered} there is no 2xx answer */
  ask<T>(as: Subsystem, question: Question): Promise<Answer<T>>;
  /** Work under one key is done one after another: two requests of one case never interleave. */
  alone<T>(key: string, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Another agency did not give what this one needs. Unless caught, the caller of this one is told so. */
export class Unanswered extends ServiceRefusal {
  /** The other service's own status and reason, when it answered. */
  readonly answered: { readonly status: number; readonly reason: string } | undefined;
  /** The exchange's refusal, when it did not. */
  readonly exchange: ExchangeError | undefined;

  constructor(
    service: string,
    why: { readonly answer: Answer<unknown> } | { readonly error: ExchangeError },
  ) {
    if ('error' in why) {
      super(503, 'authority_unavailable', `${service} could not be asked: ${why.error.code}`);
      this.exchange = why.error;
    } else {
      const { status } = why.answer;
      const reason = reasonOf(why.answer);
      if (status < 500) super(422, reason, `${service} refused: ${reason}`);
      else super(503, 'authority_unavailable', `${service} failed with ${status}`);
      this.answered = { status, reason };
    }
    this.name = 'Unanswered';
  }
}

function reasonOf(answer: Answer<unknown>): string {
  try {
    const reason = (answer.json() as { reason?: unknown } | null)?.reason;
    return typeof reason === 'string' && /^[a-z_]{1,64}$/.test(reason) ? reason : 'refused';
  } catch {
    return 'refused';
  }
}

/** One row for each exchange that this agency began. */
const BOOK = `CREATE TABLE IF NOT EXISTS exchanges (
  id INTEGER PRIMARY KEY, case_id TEXT NOT NULL, title_en TEXT NOT NULL, title_vi TEXT NOT NULL,
  client TEXT NOT NULL, service TEXT NOT NULL, message_id TEXT, answer_id TEXT, result TEXT NOT NULL,
  at INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS exchanges_of_case ON exchanges (case_id);`;

export interface HouseOptions {
  readonly server: string;
  readonly database: string;
  readonly clock?: () => number;
  readonly randomBelow?: (below: number) => number;
  readonly uuid?: () => string;
}

export function openHouse(options: HouseOptions): House {
  const { clock = Date.now, randomBelow = randomInt, uuid = randomUUID } = options;
  const database = new Database(options.database);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.exec(BOOK);
  const enter = database.prepare(
    `INSERT INTO exchanges (case_id, title_en, title_vi, client, service, message_id, answer_id, result, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const clients = new Map<Subsystem, Client>();
  const clientOf = (subsystem: Subsystem): Client => {
    const known =
      clients.get(subsystem) ?? createClient({ server: options.server, client: subsystem, clock });
    clients.set(subsystem, known);
    return known;
  };
  const queues = new Map<string, Promise<unknown>>();

  return {
    database,
    clock,
    randomBelow,
    uuid,
    async ask<T>(as: Subsystem, question: Question): Promise<Answer<T>> {
      const { title, service, caseId } = question;
      const book = (messageId: string | undefined, answerId: string | undefined, result: string): void => {
        enter.run(
          caseId,
          title.en,
          title.vi,
          as,
          service,
          messageId ?? null,
          answerId ?? null,
          result,
          clock(),
        );
      };
      try {
        const answer = await clientOf(as).call<T>(service, {
          path: question.path,
          ...(question.query === undefined ? {} : { query: question.query }),
          ...(question.json === undefined ? {} : { json: question.json }),
          ...(question.subject === undefined ? {} : { subject: question.subject }),
          ...(question.userId === undefined ? {} : { userId: question.userId }),
          issue: caseId,
          purpose: PURPOSE,
        });
        book(answer.proof.messageId, answer.proof.answerId, String(answer.status));
        if (!answer.ok) throw new Unanswered(service, { answer });
        return answer;
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        book(error.messageId, undefined, error.code);
        throw new Unanswered(service, { error });
      }
    },
    async alone<T>(key: string, work: () => Promise<T>): Promise<T> {
      const before = queues.get(key) ?? Promise.resolve();
      const mine = before.then(work, work);
      queues.set(key, mine);
      try {
        return await mine;
      } finally {
        if (queues.get(key) === mine) queues.delete(key);
      }
    },
    async close(): Promise<void> {
      await Promise.all([...clients.values()].map((client) => client.close()));
      database.close();
    },
  };
}
