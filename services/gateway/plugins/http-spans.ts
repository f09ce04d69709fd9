import type { Attributes } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { attributeNames, spanNames } from '../../../shared/telemetry/conventions.ts';
import {
  isTracing,
  recordFailure,
  SpanKind,
  startSpanFromHeaders,
  type Span,
} from '../../../shared/telemetry/tracing.ts';
import { isProbe } from '../routes/health.ts';
import { whenCallerGone } from './caller-gone.ts';

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
      const route = routeOf(request);
      const { method } = request;
      const name = route === undefined ? method : spanNames.httpServer(method, route);
      const span = startSpanFromHeaders(request.headers, name, serverSpan);
      if (span !== undefined) {
        request.span = span;
        span.setAttributes(attributesOf(request, route));
        reply.header('trace-id', span.spanContext().traceId);
        whenCallerGone(reply, () => {
          if (!reply.isLong) span.end();
        });
      }
    }
    done();
  });

  app.addHook('onResponse', (request, reply, done) => {
    if (!reply.isLong) endSpan(request, reply);
    done();
  });
}

/** Ends the request's span, if it has one, with what is answered. */
export function endSpan({ span }: FastifyRequest, { statusCode }: FastifyReply): void {
  if (span === undefined) return;
  span.setAttribute(attributeNames.httpResponseStatusCode, statusCode);
  // A client's mistake is no error of the server's: the conventions leave 4xx without an error status.
  if (statusCode >= 500) recordFailure(span, String(statusCode));
  span.end();
}

const serverSpan = { kind: SpanKind.SERVER } as const;

/** For sampled spans alone: most are not, and the samplers there are don't look at these. */
function attributesOf({ method, protocol, url }: FastifyRequest, route: string | undefined): Attributes {
  return {
    [attributeNames.httpRequestMethod]: method,
    ...(route === undefined ? {} : { [attributeNames.httpRoute]: route }),
    [attributeNames.urlScheme]: protocol,
    [attributeNames.urlPath]: url.split('?', 1)[0] ?? '',
  };
}

/** The template of the route that is asked for, such as `/api/status/:id`; undefined when nothing is there. */
export function routeOf(request: FastifyRequest): string | undefined {
  return request.is404 ? undefined : request.routeOptions.url;
}
