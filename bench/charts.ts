import { escape } from './escape.ts';
import type { Verdict } from './goals.ts';
import type { Latency } from './latency.ts';
import { byName, medianOf, medianOver, type Sample } from './sample.ts';
import { figureText, processesOf } from './tables.ts';

const width = 960;
const left = 76;
const right = 340;
const height = 320;
const top = 12;
const bottom = 40;
const plotWidth = width - left - right;
const plotHeight = height - top - bottom;

/** Told apart by those who see few colours, too. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f6fc4', '#8a8f94'];

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

/** An axis: where a value lies between 0 and 1, and the values that are written beside it. */
interface Axis {
  readonly place: (value: number) => number;
  readonly marks: readonly (readonly [value: number, text: string])[];
  readonly title: string;
}

/** Rates by number of connections, a line for each load. Names end in `, N connections`. */
export function rateChart(samples: readonly Sample[]): string {
  const lines = new Map<string, Point[]>();
  for (const [name, group] of byName(samples)) {
    const [, load, connections] = /^(.*), (\d+) connections?$/.exec(name) ?? [];
    if (load === undefined) continue;
    const point = { x: Number(connections), y: medianOver(group, ({ perSecond }) => perSecond) ?? 0 };
    lines.set(load, [...(lines.get(load) ?? []), point]);
  }
  const all = [...lines.values()].flat();
  // A single number of connections makes no line.
  if (new Set(all.map(({ x }) => x)).size < 2) return '';
  const counts = [...new Set(all.map(({ x }) => x))];
  return lineChart(
    [...lines].map(([name, points]) => ({ name, points })),
    { ...logAxis(counts, 'connections'), marks: counts.map((count) => [count, String(count)]) },
    linearAxis(Math.max(...all.map(({ y }) => y)), 'per second'),
  );
}

/** The distribution of latencies: how many milliseconds the slowest 1 in 10, in 100, in 1,000 took at least. */
export function curveChart(samples: readonly Sample[]): string {
  const lines = [...byName(samples)].flatMap(([name, group]) => {
    const curves = group.flatMap(({ latency }) => latency?.curve ?? []);
    return curves.length === 0
      ? []
      : [{ name, points: medianCurve(group.flatMap(({ latency }) => latency ?? [])) }];
  });
  const values = lines.flatMap(({ points }) => points.map(({ y }) => y));
  if (values.length === 0) return '';
  return lineChart(lines, tailAxis, logAxis(values, 'ms'));
}

/** Of each percentile the median over the rounds. The maximum is one request's luck: it is in the table. */
function medianCurve(latencies: readonly Latency[]): Point[] {
  const percentiles = latencies[0]?.curve.map(([percentile]) => percentile) ?? [];
  return percentiles.flatMap((percentile, index) => {
    if (percentile >= 100) return [];
    return { x: percentile, y: medianOf(latencies.map(({ curve }) => curve[index]?.[1] ?? 0)) };
  });
}

/** Each nine takes as much room as the one before. */
const tailAxis: Axis = {
  place: (percentile) => Math.min(1, -Math.log10(1 - percentile / 100) / 4),
  marks: [50, 90, 99, 99.9, 99.99].map((percentile) => [percentile, `${percentile} %`]),
  title: 'share of the requests that were faster',
};

function logAxis(values: readonly number[], title: string): Axis {
  const low = Math.log10(Math.max(0.01, Math.min(...values)));
  const high = Math.max(low + 0.01, Math.log10(Math.max(...values)));
  const marks = [-2, -1, 0, 1, 2, 3, 4].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  return {
    place: (value) => (Math.log10(Math.max(0.01, value)) - low) / (high - low),
    marks: marks
      .filter((mark) => mark >= 10 ** low && mark <= 10 ** high)
      .map((mark) => [mark, String(Number(mark.toPrecision(1)))]),
    title,
  };
}

function linearAxis(most: number, title: string): Axis {
  const step =
    [1, 2, 5].map((digit) => digit * 10 ** Math.floor(Math.log10(most))).findLast((each) => each <= most) ??
    most;
  const steps = most / step < 2.5 ? step / 4 : step / 2;
  const marks = Array.from({ length: Math.floor(most / steps) + 1 }, (_, index) => index * steps);
  return {
    place: (value) => value / most,
    marks: marks.map((mark) => [mark, mark.toLocaleString('en')]),
    title,
  };
}

function lineChart(lines: readonly Line[], across: Axis, up: Axis): string {
  const x = (value: number) => left + across.place(value) * plotWidth;
  const y = (value: number) => top + (1 - up.place(value)) * plotHeight;
  const grid = [
    ...across.marks.map(([value, text]) => {
      const at = x(value).toFixed(1);
      return `<path d="M${at},${top}V${top + plotHeight}" stroke="var(--faint)"/>
<text x="${at}" y="${top + plotHeight + 16}" text-anchor="middle">${text}</text>`;
    }),
    ...up.marks.map(([value, text]) => {
      const at = y(value).toFixed(1);
      return `<path d="M${left},${at}H${left + plotWidth}" stroke="var(--faint)"/>
<text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${text}</text>`;
    }),
  ];
  // The names stand at the lines' ends, highest first, so that each is near its own.
  const byEnd = lines
    .map((line, index) => ({
      line,
      colour: colours[index % colours.length],
      end: line.points.at(-1)?.y ?? 0,
    }))
    .toSorted((one, other) => other.end - one.end);
  const drawn = byEnd.map(({ line, colour }, index) => {
    const path = line.points.map(({ x: across_, y: up_ }) => `${x(across_).toFixed(1)},${y(up_).toFixed(1)}`);
    const textY = top + 12 + index * 20;
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2.5" stroke-linecap="round"/>
<rect x="${left + plotWidth + 16}" y="${textY - 6}" width="14" height="4" fill="${colour}"/>
<text x="${left + plotWidth + 36}" y="${textY}">${escape(line.name)}</text>`;
  });
  const tall = Math.max(height, top + 24 + lines.length * 20);
  return `<svg viewBox="0 0 ${width} ${tall}" role="img">${grid.join('\n')}${drawn.join('\n')}
<text x="${left + plotWidth / 2}" y="${top + plotHeight + 34}" text-anchor="middle">${across.title}</text>
<text x="14" y="${top + plotHeight / 2}" transform="rotate(-90 14 ${top + plotHeight / 2})" text-anchor="middle">${up.title}</text></svg>`;
}

const barHeight = 22;
/** For the longest of the names. */
const labelWidth = 460;

const total = (parts: readonly number[]) => parts.reduce((sum, part) => sum + part, 0);

/** A bar for each load, of what each process took. With one connection each command is a batch: that would dwarf all others. */
export function cpuChart(samples: readonly Sample[]): string {
  const processes = processesOf(samples);
  const groups = [...byName(samples)]
    .map(([name, group]) => ({
      name,
      parts: processes.map((process) => medianOver(group, ({ cpuMicros }) => cpuMicros?.[process]) ?? 0),
    }))
    .filter(({ name, parts }) => !name.endsWith(', 1 connection') && parts.some((part) => part > 0));
  if (groups.length === 0) return '';
  const most = Math.max(...groups.map(({ parts }) => total(parts)));
  const scale = (width - labelWidth - 60) / most;
  const bars = groups.map(({ name, parts }, row) => {
    const y = 30 + row * barHeight;
    let x = labelWidth;
    const pieces = parts.map((part, index) => {
      const piece = `<rect x="${x.toFixed(1)}" y="${y}" width="${(part * scale).toFixed(1)}" height="${barHeight - 6}" fill="${colours[index]}"/>`;
      x += part * scale;
      return piece;
    });
    return `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${escape(name)}</text>${pieces.join('')}
<text x="${(x + 6).toFixed(1)}" y="${y + 12}">${total(parts).toFixed(0)}</text>`;
  });
  const legend = processes.map(
    (process, index) =>
      `<rect x="${labelWidth + index * 80}" y="4" width="12" height="12" fill="${colours[index]}"/><text x="${labelWidth + 17 + index * 80}" y="14">${process}</text>`,
  );
  return `<svg viewBox="0 0 ${width} ${36 + groups.length * barHeight}" role="img">${legend.join('')}${bars.join('\n')}</svg>`;
}

/** How far each figure got on the way from nothing to its goal, with a tick at its floor. */
export function goalChart(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return '';
  const room = width - labelWidth - 120;
  const bars = verdicts.map((verdict, row) => {
    const { measured, floor, goal, moreIsBetter, what } = verdict;
    // Where less is better, twice the goal is half of the way.
    const share = (value: number) => Math.min(1.25, moreIsBetter ? value / goal : goal / value) / 1.25;
    const y = 6 + row * (barHeight + 4);
    const reachesFloor = moreIsBetter ? measured >= floor : measured <= floor;
    const mark = (value: number, colour: string) => {
      const x = (labelWidth + share(value) * room).toFixed(1);
      return `<path d="M${x},${y - 3}v${barHeight}" stroke="${colour}" stroke-width="2"/>`;
    };
    return `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${escape(what)}</text>
<rect x="${labelWidth}" y="${y}" width="${(share(measured) * room).toFixed(1)}" height="${barHeight - 6}" fill="${reachesFloor ? colours[2] : colours[1]}"/>
${mark(floor, 'var(--ink)')}${mark(goal, colours[4] ?? '')}
<text x="${labelWidth + room + 10}" y="${y + 12}">${figureText(measured, verdict)}</text>`;
  });
  const tall = 30 + verdicts.length * (barHeight + 4);
  return `<svg viewBox="0 0 ${width} ${tall}" role="img">${bars.join('\n')}
<text x="${labelWidth}" y="${tall - 6}">Dark tick: floor. Yellow tick: goal. Longer is better.</text></svg>`;
}
