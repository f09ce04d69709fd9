import { standingOf, type Verdict } from './goals.ts';
import { byName, medianOver, type Sample } from './sample.ts';

/** Text in columns: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    widths.map((width, column) => {
      const cell = row[column] ?? '';
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n');
}

/** What a figure is called, and the figure in words; without a name it belongs to the one above. */
export type NamedRow = readonly [name: string, text: string];

export function namedRows(rows: readonly NamedRow[]): string {
  return `\n${rows.map(([name, text]) => `${name.padEnd(15)} ${text}`).join('\n')}\n`;
}

/** One line per thing that was measured, with the median of each figure over the rounds. */
export function samplesTable(samples: readonly Sample[]): string {
  const groups = [...byName(samples)];
  const processes = processesOf(samples);
  const header = [
    '',
    'per second',
    'mean ms',
    'p50 ms',
    'p99 ms',
    'max ms',
    ...processes.map((name) => `µs ${name}`),
    'generator busy',
  ];
  const rows = groups.map(([name, group]) => {
    const cell = (figure: (sample: Sample) => number | undefined, digits: number) =>
      medianOver(group, figure)?.toFixed(digits) ?? '';
    return [
      name,
      cell(({ perSecond }) => perSecond, 0),
      cell(({ meanMs }) => meanMs, 2),
      cell(({ latency }) => latency?.p50Ms, 2),
      cell(({ latency }) => latency?.p99Ms, 2),
      cell(({ latency }) => latency?.maxMs, 1),
      ...processes.map((process) => cell(({ cpuMicros }) => cpuMicros?.[process], 0)),
      cell(({ generatorShare }) => generatorShare, 2),
    ];
  });
  return table([header, ...rows]);
}

/** The processes that any sample has CPU time of. */
export function processesOf(samples: readonly Sample[]): string[] {
  const order = ['gateway', 'ledger', 'settler', 'postgres', 'nats', 'generator'];
  const found = new Set(samples.flatMap(({ cpuMicros }) => Object.keys(cpuMicros ?? {})));
  return order.filter((name) => found.has(name));
}

/** Each goal with its floor, what was measured, and how far the rounds were apart. */
export function verdictsTable(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return 'No floor or goal is about what was measured.';
  const standings = { goal: 'goal reached', floor: 'floor reached', below: 'BELOW THE FLOOR' } as const;
  const rows = verdicts.map((verdict) => {
    const figure = (value: number) => figureText(value, verdict);
    return [
      verdict.what,
      figure(verdict.floor),
      figure(verdict.goal),
      figure(verdict.measured),
      `${figure(verdict.lowest)} to ${figure(verdict.highest)}`,
      standings[standingOf(verdict)],
    ];
  });
  return table([['', 'floor', 'goal', 'measured', 'rounds', ''], ...rows]);
}

/** A figure of a goal with its unit. */
export function figureText(value: number, { unit }: Pick<Verdict, 'unit'>): string {
  return `${value.toFixed(unit === ' bytes' ? 0 : 2)}${unit}`;
}

/** MiB by process: at rest, and the most at the end of any load. */
export function memoryTable(
  atRest: Readonly<Record<string, number>>,
  samples: readonly Sample[],
  startMs: Readonly<Record<string, number>>,
): string {
  const most = (name: string) => Math.max(0, ...samples.map(({ memoryMiB }) => memoryMiB?.[name] ?? 0));
  const rows = Object.entries(atRest).map(([name, mib]) => [
    name,
    mib.toFixed(0),
    most(name).toFixed(0),
    startMs[name]?.toFixed(0) ?? '',
  ]);
  return table([['', 'MiB at rest', 'MiB under load', 'ms to start'], ...rows]);
}
