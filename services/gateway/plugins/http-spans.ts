import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ATTRIBUTE, SPAN } from '../../../shared/telemetry/conventions.ts';
import {
  isTracing,
  recordFault,
  SpanKind,
  startSpanFromHeaders,
  traceparentOf,
  type Span,
} from '../../../shared/telemetry/tracing.ts';
import { isProbe } from '../routes/health.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Its server span, when it is sampled. */
    span: Span | undefined;
  }
}

/** One server span per request but probes, below the caller's when it sent a `traceparent`; nothing while traces are off. */
export function addHttpSpans(app: FastifyInstance): void {
  app.decorateRequest('span', undefined);

  app.addHook('onRequest', (request, reply, done) => {
    if (isTracing() && !isProbe(request.routeOptions.url)) {
      const span = startServerSpan(request);
      if (traceparentOf(span) !== undefined) {
        request.span = span;
        reply.header('trace-id', span.spanContext().traceId);
      }
    }
    done();
  });

  app.addHook('onResponse', (request, reply, done) => {
    const { span } = request;
    if (span !== undefined) {
      span.setAttribute(ATTRIBUTE.httpResponseStatusCode, reply.statusCode);
      // A client's mistake is no error of the server's: the conventions leave 4xx without an error status.
      if (reply.statusCode >= 500) recordFault(span, String(reply.statusCode));
      span.end();
    }
    done();
  });

  // Neither answered nor asked for any more: the caller has gone.
  app.addHook('onRequestAbort', (request, done) => {
    request.span?.end();
    done();
  });
}

function startServerSpan(request: FastifyRequest): Span {
  const { method } = request;
  const route = routeOf(request);
  const attributes = {
    [ATTRIBUTE.httpRequestMethod]: method,
    ...(route === undefined ? {} : { [ATTRIBUTE.httpRoute]: route }),
    [ATTRIBUTE.urlScheme]: request.protocol,
  };
  const name = route === undefined ? method : SPAN.httpServer(method, route);
  return startSpanFromHeaders(request.headers, name, { kind: SpanKind.SERVER, attributes });
}

function routeOf(request: FastifyRequest): string | undefined {
  return request.is404 ? undefined : request.routeOptions.url;
}
