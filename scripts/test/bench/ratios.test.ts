// The arithmetic of the bench, on rows made by hand.
import { describe, expect, test } from '@jest/globals';
import type { Measurement } from '../../src/bench/load.js';
import { ratiosOf, spread } from '../../src/bench/ratios.js';

const row = (round: number, chain: Measurement['chain'], perSecond: number, more = {}): Measurement => ({
  ...{
    chain,
    round,
    perSecond,
    body: '1k',
    connections: 64,
    p50Ms: 2,
    p99Ms: 5,
    cpuUs: 100,
    foreignCores: 0,
  },
  ...more,
});

describe('spread', () => {
  test('of an odd number is the middle one', () => {
    expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
  });
  test('of an even number is the mean of the middle two', () => {
    expect(spread([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
  });
  test('of nothing is null', () => {
    expect(spread([])).toBeNull();
  });
});

describe('ratios', () => {
  test('compare the rows of one round, never of two', () => {
    const rows = [
      ...[row(1, 'exchange', 20), row(1, 'unsigned', 100)],
      ...[row(2, 'exchange', 90), row(2, 'unsigned', 300)],
      row(3, 'unsigned', 1000),
    ];
    expect(ratiosOf(rows, undefined)['signed_vs_unsigned_1k_c64']).toEqual({
      min: 0.2,
      median: 0.25,
      max: 0.3,
    });
  });

  test('keep bodies and connections apart', () => {
    const rows = [
      ...[row(1, 'exchange', 20), row(1, 'unsigned', 100)],
      ...[
        row(1, 'exchange', 5, { connections: 1, p50Ms: 3 }),
        row(1, 'unsigned', 9, { connections: 1, p50Ms: 1 }),
      ],
    ];
    const ratios = ratiosOf(rows, undefined);
    expect(ratios['added_p50_ms_c1']).toEqual({ min: 2, median: 2, max: 2 });
    expect(ratios['signed_vs_unsigned_1k_c64']).toEqual({ min: 0.2, median: 0.2, max: 0.2 });
    expect(ratios['signed_vs_unsigned_100k']).toBeNull();
  });

  test('without nginx and without a product are null, each under its name', () => {
    const ratios = ratiosOf([row(1, 'unsigned', 100)], undefined);
    expect(Object.values(ratios).every((ratio) => ratio === null)).toBe(true);
    expect(Object.keys(ratios)).toEqual(
      expect.arrayContaining([
        ...['signed_vs_unsigned_1k_c64', 'batched_vs_unsigned_1k_c64', 'unsigned_vs_nginx_1k_c64'],
        ...['batched_vs_nginx_1k_c64', 'cpu_vs_unsigned_1k_c64', 'filtered_vs_signed_1k_c64'],
        ...['signed_vs_unsigned_100k', 'streamed_vs_unsigned_10m', 'added_p50_ms_c1', 'p99_over_p50_c64'],
        ...['rss_above_idle_mib_1g', 'rss_idle_mib', 'rss_load_mib', 'start_ms'],
      ]),
    );
  });
});
