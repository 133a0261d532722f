// From measurements to the ratios that are reported. Absolute numbers depend on the machine and the hour; ratios of rows
// of one round do not.
import type { Chain } from './chain.js';
import type { Load, Measurement } from './load.js';

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Names are read by people and programs: they stay. The last columns of those that are null are not built yet. */
export type Ratios = Readonly<Record<string, Spread | null>>;

export const LOADS = {
  '1k_c64': { body: '1k', connections: 64 },
  '100k': { body: '100k', connections: 16 },
  '1k_c1': { body: '1k', connections: 1 },
} as const satisfies Record<string, Load>;

type LoadName = keyof typeof LOADS;

/** Of an even number of values the mean of the middle two; null of none. */
export function spread(values: readonly number[]): Spread | null {
  const sorted = [...values].sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (min === undefined || max === undefined || low === undefined || high === undefined) return null;
  const rounded = (value: number): number => Number(value.toPrecision(4));
  return { min: rounded(min), median: rounded((low + high) / 2), max: rounded(max) };
}

export function ratiosOf(
  rows: readonly Measurement[],
  product: { startMs: number; rssIdleMib: number; rssLoadMib: number } | undefined,
): Ratios {
  const rounds = [...new Set(rows.map((row) => row.round))];
  const row = (round: number, chain: Chain['name'], load: LoadName): Measurement | undefined =>
    rows.find(
      (one) =>
        one.round === round &&
        one.chain === chain &&
        one.body === LOADS[load].body &&
        one.connections === LOADS[load].connections,
    );
  /** One value a round, from the rows of two chains in that round. */
  const compare = (
    [chain, other]: readonly [Chain['name'], Chain['name']],
    load: LoadName,
    value: (one: Measurement, two: Measurement) => number,
  ): Spread | null =>
    spread(
      rounds.flatMap((round) => {
        const [one, two] = [row(round, chain, load), row(round, other, load)];
        return one === undefined || two === undefined ? [] : [value(one, two)];
      }),
    );
  const throughput = (one: Measurement, two: Measurement): number => one.perSecond / two.perSecond;
  const signed = ['exchange', 'unsigned'] as const;
  const once = (value: number | undefined): Spread | null => (value === undefined ? null : spread([value]));
  return {
    signed_vs_unsigned_1k_c64: compare(signed, '1k_c64', throughput),
    batched_vs_unsigned_1k_c64: null,
    unsigned_vs_nginx_1k_c64: compare(['unsigned', 'nginx'], '1k_c64', throughput),
    signed_vs_nginx_1k_c64: compare(['exchange', 'nginx'], '1k_c64', throughput),
    batched_vs_nginx_1k_c64: null,
    cpu_vs_unsigned_1k_c64: compare(signed, '1k_c64', (one, two) => one.cpuUs / two.cpuUs),
    filtered_vs_signed_1k_c64: null,
    signed_vs_unsigned_100k: compare(signed, '100k', throughput),
    signed_vs_nginx_100k: compare(['exchange', 'nginx'], '100k', throughput),
    streamed_vs_unsigned_10m: null,
    added_p50_ms_c1: compare(signed, '1k_c1', (one, two) => one.p50Ms - two.p50Ms),
    p99_over_p50_c64: compare(['exchange', 'exchange'], '1k_c64', (one) => one.p99Ms / one.p50Ms),
    rss_above_idle_mib_1g: null,
    rss_idle_mib: once(product?.rssIdleMib),
    rss_load_mib: once(product?.rssLoadMib),
    start_ms: once(product?.startMs),
  };
}
