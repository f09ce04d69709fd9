import { context, trace } from '@opentelemetry/api';
import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { describeError } from './describe-error.ts';

export type { Logger } from 'pino';

/**
 * A logger that writes JSON lines to standard output: `service`, an ISO time, and the trace and span ids when it is
 * called inside a span. Errors go under `err`. Amounts and account names belong at level debug or below.
 */
export function createLogger(service: string, level: string, output?: DestinationStream): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
    mixin: traceIds,
  };
  // Synchronous, so that a process never ends before its last line, which says why, is out.
  return pino(options, output ?? destination({ sync: true }));
}

/** A new object each time: pino writes the line's own fields into it. */
function traceIds(): object {
  const spanContext = trace.getSpanContext(context.active());
  if (spanContext === undefined) return {};
  return { trace_id: spanContext.traceId, span_id: spanContext.spanId };
}
