import {
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type SpanOptions,
} from '@opentelemetry/api';
import { isNativeError } from 'node:util/types';
import { attributeNames } from './conventions.ts';
import { traceparentPattern } from '../contracts/primitives.ts';
import { messageOf } from './describe-error.ts';

export { SpanKind } from '@opentelemetry/api';
export type { Link, Span, SpanOptions } from '@opentelemetry/api';

/*
 * How the services make spans. A trace travels as a W3C `traceparent` text: in HTTP headers, inside each command, in the
 * row of a hold. Nobody makes a span for work that isn't sampled: ask `isTracing()` or `isSampled(traceparent)` first,
 * keep `Span | undefined`, and nothing is allocated while traces are off. Spans are handed on by name: OpenTelemetry's
 * "active" one costs every promise of the process something, sampled or not.
 */

const tracerName = 'holdfast';

let tracing = false;
let isDrawn = (): boolean => true;

/**
 * For `startTelemetry`: says that spans go somewhere. `draw` says of each new trace whether it is worth asking the SDK,
 * whose sampler has the last word; by default all are.
 */
export function setTracing(on: boolean, draw: () => boolean = () => true): void {
  tracing = on;
  isDrawn = draw;
}

/** Whether spans go somewhere at all. */
export function isTracing(): boolean {
  return tracing;
}

/** Whether a span should be made for what carries this traceparent: it is sampled, and spans go somewhere. */
export function isSampled(traceparent: string | null | undefined): traceparent is string {
  if (!tracing || typeof traceparent !== 'string') return false;
  const parsed = parseTraceparent(traceparent);
  return parsed !== undefined && (parsed.traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** Reads a W3C traceparent, version 00; undefined when it isn't exactly one. */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = traceparentPattern.exec(text);
  if (match === null) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = match;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

/** Writes a W3C traceparent. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The traceparent to send along from this span; undefined when it isn't sampled. */
export function traceparentOf(span: Span | undefined): string | undefined {
  if (span === undefined) return undefined;
  const spanContext = span.spanContext();
  return (spanContext.traceFlags & TraceFlags.SAMPLED) === 0 ? undefined : formatTraceparent(spanContext);
}

/** A span below another one of this process. */
export function startSpan(name: string, options: SpanOptions, parent: Span): Span {
  return start(name, options, trace.setSpan(ROOT_CONTEXT, parent));
}

/** The first span of a new trace; undefined when that is not sampled. */
export function startRootSpan(name: string, options?: SpanOptions): Span | undefined {
  return isDrawn() ? sampledOnly(start(name, options, ROOT_CONTEXT)) : undefined;
}

/** A span below the one, perhaps of another process or of minutes ago, that `traceparent` names. */
export function startSpanFrom(traceparent: string, name: string, options?: SpanOptions): Span {
  const spanContext = parseTraceparent(traceparent);
  const parent = spanContext === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext);
  return start(name, options, parent);
}

/**
 * A span below the one that HTTP headers name (`traceparent`, `tracestate`), else the first of a new trace; undefined
 * when it is not sampled.
 */
export function startSpanFromHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: string,
  options?: SpanOptions,
): Span | undefined {
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  if (trace.getSpanContext(parent) === undefined) return startRootSpan(name, options);
  return sampledOnly(start(name, options, parent));
}

/**
 * One span for work that many sampled spans wait for, linked to each. It is a child of the first: so it is sampled
 * whatever the sampler's ratio, and the trace of a lone command shows its transaction. Undefined when there are none.
 */
export function startSharedSpan(
  name: string,
  waiting: readonly Span[],
  options?: SpanOptions,
): Span | undefined {
  const [first] = waiting;
  if (first === undefined) return undefined;
  return startSpan(name, { ...options, links: waiting.map(linkTo) }, first);
}

/** What a log line about the span's work carries; nothing without one. */
export function traceIdsOf(span: Span | undefined): { trace_id?: string; span_id?: string } {
  if (span === undefined) return {};
  const { traceId, spanId } = span.spanContext();
  return { trace_id: traceId, span_id: spanId };
}

/** Runs `work` inside a span below `parent`, ended with it and handed to it; without a parent just runs it. */
export async function inChildSpan<Result>(
  parent: Span | undefined,
  name: string,
  options: SpanOptions,
  work: (span?: Span) => Promise<Result>,
): Promise<Result> {
  if (parent === undefined) return work();
  const span = startSpan(name, options, parent);
  try {
    return await work(span);
  } catch (error) {
    recordFault(span, error);
    throw error;
  } finally {
    span.end();
  }
}

export function linkTo(span: Span): Link {
  return { context: span.spanContext() };
}

/** Links to the spans, perhaps of other processes, that these traceparents name; those that are not sampled are left out. */
export function linksTo(traceparents: readonly (string | undefined)[]): Link[] {
  return traceparents.flatMap((traceparent) => {
    const spanContext = isSampled(traceparent) ? parseTraceparent(traceparent) : undefined;
    return spanContext === undefined ? [] : [{ context: spanContext }];
  });
}

/** A refusal is an answer, not a fault: the span gets its code, and no error status. */
export function recordRefusal(span: Span, code: string): void {
  span.setAttribute(attributeNames.refusalCode, code);
}

/** Something broke: the span gets an error status. */
export function recordFault(span: Span, error: unknown): void {
  recordFailure(span, errorType(error), messageOf(error));
}

/** As `recordFault`, when all that is known is a code, ours or HTTP's. */
export function recordFailure(span: Span, code: string, message?: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
  span.setAttribute(attributeNames.errorType, code);
}

function errorType(error: unknown): string {
  if (!isNativeError(error)) return '_OTHER';
  // The code of Node or Postgres, such as ECONNREFUSED or 40P01, says more than the class.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function sampledOnly(span: Span): Span | undefined {
  return traceparentOf(span) === undefined ? undefined : span;
}

function start(name: string, options: SpanOptions | undefined, parent: Context): Span {
  return trace.getTracer(tracerName).startSpan(name, options, parent);
}
