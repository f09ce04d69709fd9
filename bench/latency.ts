import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Latencies in milliseconds. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Percentile and milliseconds, rising: the whole distribution, for drawing. */
  readonly curve: readonly (readonly [percentile: number, ms: number])[];
}

export const drawnPercentiles = [1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9, 99.99, 100];

/** Three figures of an hour: more than any request here may take. */
export function createLatencies(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
}

/** Counts a latency in milliseconds, to the microsecond. */
export function recordMs(latencies: RecordableHistogram, ms: number): void {
  latencies.record(Math.max(1, Math.round(ms * 1000)));
}

export function summaryOf(latencies: RecordableHistogram): Latency {
  // A histogram without values has no percentiles.
  const at = (percentile: number) => (latencies.count === 0 ? 0 : latencies.percentile(percentile) / 1000);
  return {
    p50Ms: at(50),
    p99Ms: at(99),
    maxMs: at(100),
    curve: drawnPercentiles.map((percentile) => [percentile, at(percentile)]),
  };
}
