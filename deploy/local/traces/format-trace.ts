import { styleText } from 'node:util';
import { attributeNames } from '../../../shared/telemetry/conventions.ts';
import type { TraceNode } from './trace-tree.ts';
import type { TraceSummary } from './trace-store.ts';

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

/** A silence that is worth a line of its own: longer than any of our waits for an answer. */
const tellGapsFromMs = 1_000;

const barWidth = 16;
const namePrefix = 'holdfast-';

interface Row {
  readonly node: TraceNode;
  /** The branches in front of its name. */
  readonly branches: string;
  /** How long nothing had happened before it, when that is worth a line. */
  readonly gapMs?: number;
  /** Which stretch of work it is in: between two gaps. */
  readonly episode: number;
}

/** A trace for a person: a line per span with its start, its duration and a bar, and a line per long silence. */
export function formatTrace(traceId: string, roots: readonly TraceNode[], color: boolean): string {
  const paint: Paint = (style, text) => (color ? styleText(style, text, { validateStream: false }) : text);
  const rows = rowsOf(roots);
  const serviceWidth = Math.max(0, ...rows.map(({ node }) => serviceOf(node).length));
  const lines = rows.flatMap((row) => {
    const { node, branches, gapMs } = row;
    const gap = gapMs === undefined ? [] : [paint('gray', `  ⋯ ${formatDuration(gapMs)} later`)];
    const notes = notesOf(node);
    const line = [
      `+${formatDuration(node.offsetMs)}`.padStart(13),
      formatDuration(node.durationMs).padStart(10),
      ` ${paint(node.span.isError ? 'red' : 'cyan', barOf(row, rows))}`,
      ` ${paint('gray', serviceOf(node).padEnd(serviceWidth))}`,
      ` ${paint('gray', branches)}${node.span.isError ? paint('red', node.span.name) : node.span.name}`,
      notes === '' ? '' : `  ${paint(node.span.isError ? 'red' : 'yellow', notes)}`,
    ];
    return [...gap, line.join('')];
  });
  const count = rows.filter(({ node }) => !node.shared).length;
  const began = new Date(rows[0]?.node.span.startMs ?? 0).toISOString();
  return [`${paint('bold', `trace ${traceId}`)}  ${began}  ${spanCount(count)}`, '', ...lines, ''].join('\n');
}

/** The newest traces for a person, a line each. */
export function formatList(traces: readonly TraceSummary[], color: boolean): string {
  const paint: Paint = (style, text) => (color ? styleText(style, text, { validateStream: false }) : text);
  const nameWidth = Math.max(0, ...traces.map(({ name }) => name.length));
  return traces
    .map(
      ({ traceId, startMs, name, spans, outcome, isError }) =>
        `${paint('gray', new Date(startMs).toISOString())}  ${traceId}  ${name.padEnd(nameWidth)}  ` +
        `${spanCount(spans).padStart(10)}  ${paint(isError ? 'red' : 'yellow', isError ? `${outcome} ERROR` : outcome)}`,
    )
    .join('\n');
}

function spanCount(count: number): string {
  return count === 1 ? '1 span' : `${count} spans`;
}

/** Depth first, as they are printed; each knows how long nothing had happened when it began. */
function rowsOf(roots: readonly TraceNode[]): Row[] {
  const rows: Row[] = [];
  let busyUntilMs = 0;
  let episode = 0;
  const visit = (nodes: readonly TraceNode[], indent: string, isRoot: boolean) => {
    nodes.forEach((node, index) => {
      const isLast = index === nodes.length - 1;
      const silenceMs = node.offsetMs - busyUntilMs;
      const isGap = silenceMs > tellGapsFromMs;
      if (isGap) episode += 1;
      busyUntilMs = Math.max(busyUntilMs, node.offsetMs + node.durationMs);
      const branches = isRoot ? '' : `${indent}${isLast ? '└ ' : '├ '}`;
      rows.push({ node, branches, episode, ...(isGap && { gapMs: silenceMs }) });
      visit(node.children, isRoot ? '' : `${indent}${isLast ? '  ' : '│ '}`, false);
    });
  };
  visit(roots, '', true);
  return rows;
}

/** Scaled to its own stretch of work: minutes between hold and settling would leave nothing to see. */
function barOf({ node, episode }: Row, rows: readonly Row[]): string {
  const others = rows.filter((row) => row.episode === episode);
  const startMs = Math.min(...others.map((row) => row.node.offsetMs));
  const endMs = Math.max(...others.map((row) => row.node.offsetMs + row.node.durationMs));
  const scale = barWidth / Math.max(endMs - startMs, 0.001);
  const from = Math.min(barWidth - 1, Math.floor((node.offsetMs - startMs) * scale));
  const length = Math.max(1, Math.min(barWidth - from, Math.round(node.durationMs * scale)));
  return `${' '.repeat(from)}${'━'.repeat(length)}`.padEnd(barWidth);
}

function serviceOf({ span }: TraceNode): string {
  return span.service.startsWith(namePrefix) ? span.service.slice(namePrefix.length) : span.service;
}

/** What a person looks for first: how it ended, and which command and hold it was about. */
function notesOf({ span, shared }: TraceNode): string {
  const { attributes } = span;
  const told = (label: string, name: string) =>
    attributes[name] === undefined ? [] : [`${label}${attributes[name]}`];
  return [
    ...(span.isError ? ['ERROR'] : []),
    ...told('', attributeNames.errorType),
    ...told('', attributeNames.httpResponseStatusCode),
    ...told('', attributeNames.outcome),
    // Whoever sends it tells the same as whoever processes it.
    ...(span.kind === 'client' ? [] : told('command ', attributeNames.commandId)),
    ...told('hold ', attributeNames.holdId),
    ...told('of ', attributeNames.batchSize),
    ...(shared ? ['shared with other traces'] : []),
  ].join(' ');
}

/** `0.41 ms`, `12.3 ms`, `2.04 s`, `10 min 0.3 s`. */
export function formatDuration(ms: number): string {
  // What would be rounded up to a whole one of the next unit is said in that unit.
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 999.95) return `${ms.toFixed(1)} ms`;
  if (ms < 59_995) return `${(ms / 1_000).toFixed(2)} s`;
  const tenths = Math.round(ms / 100);
  return `${Math.floor(tenths / 600)} min ${((tenths % 600) / 10).toFixed(1)} s`;
}
