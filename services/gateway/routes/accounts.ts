import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { AccountView } from '../../../shared/contracts/outcomes.ts';
import type { EntryDetail } from '../../../shared/contracts/queries.ts';
import {
  accountAnswerSchema,
  accountParamsSchema,
  aliveSchema,
  addAnswerSchema,
  addBodySchema,
  entriesAnswerSchema,
  entriesQuerySchema,
  jsonResponse,
  problemResponses,
  subtractAnswerSchema,
  subtractBodySchema,
  type AccountAnswer,
  type AccountParams,
  type AddBody,
  type EntriesAnswer,
  type EntriesQuery,
  type SubtractBody,
} from '../http-schemas.ts';
import type { AccessGuard } from '../auth/access-guard.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import {
  answerCommand,
  answerQuery,
  commandErrors,
  commandRoute,
  queryErrors,
  queryRoute,
} from './ledger-requests.ts';

const addErrors = [...commandErrors, 'account_closed', 'amount_too_large'] as const satisfies ErrorCode[];
const subtractErrors = [...addErrors, 'insufficient_funds'] as const satisfies ErrorCode[];

/** The routes about accounts. They know HTTP and the contracts; what a balance is, only the ledger knows. */
export function addAccountRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const asking = queryRoute(guard);
  const { onRequest, schema } = commandRoute(guard);

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

  app.get<{ Params: AccountParams }>(
    '/api/status/:id',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'status',
        summary: 'An account and its balance',
        tags: ['accounts'],
        params: accountParamsSchema,
        response: {
          200: jsonResponse('The account.', accountAnswerSchema),
          ...problemResponses(queryErrors),
        },
      },
    },
    (request, reply) => {
      const accountId = request.params.id;
      return answerQuery(
        request,
        reply,
        accountId,
        (narrowing, options) => ledger.ask('account', { accountId, ...narrowing }, options),
        ({ account }) => accountAnswer(account),
      );
    },
  );

  app.get<{ Params: AccountParams; Querystring: EntriesQuery }>(
    '/api/status/:id/entries',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'entries',
        summary: 'The account’s journal: all that has changed it, from its opening on, a page at a time',
        tags: ['accounts'],
        params: accountParamsSchema,
        querystring: entriesQuerySchema,
        response: {
          200: jsonResponse(
            'A page of entries, in the order of `seq` or the reverse of it.',
            entriesAnswerSchema,
          ),
          ...problemResponses(queryErrors),
        },
      },
    },
    (request, reply) => {
      const accountId = request.params.id;
      return answerQuery(
        request,
        reply,
        accountId,
        (narrowing, options) => ledger.ask('entries', { accountId, ...request.query, ...narrowing }, options),
        ({ entries }) => ({ entries: entries.map(entryAnswer) }),
      );
    },
  );

  app.post<{ Body: AddBody }>(
    '/api/add',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'add',
        summary: 'Adds an amount to an account’s balance',
        tags: ['accounts'],
        body: addBodySchema,
        response: { 200: jsonResponse('Added.', addAnswerSchema), ...problemResponses(addErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, amount, reference } = request.body;
      const given = reference !== undefined && { reference };
      return answerCommand(request, reply, accountId, (envelope, options) =>
        ledger.send('add', { accountId, amount, ...given, ...envelope }, options),
      );
    },
  );

  for (const [path, operationId, summary] of [
    ['/api/substract', 'substract', 'Holds an amount, to be taken from the balance when the hold is settled'],
    ['/api/subtract', 'subtract', 'The same as /api/substract'],
  ] as const) {
    app.post<{ Body: SubtractBody }>(
      path,
      {
        onRequest,
        schema: {
          ...schema,
          operationId,
          summary,
          tags: ['accounts'],
          body: subtractBodySchema,
          response: { 200: jsonResponse('Held.', subtractAnswerSchema), ...problemResponses(subtractErrors) },
        },
      },
      (request, reply) => {
        const { id: accountId, amount, reference, onDue, dueInSeconds } = request.body;
        const given = {
          ...(reference !== undefined && { reference }),
          ...(onDue !== undefined && { onDue }),
          ...(dueInSeconds !== undefined && { dueInSeconds }),
        };
        return answerCommand(request, reply, accountId, (envelope, options) =>
          ledger.send('subtract', { accountId, amount, ...given, ...envelope }, options),
        );
      },
    );
  }
}

/** Without what only an audit wants. By name: to let the schema leave it out takes 20 times as long. */
function entryAnswer({
  id,
  seq,
  kind,
  amount,
  at,
  reference,
  commandId,
  holdId,
  dueAt,
  onDue,
  released,
  due,
  balance,
  held,
  available,
}: EntryDetail): EntriesAnswer['entries'][number] {
  return {
    id,
    seq,
    kind,
    amount,
    at,
    reference,
    commandId,
    holdId,
    dueAt,
    onDue,
    released,
    due,
    balance,
    held,
    available,
  };
}

function accountAnswer(account: AccountView): AccountAnswer {
  const { id, name, status, balance, held, available, version } = account;
  return { id, name, status, balance, held, available, version };
}
