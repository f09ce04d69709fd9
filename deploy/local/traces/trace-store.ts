import { z } from 'zod';
import { attributeNames, spanNames } from '../../../shared/telemetry/conventions.ts';
import type { ReceivedSpan } from './received-span.ts';

/** About a dozen spans tell a command's life, so these are the last few thousand commands. */
const maxSpans = 50_000;

/** As JSON, without their resources: a few hundred bytes each. More than that is somebody's long attribute. */
const maxBytes = 48 * 1024 * 1024;

/** A caller that sends one traceparent with everything must not push out all other traces, nor fill a screen for ever. */
const maxSpansOfTrace = 2_000;

export interface TraceStoreLimits {
  readonly maxSpans: number;
  readonly maxSpansOfTrace: number;
  readonly maxBytes: number;
}

const usualLimits: TraceStoreLimits = {
  maxSpans,
  maxSpansOfTrace,
  maxBytes,
};

/** One line about a trace. */
export const traceSummarySchema = z.object({
  traceId: z.string(),
  /** Milliseconds since 1970. */
  startMs: z.number(),
  /** Of its first span that is below none of the others. */
  name: z.string(),
  /** Of the first command in it; empty without one. */
  outcome: z.string(),
  spans: z.int(),
  isError: z.boolean(),
});

export type TraceSummary = z.output<typeof traceSummarySchema>;

interface KeptTrace {
  readonly spans: Map<string, ReceivedSpan>;
  bytes: number;
}

/**
 * The newest spans, by trace. Past a bound, the trace that has been silent for longest goes, as a whole; of a trace that
 * is too long by itself the first spans stay.
 */
export class TraceStore {
  readonly #limits: TraceStoreLimits;
  /** In the order in which they last got a span. */
  readonly #traces = new Map<string, KeptTrace>();
  #spans = 0;
  #bytes = 0;

  constructor(limits: TraceStoreLimits = usualLimits) {
    this.#limits = limits;
  }

  add(spans: readonly ReceivedSpan[]): void {
    for (const span of spans) this.#addOne(span);
    for (const traceId of this.#traces.keys()) {
      if (this.#spans <= this.#limits.maxSpans && this.#bytes <= this.#limits.maxBytes) break;
      this.#drop(traceId);
    }
  }

  /** Ids of the traces that are about a trace id, a command id or a hold id, the newest first. */
  find(id: string): string[] {
    if (this.#traces.has(id)) return [id];
    return this.#newestFirst()
      .filter(([, { spans }]) =>
        [...spans.values()].some(
          ({ attributes }) =>
            attributes[attributeNames.commandId] === id || attributes[attributeNames.holdId] === id,
        ),
      )
      .map(([traceId]) => traceId);
  }

  /**
   * The spans of a trace, and with them the transactions that its commands shared with others: those are of the trace
   * of another command, and linked.
   */
  spansOf(traceId: string): ReceivedSpan[] {
    const own = [...(this.#traces.get(traceId)?.spans.values() ?? [])];
    const shared = own
      .flatMap(({ links }) => links)
      .filter((link) => link.traceId !== traceId)
      .flatMap((link) => this.#withDescendants(link.traceId, link.spanId));
    return [...own, ...shared];
  }

  /** The newest traces, the newest first. */
  list(limit: number): TraceSummary[] {
    return this.#newestFirst()
      .slice(0, limit)
      .map(([traceId, { spans }]) => summaryOf(traceId, [...spans.values()]));
  }

  get size(): number {
    return this.#spans;
  }

  #addOne(span: ReceivedSpan): void {
    const trace = this.#traces.get(span.traceId) ?? { spans: new Map(), bytes: 0 };
    // Sent again when the answer to the first time was lost.
    if (trace.spans.has(span.spanId)) return;
    if (trace.spans.size >= this.#limits.maxSpansOfTrace) return;
    const bytes = JSON.stringify({ ...span, resource: undefined }).length;
    trace.spans.set(span.spanId, span);
    trace.bytes += bytes;
    this.#spans += 1;
    this.#bytes += bytes;
    this.#traces.delete(span.traceId);
    this.#traces.set(span.traceId, trace);
  }

  #drop(traceId: string): void {
    const trace = this.#traces.get(traceId);
    if (trace === undefined) return;
    this.#traces.delete(traceId);
    this.#spans -= trace.spans.size;
    this.#bytes -= trace.bytes;
  }

  #newestFirst(): [string, KeptTrace][] {
    return [...this.#traces].toReversed();
  }

  /** A batch and its statements; nothing when the link leads to something else, such as the batch's other commands. */
  #withDescendants(traceId: string, batchId: string): ReceivedSpan[] {
    const spans = this.#traces.get(traceId)?.spans;
    const batch = spans?.get(batchId);
    if (spans === undefined || batch?.name !== spanNames.batch) return [];
    return [batch, ...[...spans.values()].filter(({ parentSpanId }) => parentSpanId === batchId)];
  }
}

function summaryOf(traceId: string, spans: readonly ReceivedSpan[]): TraceSummary {
  const inOrder = spans.toSorted((left, right) => left.startMs - right.startMs);
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const root = inOrder.find(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
  const outcome = inOrder.map(({ attributes }) => attributes[attributeNames.outcome]).find(isText);
  return {
    traceId,
    startMs: inOrder[0]?.startMs ?? 0,
    name: root?.name ?? '',
    outcome: outcome ?? '',
    spans: spans.length,
    isError: spans.some(({ isError }) => isError),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
