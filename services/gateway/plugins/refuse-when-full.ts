import type { FastifyInstance } from 'fastify';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { attributeNames } from '../../../shared/telemetry/conventions.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { secondsSince, type Metrics } from '../../../shared/telemetry/metrics.ts';
import type { LedgerClient } from '../../../shared/messaging/ledger-client/index.ts';
import { overloadedProblem, retryAfterS } from './problem-json.ts';
import { requestIdOf } from './request-id.ts';

/** A line in the log for each refusal would be one more thing to do when there is too much to do. */
const warnEveryMs = 1_000;

/** Half of what Retry-After asks for, so that what is read then still has its answer within a second. */
const pauseMs = 500;
const resumeCheckMs = 25;

/** These need no ledger: they are answered however much waits. A browser that is refused a stream tries it no more. */
const withoutLedger = /^\/api\/(?:ping$|events(?:$|\?))/;

/**
 * Refuses at the door what would be refused later: with too many requests under way, one more is answered before
 * Fastify sees it, for a fraction of what it costs otherwise. Most of an overload is refusals, and what they cost is
 * taken from what is accepted.
 */
export function refuseWhenFull(
  app: FastifyInstance,
  ledger: Pick<LedgerClient, 'room'>,
  logger: Logger,
  metrics: Pick<Metrics, 'httpServerDuration'>,
): void {
  const [serve] = app.server.listeners('request') as RequestListener[];
  if (serve === undefined) throw new Error('Fastify listens to no requests');
  const body = Buffer.from(JSON.stringify(overloadedProblem));
  const paused = new PausedSockets();
  let refused = 0;
  const warn = (): void => {
    logger.warn(
      { refused },
      'requests were refused: too many wait for the ledger. See docs/operations.md, Saturated',
    );
    refused = 0;
  };

  const refuse = (request: IncomingMessage, response: ServerResponse): void => {
    const startedAtMs = performance.now();
    if (refused === 0) setTimeout(warn, warnEveryMs).unref();
    refused += 1;
    const key = request.headers['idempotency-key'];
    response.writeHead(503, {
      'content-type': 'application/problem+json; charset=utf-8',
      'content-length': body.length,
      'retry-after': retryAfterS,
      'x-content-type-options': 'nosniff',
      'x-request-id': requestIdOf(request),
      ...(typeof key === 'string' && { 'idempotency-key': key }),
    });
    response.end(body);
    metrics.httpServerDuration.record(secondsSince(startedAtMs), {
      [attributeNames.httpRequestMethod]: request.method,
      [attributeNames.httpResponseStatusCode]: 503,
    });
    // Not before it has been read to its end: reading the rest would start the socket again.
    request.once('end', () => paused.add(request.socket)).resume();
  };

  app.server.removeListener('request', serve);
  app.server.on('request', (request, response) => {
    const { url = '' } = request;
    if (ledger.room() === 0 && url.startsWith('/api/') && !withoutLedger.test(url)) refuse(request, response);
    else serve(request, response);
  });
}

/**
 * Connections of callers who were refused. What comes on one is not read before half a second is over: to refuse callers
 * who don't wait over and over would take more time than what is accepted.
 *
 * It also keeps the event loop going. libuv takes the input of 1,024 sockets and, when so many had some, asks for more,
 * up to 48 times before timers and immediates have their turn: with a thousand callers who ask again at once, nothing
 * was sent on for seconds.
 */
class PausedSockets {
  readonly #sockets = new Map<Socket, number>();
  #timer: NodeJS.Timeout | undefined;

  add(socket: Socket): void {
    socket.pause();
    this.#sockets.set(socket, performance.now());
    this.#timer ??= setInterval(() => this.#resumeDue(), resumeCheckMs);
  }

  #resumeDue(): void {
    const pausedBeforeMs = performance.now() - pauseMs;
    for (const [socket, sinceMs] of this.#sockets) {
      if (sinceMs > pausedBeforeMs) return;
      this.#sockets.delete(socket);
      socket.resume();
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
