import type { FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';

/**
 * When a stop no longer waits for callers, in ms: above the 5 s within which a request has its answer, below the 8 s that a
 * service has to stop in, so that NATS and telemetry have theirs.
 */
const closeAllAfterMs = 5_500;

/** When silent connections are closed, in ms: what was sent before the stop has been read by then. */
const closeSilentAfterMs = 100;

/**
 * Once it stops, every answer ends its connection: a caller that keeps one alive would hold up the stop. So would one that
 * has sent nothing, as browsers and proxies open them ahead, or half a request: Node counts neither as idle, and looks for
 * late requests no longer when a server closes. The first are closed after `closeSilentAfterMs`, the others after
 * `closeAllAfterMs`.
 */
export function closeWhenStopping(app: FastifyInstance): void {
  let stopping = false;
  const open = new Set<Socket>();
  app.server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  app.addHook('preClose', (done) => {
    stopping = true;
    const silentTimer = setTimeout(() => {
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
    }, closeSilentAfterMs);
    const allTimer = setTimeout(() => app.server.closeAllConnections(), closeAllAfterMs);
    app.server.once('close', () => {
      clearTimeout(silentTimer);
      clearTimeout(allTimer);
    });
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping) reply.header('connection', 'close');
    done();
  });
}
