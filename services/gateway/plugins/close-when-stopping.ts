import type { FastifyInstance } from 'fastify';

/** Once it stops, every answer ends its connection: a caller that keeps one alive would hold up the stop. */
export function closeWhenStopping(app: FastifyInstance): void {
  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping) reply.header('connection', 'close');
    done();
  });
}
