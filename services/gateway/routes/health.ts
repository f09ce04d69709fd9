import type { FastifyInstance } from 'fastify';
import { aliveSchema, notReadySchema, readySchema } from '../http-schemas.ts';
import { jsonResponse } from '../openapi-responses.ts';
import type { Ledger } from '../ledger-when-connected.ts';

const probes: ReadonlySet<string | undefined> = new Set(['/healthz', '/readyz']);

/** Asked every second by supervisors and load balancers: a log line or a trace each would bury the others. */
export function isProbe(route: string | undefined): boolean {
  return probes.has(route);
}

/** Whether the gateway answers, and the probes: whether the process lives, and whether a command could be served. */
export function addHealthRoutes(app: FastifyInstance, ledger: Pick<Ledger, 'missing'>): void {
  app.get(
    '/api/ping',
    {
      schema: {
        operationId: 'ping',
        summary: 'Does the gateway answer?',
        tags: ['health'],
        response: { 200: jsonResponse('It does.', aliveSchema) },
      },
    },
    (_request, reply) => reply.send({ status: 'ok' }),
  );

  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'health',
        summary: 'Is the process alive?',
        tags: ['health'],
        response: { 200: jsonResponse('It is.', aliveSchema) },
      },
    },
    (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'ready',
        summary: 'Could a command be served now?',
        tags: ['health'],
        response: {
          200: jsonResponse('It could.', readySchema),
          503: jsonResponse('It could not.', notReadySchema),
        },
      },
    },
    (_request, reply) => {
      const missing = ledger.missing();
      reply.header('cache-control', 'no-store');
      if (missing.length === 0) return reply.send({ status: 'ready' });
      return reply.code(503).send({ status: 'not ready', missing });
    },
  );
}
