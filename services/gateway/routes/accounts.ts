import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import {
  accountsAnswerSchema,
  accountsQuerySchema,
  closeAnswerSchema,
  closeBodySchema,
  openAnswerSchema,
  openBodySchema,
  setLimitAnswerSchema,
  setLimitBodySchema,
  type AccountsQuery,
  type CloseBody,
  type OpenBody,
  type SetLimitBody,
} from '../http-schemas.ts';
import { jsonResponse, problemResponses } from '../openapi-responses.ts';
import type { AccessGuard } from '../auth/access-guard.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import {
  answerCommand,
  answerQuery,
  changeErrors,
  commandErrors,
  commandRoute,
  queryErrors,
  queryRoute,
} from './ledger-requests.ts';

const openErrors = [...commandErrors, 'account_exists', 'amount_too_large'] as const satisfies ErrorCode[];
const closeErrors = [...changeErrors, 'account_closed', 'version_conflict'] as const satisfies ErrorCode[];

const setLimitErrors = [
  ...closeErrors,
  'insufficient_funds',
  'amount_too_large',
] as const satisfies ErrorCode[];

/** The routes of those who keep the accounts: opening, closing and listing them, and how far they may be overdrawn. */
export function addAccountRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const asking = queryRoute(guard, 'balance:admin');
  const { onRequest, schema } = commandRoute(guard, 'balance:admin');

  app.get<{ Querystring: AccountsQuery }>(
    '/api/accounts',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'accounts',
        summary: 'All accounts, or those that the token is for, a page at a time',
        tags: ['accounts'],
        querystring: accountsQuerySchema,
        response: {
          200: jsonResponse('A page of accounts, in the order of `id`.', accountsAnswerSchema),
          ...problemResponses(queryErrors),
        },
      },
    },
    (request, reply) =>
      answerQuery(
        request,
        reply,
        (narrowing, options) => ledger.ask('accounts', { ...request.query, ...narrowing }, options),
        ({ accounts }) => ({ accounts }),
      ),
  );

  app.post<{ Body: OpenBody }>(
    '/api/open',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'open',
        summary: 'Opens an account',
        tags: ['accounts'],
        body: openBodySchema,
        response: { 200: jsonResponse('Opened.', openAnswerSchema), ...problemResponses(openErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, ...opening } = request.body;
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send('open', { accountId, ...opening, ...envelope }, options),
      );
    },
  );

  app.post<{ Body: SetLimitBody }>(
    '/api/set-limit',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'set-limit',
        summary: 'Changes an account’s overdraft limit; what it is lowered by must be available',
        tags: ['accounts'],
        body: setLimitBodySchema,
        response: { 200: jsonResponse('Set.', setLimitAnswerSchema), ...problemResponses(setLimitErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, overdraftLimit, expectedVersion } = request.body;
      const given = expectedVersion !== undefined && { expectedVersion };
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send('set-limit', { accountId, overdraftLimit, ...given, ...envelope }, options),
      );
    },
  );

  app.post<{ Body: CloseBody }>(
    '/api/close',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'close',
        summary: 'Closes an account for good, with whatever is on it; its holds still end',
        tags: ['accounts'],
        body: closeBodySchema,
        response: { 200: jsonResponse('Closed.', closeAnswerSchema), ...problemResponses(closeErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, expectedVersion } = request.body;
      const given = expectedVersion !== undefined && { expectedVersion };
      return answerCommand(request, reply, [accountId], (envelope, options) =>
        ledger.send('close', { accountId, ...given, ...envelope }, options),
      );
    },
  );
}
