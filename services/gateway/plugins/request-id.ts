import type { FastifyInstance } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A caller's own id is taken over when it can stand in a log line and a header without harm. */
const saneId = /^[\w.:-]{1,128}$/;

/** For `genReqId`: the caller's `X-Request-Id` when it is sane, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && saneId.test(sent) ? sent : randomUUID();
}

/** Every answer says which request it answers. */
export function addRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
}
