// What the bench compares: a chain of processes that carries a POST from a plain-HTTP client to one backend and back.

/** Octets of the two bodies, request and answer alike. The backend serves them at these paths. */
export const BODIES = { '1k': 1024, '100k': 100 * 1024 } as const;

export type BodyName = keyof typeof BODIES;

export interface Chain {
  readonly name: 'exchange' | 'unsigned' | 'nginx';
  /** Where the client posts: `<url>/1k`, `<url>/100k`. */
  readonly url: string;
  /** What the client must say beside Content-Type. */
  readonly headers: Readonly<Record<string, string>>;
  /** Processes whose CPU an exchange costs, the backend not among them: it is the same for all chains. */
  readonly pids: readonly number[];
  /** From start to listening of the slower of the two servers. */
  readonly startMs?: number;
  readonly stop: () => Promise<void>;
}

/** Ends everything, also when one of them fails to. */
export async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  await Promise.allSettled(stops.map((stop) => stop()));
}
