import type { ReceivedSpan } from './received-span.ts';

/** A span with those below it. Times are milliseconds. */
export interface TraceNode {
  readonly span: ReceivedSpan;
  /** From the start of the trace. */
  readonly offsetMs: number;
  readonly durationMs: number;
  /** A transaction that belongs to another command's trace, and worked for this one as well. */
  readonly shared: boolean;
  /** In order of their start. */
  readonly children: readonly TraceNode[];
}

/**
 * The tree of a trace. A span whose parent is not among `spans` (it is the caller's, or was not kept) is a root; a shared
 * transaction stands below the span that is linked to it.
 */
export function buildTraceTree(traceId: string, spans: readonly ReceivedSpan[]): TraceNode[] {
  const own = spans.filter((span) => span.traceId === traceId);
  const startMs = Math.min(...own.map((span) => span.startMs));
  const known = new Map(spans.map((span) => [keyOf(span), span]));

  const below = new Map<ReceivedSpan | undefined, ReceivedSpan[]>();
  const put = (parent: ReceivedSpan | undefined, span: ReceivedSpan) => {
    below.set(parent, [...(below.get(parent) ?? []), span]);
  };
  for (const span of spans) {
    const parent = known.get(keyOf({ traceId: span.traceId, spanId: span.parentSpanId ?? '' }));
    if (span.traceId === traceId || parent !== undefined) put(parent, span);
  }
  for (const span of own) {
    for (const link of span.links.filter((each) => each.traceId !== traceId)) {
      const batch = known.get(keyOf(link));
      if (batch !== undefined) put(span, batch);
    }
  }

  const nodesBelow = (parent: ReceivedSpan | undefined): TraceNode[] =>
    (below.get(parent) ?? [])
      .toSorted((left, right) => left.startMs - right.startMs)
      .map((span) => ({
        span,
        offsetMs: span.startMs - startMs,
        durationMs: span.endMs - span.startMs,
        shared: span.traceId !== traceId,
        children: nodesBelow(span),
      }));
  return nodesBelow(undefined);
}

function keyOf({ traceId, spanId }: { traceId: string; spanId: string }): string {
  return `${traceId} ${spanId}`;
}
