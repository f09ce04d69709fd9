import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { NatsLink } from '../../shared/messaging/connect.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import { addAccessGuard } from './auth/access-guard.ts';
import type { AccessSettings } from './auth/settings.ts';
import { createTokenVerifier } from './auth/verify-token.ts';
import { EventStreams } from './events/event-streams.ts';
import type { EventLimits } from './events/limits.ts';
import type { Ledger } from './ledger-when-connected.ts';
import { addAccessLog } from './plugins/access-log.ts';
import { closeWhenStopping } from './plugins/close-when-stopping.ts';
import { addCommandIdentity } from './plugins/command-identity.ts';
import { addHttpSpans } from './plugins/http-spans.ts';
import { answerJsonAsAscii, writeAsAscii } from './plugins/json-as-ascii.ts';
import { addJsonBodies } from './plugins/json-body.ts';
import { addLongAnswers } from './plugins/long-answers.ts';
import { addNotFound } from './plugins/not-found.ts';
import { addOpenApi } from './plugins/openapi.ts';
import { addProblemAnswers, answerBrokenHttp, answerError } from './plugins/problem-json.ts';
import { addRequestIds, requestIdOf } from './plugins/request-id.ts';
import { addSecurityHeaders } from './plugins/security-headers.ts';
import { addValidation } from './plugins/validation.ts';
import { addAccountRoutes } from './routes/accounts.ts';
import { addBalanceRoutes } from './routes/balances.ts';
import { addEventRoutes } from './routes/events.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addHoldRoutes } from './routes/holds.ts';
import { addTestClockRoute } from './routes/test-clock.ts';

/** Far more than any request of this API needs. */
const bodyLimitBytes = 64 * 1024;

/** The first line and the headers of a request; Node's default, said here because a limit depends on it. */
const maxHeaderBytes = 16 * 1024;

/** A request must have arrived whole within this: a caller that trickles must not keep a connection for ever. */
const requestTimeoutMs = 10_000;

/** How often requests are looked for that are past it. Node's default is 30 s, so that one could take 40 s. */
const timeoutCheckMs = 1_000;

/** Longer than proxies keep an idle connection (nginx: 60 s), so that it is theirs to close and no request is lost. */
const keepAliveTimeoutMs = 75_000;

/** Composes the gateway; `listen` makes it serve. */
export async function buildApp(options: {
  ledger: Ledger;
  logger: Logger;
  metrics: Pick<Metrics, 'httpServerDuration' | 'eventStreams'>;
  /** Facts are read from it; without it nobody is told any. */
  connecting?: Promise<NatsLink>;
  eventLimits?: Partial<EventLimits>;
  jsonAsAscii?: boolean;
  /** The books' time can be moved forward. */
  testClock?: boolean;
  /** Where traces are looked at, without the id at its end. */
  traceUrl?: string | undefined;
  /** Without it everyone may use the API, as often as they like. */
  access?: Pick<AccessSettings, 'tokens' | 'rateLimit' | 'trustProxy'>;
}): Promise<FastifyInstance> {
  const { ledger, logger, metrics, jsonAsAscii = false, testClock = false, traceUrl, access } = options;
  const loggerInstance: FastifyBaseLogger = logger;
  const app: FastifyInstance = fastify({
    loggerInstance,
    // One line per request, written by addAccessLog; a child logger for each would be made for nothing.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (parent) => parent,
    genReqId: requestIdOf,
    requestIdHeader: false,
    trustProxy: access?.trustProxy ?? false,
    bodyLimit: bodyLimitBytes,
    // A long id is a wrong id, as a short one is; the limit on headers bounds it.
    routerOptions: { maxParamLength: maxHeaderBytes },
    http: {
      maxHeaderSize: maxHeaderBytes,
      // Not longer than the limit on the whole request: Node exchanges the two then, and a body would have its 60 s.
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: timeoutCheckMs,
    },
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // While it stops, what still comes on an open connection is served, and the connection closed.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => {
      // Before any hook ran.
      answerError(error, request, reply.header('x-request-id', request.id));
    },
    clientErrorHandler: answerBrokenHttp,
  });

  addRequestIds(app);
  addSecurityHeaders(app);
  addCommandIdentity(app);
  addHttpSpans(app);
  addAccessLog(app, logger, metrics);
  addLongAnswers(app, metrics);
  addJsonBodies(app);
  addValidation(app);
  addProblemAnswers(app, traceUrl);
  addNotFound(app);
  closeWhenStopping(app);
  if (jsonAsAscii) answerJsonAsAscii(app);
  const tokens = access?.tokens && createTokenVerifier(access.tokens, logger);
  const guard = await addAccessGuard(app, { tokens, limit: access?.rateLimit });
  await addOpenApi(app, { testClock });
  addBalanceRoutes(app, ledger, guard);
  addHoldRoutes(app, ledger, guard);
  addAccountRoutes(app, ledger, guard);
  const { connecting = new Promise<never>(() => undefined), eventLimits: limits } = options;
  const writeJson = jsonAsAscii ? writeAsAscii : (json: string) => json;
  const streams = new EventStreams({ connecting, logger, metrics, writeJson, limits });
  addEventRoutes(app, streams, guard);
  addHealthRoutes(app, ledger);
  if (testClock) addTestClockRoute(app, ledger, guard);
  return app;
}
