import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { AccountView } from '../../../shared/contracts/outcomes.ts';
import type { EntryDetail } from '../../../shared/contracts/queries.ts';
import {
  accountParamsSchema,
  addAnswerSchema,
  addBodySchema,
  entriesAnswerSchema,
  entriesQuerySchema,
  statusAnswerSchema,
  subtractAnswerSchema,
  subtractBodySchema,
  transferAnswerSchema,
  transferBodySchema,
  type AccountParams,
  type AddBody,
  type EntriesAnswer,
  type EntriesQuery,
  type StatusAnswer,
  type SubtractBody,
  type TransferBody,
} from '../http-schemas.ts';
import { jsonResponse, problemResponses } from '../openapi-responses.ts';
import type { AccessGuard } from '../auth/access-guard.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import {
  accountQueryErrors,
  answerAccountQuery,
  answerCommand,
  changeErrors,
  commandRoute,
  queryRoute,
} from './ledger-requests.ts';

const addErrors = [...changeErrors, 'account_closed', 'amount_too_large'] as const satisfies ErrorCode[];
const transferErrors = [
  ...addErrors,
  'currency_mismatch',
  'insufficient_funds',
] as const satisfies ErrorCode[];
const subtractErrors = [...addErrors, 'insufficient_funds'] as const satisfies ErrorCode[];

/** The routes about an account's balance: what it is, what has changed it, and what changes it. */
export function addBalanceRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const asking = queryRoute(guard, 'balance:read');
  const { onRequest, schema } = commandRoute(guard, 'balance:write');

  app.get<{ Params: AccountParams }>(
    '/api/status/:id',
    {
      onRequest: asking.onRequest,
      schema: {
        ...asking.schema,
        operationId: 'status',
        summary: 'An account and its balance',
        tags: ['balances'],
        params: accountParamsSchema,
        response: {
          200: jsonResponse('The account.', statusAnswerSchema),
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
        (narrowing, options) => ledger.ask('account', { accountId, ...narrowing }, options),
        ({ account }) => statusAnswer(account),
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
        tags: ['balances'],
        params: accountParamsSchema,
        querystring: entriesQuerySchema,
        response: {
          200: jsonResponse(
            'A page of entries, in the order of `seq` or the reverse of it.',
            entriesAnswerSchema,
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
        tags: ['balances'],
        body: addBodySchema,
        response: { 200: jsonResponse('Added.', addAnswerSchema), ...problemResponses(addErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, amount, reference } = request.body;
      const given = reference !== undefined && { reference };
      return answerCommand(request, reply, [accountId], (envelope, options) =>
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
          tags: ['balances'],
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
        return answerCommand(request, reply, [accountId], (envelope, options) =>
          ledger.send('subtract', { accountId, amount, ...given, ...envelope }, options),
        );
      },
    );
  }

  app.post<{ Body: TransferBody }>(
    '/api/transfer',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'transfer',
        summary: 'Moves an amount to another account, at once',
        tags: ['balances'],
        body: transferBodySchema,
        response: {
          200: jsonResponse('Transferred.', transferAnswerSchema),
          ...problemResponses(transferErrors),
        },
      },
    },
    (request, reply) => {
      const { id: accountId, to: toAccountId, amount, reference } = request.body;
      const given = reference !== undefined && { reference };
      return answerCommand(request, reply, [toAccountId, accountId], (envelope, options) =>
        ledger.send('transfer', { accountId, toAccountId, amount, ...given, ...envelope }, options),
      );
    },
  );
}

/** Without the metadata: what services have noted about an account is not for everyone who may see its balance. */
function statusAnswer({
  id,
  name,
  status,
  currency,
  decimals,
  balance,
  held,
  available,
  overdraftLimit,
  version,
}: AccountView): StatusAnswer {
  return {
    id,
    name,
    status,
    currency,
    decimals,
    balance,
    held,
    available,
    overdraftLimit,
    version,
  };
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
  toAccountId,
  fromAccountId,
  transferId,
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
    toAccountId,
    fromAccountId,
    transferId,
    balance,
    held,
    available,
  };
}
