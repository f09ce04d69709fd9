import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { attributeNames } from '../../../shared/telemetry/conventions.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { traceIdsOf } from '../../../shared/telemetry/tracing.ts';
import { isProbe } from '../routes/health.ts';
import { whenCallerGone } from './caller-gone.ts';
import { routeOf } from './http-spans.ts';

/**
 * One line per request, when its answer has ended, and one measurement per answer: never bodies, names or amounts, nor paths,
 * which hold ids.
 */
export function addAccessLog(
  app: FastifyInstance,
  logger: Logger,
  metrics: Pick<Metrics, 'httpServerDuration'>,
): void {
  app.addHook('onRequest', (request, reply, done) => {
    whenCallerGone(reply, () => {
      const { status, ...line } = lineOf(request, reply, routeOf(request));
      // Of a long answer it has had the status.
      logger.info({ ...line, ...(reply.isLong && { status }), callerGone: true }, 'request');
    });
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = routeOf(request);
    const level = isProbe(route) ? 'debug' : 'info';
    if (logger.isLevelEnabled(level)) logger[level](lineOf(request, reply, route), 'request');
    if (!reply.isLong) recordDuration(metrics, request, reply);
    done();
  });
}

/** Measures how long a request has taken until now. */
export function recordDuration(
  metrics: Pick<Metrics, 'httpServerDuration'>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const route = routeOf(request);
  metrics.httpServerDuration.record(reply.elapsedTime / 1_000, {
    [attributeNames.httpRequestMethod]: request.method,
    ...(route === undefined ? {} : { [attributeNames.httpRoute]: route }),
    [attributeNames.httpResponseStatusCode]: reply.statusCode,
  });
}

function lineOf(request: FastifyRequest, reply: FastifyReply, route: string | undefined) {
  return {
    method: request.method,
    route,
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    requestId: request.id,
    ...(request.command === undefined ? {} : { commandId: request.command.commandId }),
    ...traceIdsOf(request.span),
  };
}
