import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { HoldView } from '../../../shared/contracts/outcomes.ts';
import type { AccessGuard } from '../auth/access-guard.ts';
import {
  extendAnswerSchema,
  extendBodySchema,
  holdAnswerSchema,
  holdParamsSchema,
  accountParamsSchema,
  holdsAnswerSchema,
  holdsQuerySchema,
  releaseAnswerSchema,
  releaseBodySchema,
  settleAnswerSchema,
  settleBodySchema,
  type AccountParams,
  type ExtendBody,
  type HoldParams,
  type HoldsQuery,
  type ReleaseBody,
  type SettleBody,
} from '../http-schemas.ts';
import { jsonResponse, problemResponses } from '../openapi-responses.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import {
  accountQueryErrors,
  answerAccountQuery,
  answerCommand,
  changeErrors,
  commandRoute,
  queryRoute,
} from './ledger-requests.ts';

const holdErrors = [...changeErrors, 'hold_not_found', 'hold_not_pending'] as const satisfies ErrorCode[];
const settleErrors = [...holdErrors, 'amount_too_large'] as const satisfies ErrorCode[];

/** The routes about holds: what became of one, ending it before it is due, and having it fall due later. */
export function addHoldRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const asking = queryRoute(guard, 'balance:read');
  const { onRequest, schema } = commandRoute(guard, 'balance:write');

  app.get<{ Params: AccountParams; Querystring: HoldsQuery }>(
    '/api/status/:id/holds',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'holds',
        summary: 'The account’s holds, a page at a time',
        tags: ['holds'],
        params: accountParamsSchema,
        querystring: holdsQuerySchema,
        response: {
          200: jsonResponse(
            'A page of holds, in the order in which they were made or the reverse of it.',
            holdsAnswerSchema,
          ),
          ...problemResponses(accountQueryErrors),
        },
      },
    },
    (request, reply) => {
      const accountId = request.params.id;
      return answerAccountQuery(
        request,
        reply,
        accountId,
        (narrowing, options) => ledger.ask('holds', { accountId, ...request.query, ...narrowing }, options),
        ({ holds }) => ({ holds: holds.map(holdAnswer) }),
      );
    },
  );

  app.get<{ Params: HoldParams }>(
    '/api/status/:id/holds/:holdId',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'hold',
        summary: 'A hold, pending or not',
        tags: ['holds'],
        params: holdParamsSchema,
        response: {
          200: jsonResponse('The hold.', holdAnswerSchema),
          ...problemResponses([...accountQueryErrors, 'hold_not_found']),
        },
      },
    },
    (request, reply) => {
      const { id: accountId, holdId } = request.params;
      return answerAccountQuery(
        request,
        reply,
        accountId,
        (narrowing, options) => ledger.ask('hold', { accountId, holdId, ...narrowing }, options),
        ({ hold }) => holdAnswer(hold),
      );
    },
  );

  app.post<{ Body: SettleBody }>(
    '/api/settle',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'settle',
        summary: 'Settles a hold now: takes all of its amount, or a part and releases the rest',
        tags: ['holds'],
        body: settleBodySchema,
        response: { 200: jsonResponse('Settled.', settleAnswerSchema), ...problemResponses(settleErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, holdId, amount } = request.body;
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send(
          'settle',
          { accountId, holdId, ...(amount !== undefined && { amount }), ...envelope },
          options,
        ),
      );
    },
  );

  app.post<{ Body: ReleaseBody }>(
    '/api/release',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'release',
        summary: 'Releases a hold: its amount is available again',
        tags: ['holds'],
        body: releaseBodySchema,
        response: { 200: jsonResponse('Released.', releaseAnswerSchema), ...problemResponses(holdErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, holdId } = request.body;
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send('release', { accountId, holdId, ...envelope }, options),
      );
    },
  );

  app.post<{ Body: ExtendBody }>(
    '/api/extend',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'extend',
        summary: 'Extends a hold: it falls due later than it would',
        tags: ['holds'],
        body: extendBodySchema,
        response: { 200: jsonResponse('Extended.', extendAnswerSchema), ...problemResponses(holdErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, holdId, dueInSeconds } = request.body;
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send('extend', { accountId, holdId, dueInSeconds, ...envelope }, options),
      );
    },
  );
}

/** As outcomes tell of it. */
function holdAnswer({ id, amount, status, dueAt, onDue, reference }: HoldView): HoldView {
  return { id, amount, status, dueAt, onDue, ...(reference !== undefined && { reference }) };
}
