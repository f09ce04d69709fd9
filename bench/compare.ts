import { readFile } from 'node:fs/promises';
import { byName, medianOf, type Sample } from './sample.ts';
import { table } from './tables.ts';

/** Apart from the noise of rounds, smaller changes than this are of no interest. */
const leastChange = 0.03;

interface Figure {
  readonly what: string;
  readonly of: (sample: Sample) => number | undefined;
}

const figures: readonly Figure[] = [
  { what: 'per second', of: ({ perSecond }) => perSecond },
  { what: 'mean ms', of: ({ meanMs }) => meanMs },
  { what: 'p50 ms', of: ({ latency }) => latency?.p50Ms },
  { what: 'p99 ms', of: ({ latency }) => latency?.p99Ms },
  ...['gateway', 'ledger', 'settler', 'postgres', 'nats'].map((name) => ({
    what: `µs ${name}`,
    of: ({ cpuMicros }: Sample) => cpuMicros?.[name],
  })),
  { what: 'bytes per hold', of: ({ bytesPerHold }) => bytesPerHold },
];

/** The samples of an earlier run's file in bench/results. */
export async function readResult(file: string): Promise<readonly Sample[]> {
  const result = JSON.parse(await readFile(file, 'utf8')) as { samples?: Sample[] };
  if (result.samples === undefined) throw new Error(`${file} has no samples: it is not of npm run bench`);
  return result.samples;
}

/**
 * What changed beyond noise: all rounds of one run are better than all of the other, which chance alone brings about in
 * one of 126 comparisons of five rounds with five.
 */
export function tellChanges(earlier: readonly Sample[], now: readonly Sample[]): string {
  const before = byName(earlier);
  const rows = [...byName(now)].flatMap(([name, samples]) =>
    figures.flatMap((figure) => changeOf(name, figure, before.get(name) ?? [], samples)),
  );
  if (rows.length === 0) return 'Nothing changed beyond noise.';
  return `Changed beyond noise:\n${table([['', 'figure', 'before', 'now', 'change'], ...rows])}`;
}

function changeOf(
  name: string,
  { what, of }: Figure,
  earlier: readonly Sample[],
  now: readonly Sample[],
): string[][] {
  const before = earlier.flatMap((sample) => of(sample) ?? []);
  const after = now.flatMap((sample) => of(sample) ?? []);
  if (before.length === 0 || after.length === 0) return [];
  const apart = Math.min(...after) > Math.max(...before) || Math.max(...after) < Math.min(...before);
  const [was, is] = [medianOf(before), medianOf(after)];
  const change = is / was - 1;
  if (!apart || was === 0 || Math.abs(change) < leastChange) return [];
  const sign = change > 0 ? '+' : '−';
  const digits = Math.max(was, is) < 100 ? 2 : 0;
  return [
    [name, what, was.toFixed(digits), is.toFixed(digits), `${sign}${Math.abs(change * 100).toFixed(0)} %`],
  ];
}
