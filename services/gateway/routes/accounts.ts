import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { AccountView, AppliedOutcome, ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import {
  accountAnswerSchema,
  accountParamsSchema,
  aliveSchema,
  addAnswerSchema,
  amountBodySchema,
  commandHeadersSchema,
  jsonResponse,
  problemResponses,
  subtractAnswerSchema,
  type AccountAnswer,
  type AccountParams,
  type AddAnswer,
  type AmountBody,
  type SubtractAnswer,
} from '../http-schemas.ts';
import { refusesAccount, type AccessGuard } from '../auth/access-guard.ts';
import { securityFor } from '../plugins/openapi.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import type { CommandIdentity } from '../idempotency.ts';
import { takeIdempotencyKey } from '../plugins/command-identity.ts';
import { sendProblem } from '../plugins/problem-json.ts';

/** Callers are promised an answer within 5 s; what is left is for the way back. */
const ledgerDeadlineMs = 4_900;

const queryErrors = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'account_not_found',
  'internal',
  'overloaded',
  'unavailable',
] as const satisfies ErrorCode[];

const addErrors = [
  ...queryErrors,
  'account_closed',
  'amount_too_large',
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'idempotency_conflict',
  'outcome_unknown',
] as const satisfies ErrorCode[];

const subtractErrors = [...addErrors, 'insufficient_funds'] as const satisfies ErrorCode[];

/** The routes about accounts. They know HTTP and the contracts; what a balance is, only the ledger knows. */
export function addAccountRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const changing = {
    hooks: [...guard.hooksFor('balance:write'), takeIdempotencyKey],
    security: securityFor(guard, 'balance:write'),
  };

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
      onRequest: guard.hooksFor('balance:read'),
      schema: {
        operationId: 'status',
        security: securityFor(guard, 'balance:read'),
        summary: 'An account and its balance',
        tags: ['accounts'],
        params: accountParamsSchema,
        response: {
          200: jsonResponse('The account.', accountAnswerSchema),
          ...problemResponses(queryErrors),
        },
      },
    },
    async (request, reply) => {
      const accountId = request.params.id;
      if (refusesAccount(request, reply, accountId)) return reply;
      const query = { accountId, ...narrowing(request) };
      const answer = await ledger.ask('account', query, {
        deadlineMs: ledgerDeadlineMs,
        parentSpan: request.span,
      });
      reply.header('cache-control', 'no-store');
      if (!answer.ok) return sendProblem(reply, inHttpWords(answer.error), undefined);
      return reply.send(accountAnswer(answer.account));
    },
  );

  app.post<{ Body: AmountBody }>(
    '/api/add',
    {
      onRequest: changing.hooks,
      schema: {
        operationId: 'add',
        security: changing.security,
        summary: 'Adds an amount to an account’s balance',
        tags: ['accounts'],
        headers: commandHeadersSchema,
        body: amountBodySchema,
        response: { 200: jsonResponse('Added.', addAnswerSchema), ...problemResponses(addErrors) },
      },
    },
    (request, reply) => change('add', request, request.body, reply),
  );

  for (const [path, operationId, summary] of [
    ['/api/substract', 'substract', 'Holds an amount, to be taken from the balance when the hold is settled'],
    ['/api/subtract', 'subtract', 'The same as /api/substract'],
  ] as const) {
    app.post<{ Body: AmountBody }>(
      path,
      {
        onRequest: changing.hooks,
        schema: {
          operationId,
          security: changing.security,
          summary,
          tags: ['accounts'],
          headers: commandHeadersSchema,
          body: amountBodySchema,
          response: { 200: jsonResponse('Held.', subtractAnswerSchema), ...problemResponses(subtractErrors) },
        },
      },
      (request, reply) => change('subtract', request, request.body, reply),
    );
  }

  async function change(
    kind: 'add' | 'subtract',
    request: FastifyRequest,
    { id, amount }: AmountBody,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { command, span } = request;
    if (command === undefined) throw new Error(`${kind} came without its idempotency key`);
    if (refusesAccount(request, reply, id)) return reply;
    const outcome = await ledger.send(
      kind,
      { id: command.commandId, accountId: id, amount, ...narrowing(request) },
      { deadlineMs: ledgerDeadlineMs, parentSpan: span },
    );
    if (outcome.replayed === true) reply.header('idempotency-replayed', 'true');
    if (!outcome.ok) return sendProblem(reply, inHttpWords(outcome.error), command);
    return reply.send(changeAnswer(outcome, command));
  }
}

/** For the ledger, which has the last word about what a narrowed caller may touch. */
function narrowing({ caller }: FastifyRequest): { allowedAccounts?: AccountId[] } {
  return caller?.accounts === undefined ? {} : { allowedAccounts: [...caller.accounts] };
}

/** The ledger's error with keys and fields as the HTTP API calls them. */
function inHttpWords(error: ErrorView): ErrorView {
  if (error.code === 'idempotency_conflict') return { code: error.code, detail: keyTaken };
  if (error.fields === undefined) return error;
  const fields = error.fields.map(({ field, message }) => ({ field: httpField[field] ?? field, message }));
  return { ...error, fields };
}

const keyTaken =
  'This Idempotency-Key came with another request about this account before. Send another request under a new key.';

const httpField: Readonly<Record<string, string>> = { accountId: 'id' };

function accountAnswer(account: AccountView): AccountAnswer {
  const { id, name, status, balance, held, available, version } = account;
  return { id, name, status, balance, held, available, version };
}

function changeAnswer(
  { account, entry, hold }: AppliedOutcome,
  { commandId, idempotencyKey }: CommandIdentity,
): AddAnswer | SubtractAnswer {
  const { id, name, status, balance, held, available, version } = account;
  // Not by a spread of accountAnswer: making that and writing it as JSON takes twice as long.
  return {
    id,
    name,
    status,
    balance,
    held,
    available,
    version,
    entry,
    ...(hold !== undefined && { hold }),
    commandId,
    idempotencyKey,
  };
}
