import type { Latency } from './latency.ts';

/** One measurement of one thing in one round. */
export interface Sample {
  readonly name: string;
  readonly round: number;
  /** Requests, commands, transactions or holds per second; of an array of commands each counts. */
  readonly perSecond: number;
  /** pgbench tells no more. */
  readonly meanMs?: number;
  readonly latency?: Latency;
  /** Microseconds of CPU per request, command, transaction or hold, by process. Linux only. */
  readonly cpuMicros?: Readonly<Record<string, number>>;
  /** Share of one processor that the load generator was busy. */
  readonly generatorShare?: number;
  /** MiB by process, at the end of the load. Linux only. */
  readonly memoryMiB?: Readonly<Record<string, number>>;
  /** What the tables and their indexes grew by for a hold that was made and settled. */
  readonly bytesPerHold?: number;
  /** Commands that were acknowledged, and so must be in the books. */
  readonly applied?: { readonly subtracts: number; readonly adds: number };
  /** Requests that failed, with the first one in words. */
  readonly failed?: { readonly count: number; readonly first: string };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** The samples by their names, in the order in which these first came. */
export function byName(samples: readonly Sample[]): Map<string, Sample[]> {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) groups.set(sample.name, [...(groups.get(sample.name) ?? []), sample]);
  return groups;
}

/** The median of a figure over those samples that have it. */
export function medianOver(
  samples: readonly Sample[],
  figure: (sample: Sample) => number | undefined,
): number | undefined {
  const values = samples.flatMap((sample) => figure(sample) ?? []);
  return values.length === 0 ? undefined : medianOf(values);
}

const connected = (count: number): string => `${count} connection${count === 1 ? '' : 's'}`;

/** The names by which the goals and the page find what they need. */
export const names = {
  ping: (connections: number) => `GET ping, ${connected(connections)}`,
  spread: (connections: number) => `substract spread, ${connected(connections)}`,
  hot: (connections: number) => `substract hot, ${connected(connections)}`,
  add: (connections: number) => `add spread, ${connected(connections)}`,
  mixed: (connections: number) => `70 % substract, 20 % add, 10 % status, ${connected(connections)}`,
  nats: (arrayOf: number) => `NATS, arrays of ${arrayOf}`,
  openLoop: (percent: number) => `substract spread, ${percent} % of the best, open loop`,
  tpcb: (clients: number) => `pgbench TPC-B, ${clients} client${clients === 1 ? '' : 's'}`,
  simpleUpdate: (clients: number) => `pgbench -N, ${clients} clients`,
  naive: (clients: number) => `pgbench naive hold, ${clients} clients`,
  settle: (where: 'spread' | 'hot', holds: number) => `settling ${holds} due holds, ${where}`,
  settleUnderLoad: (holds: number) => `settling ${holds} due holds while commands come in`,
  commandsUnderSettling: (connections: number) =>
    `substract spread while holds settle, ${connected(connections)}`,
  lag: (open: number) => `settle lag with ${open} open holds, half load`,
  size: (accounts: number, connections: number) =>
    `substract spread over ${accounts} accounts, ${connected(connections)}`,
  aged: (accounts: number, entries: number, connections: number) =>
    `substract spread over ${accounts} accounts, after ${entries} more entries, ${connected(connections)}`,
} as const;

/** Whether a sample of this name is `names.settle`'s, of however many holds. */
export function isSettling(name: string, where: 'spread' | 'hot'): boolean {
  const [, holds] = /^settling (\d+) /.exec(name) ?? [];
  return holds !== undefined && name === names.settle(where, Number(holds));
}
