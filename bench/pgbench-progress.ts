/** What pgbench says of the time since it said it last (`--progress`). */
export interface ProgressReport {
  /** Seconds since its start. */
  readonly atS: number;
  readonly perSecond: number;
  readonly meanMs: number;
}

/** `progress: 4.0 s, 1215.3 tps, lat 51.115 ms stddev 35.687, 0 failed`; undefined when it is another line. */
export function readProgress(line: string): ProgressReport | undefined {
  const [, ...numbers] = /^progress: ([\d.]+) s, ([\d.]+) tps, lat ([\d.]+) ms/.exec(line) ?? [];
  const [atS, perSecond, meanMs] = numbers.map(Number);
  if (atS === undefined || perSecond === undefined || meanMs === undefined) return undefined;
  return { atS, perSecond, meanMs };
}

/** All transactions between the first report and the last, and how long they took on average. */
export function sumOf(reports: readonly ProgressReport[]): {
  transactions: number;
  perSecond: number;
  meanMs: number;
} {
  let transactions = 0;
  let waitedMs = 0;
  reports.slice(1).forEach(({ atS, perSecond, meanMs }, index) => {
    const count = perSecond * (atS - (reports[index]?.atS ?? 0));
    transactions += count;
    waitedMs += count * meanMs;
  });
  const seconds = (reports.at(-1)?.atS ?? 0) - (reports[0]?.atS ?? 0);
  return { transactions, perSecond: transactions / seconds, meanMs: waitedMs / transactions };
}
