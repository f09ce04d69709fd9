import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkFields } from '../../../shared/contracts/field-errors.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { refusesAccount, type AccessGuard } from '../auth/access-guard.ts';
import { afterSchema, type After } from '../events/cursor.ts';
import type { EventStreams } from '../events/event-streams.ts';
import { eventsHeadersSchema, eventsQuerySchema, type EventsQuery } from '../http-schemas.ts';
import { eventStreamResponse, problemResponses } from '../openapi-responses.ts';
import { sendProblem } from '../plugins/problem-json.ts';
import { InvalidInput } from '../plugins/validation.ts';
import { queryErrors, queryRoute } from './ledger-requests.ts';

const header = 'Last-Event-ID';

type EventsRequest = FastifyRequest<{ Querystring: EventsQuery }>;

/** The route of those who want to be told: facts as they happen, as server-sent events. */
export function addEventRoutes(app: FastifyInstance, streams: EventStreams, guard: AccessGuard): void {
  const { onRequest, schema } = queryRoute(guard, 'balance:read');

  app.get<{ Querystring: EventsQuery }>(
    '/api/events',
    {
      onRequest,
      // It would have to be opened to be answered.
      exposeHeadRoute: false,
      schema: {
        ...schema,
        operationId: 'events',
        summary: 'What happens to accounts, as it happens, as server-sent events',
        tags: ['events'],
        querystring: eventsQuerySchema,
        headers: eventsHeadersSchema,
        response: { 200: eventStreamResponse, ...problemResponses(queryErrors) },
      },
    },
    (request, reply) => openStream(request, reply, streams),
  );

  app.addHook('preClose', (done) => {
    streams.stop();
    done();
  });
}

async function openStream(
  request: EventsRequest,
  reply: FastifyReply,
  streams: EventStreams,
): Promise<FastifyReply> {
  const { caller, query } = request;
  const after = lastEventOf(request) ?? query.after;
  if (query.account?.some((accountId) => refusesAccount(request, reply, accountId)) === true) return reply;
  const accounts: readonly AccountId[] | undefined = query.account ?? caller?.accounts;
  const subscription = {
    accounts: accounts && new Set(accounts),
    after,
    expiresMs: caller?.expiresMs,
  };
  reply.header('cache-control', 'no-store');
  const refusal = await streams.open(reply.raw, subscription, () => {
    // The last is for proxies: an event is to be handed on at once.
    reply.headers({ 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    reply.beginLong();
  });
  if (refusal !== undefined) return sendProblem(reply, refusal, undefined);
  // Its caller has gone, which Fastify would take for a forgotten answer.
  if (!reply.isLong) reply.hijack();
  return reply;
}

/** Newer than what stands in the address: a browser sends it when it connects again to the same one. */
function lastEventOf({ headers }: FastifyRequest): After | undefined {
  const text = headers['last-event-id'];
  if (text === undefined) return undefined;
  const checked = checkFields(afterSchema, text, header);
  if ('fields' in checked) throw new InvalidInput(checked.fields);
  return checked.value;
}
