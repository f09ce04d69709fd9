import { isOutcome, type Operation } from '../chaos/history.ts';

/** A time without an outcome at a door. */
export interface Outage {
  readonly door: string;
  readonly ms: number;
}

/**
 * The longest time that clients of each door got no outcome, of those times that lie at least partly between `fromMs` and
 * `untilMs`. Longest first.
 */
export function outagesBetween(operations: readonly Operation[], fromMs: number, untilMs: number): Outage[] {
  const servedMs = new Map<string, number[]>();
  for (const { door, endMs, answer } of operations.flatMap(({ calls }) => calls)) {
    if (!isOutcome(answer)) continue;
    const times = servedMs.get(door) ?? [];
    times.push(endMs);
    servedMs.set(door, times);
  }
  return [...servedMs]
    .map(([door, times]) => ({ door, ms: longestGap(times, fromMs, untilMs) }))
    .toSorted((one, other) => other.ms - one.ms);
}

function longestGap(unsorted: readonly number[], fromMs: number, untilMs: number): number {
  const times = unsorted.toSorted((one, other) => one - other);
  let longest = 0;
  for (const [index, endMs] of times.entries()) {
    const startMs = times[index - 1] ?? endMs;
    if (endMs > fromMs && startMs < untilMs) longest = Math.max(longest, endMs - startMs);
  }
  return longest;
}
