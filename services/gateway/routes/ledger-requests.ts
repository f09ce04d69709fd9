import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { AppliedOutcome, ErrorView, FailedOutcome } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId } from '../../../shared/contracts/primitives.ts';
import type { FailedAnswer } from '../../../shared/contracts/queries.ts';
import type { SendOptions } from '../../../shared/messaging/ledger-client/index.ts';
import { refusesAccount, type AccessGuard } from '../auth/access-guard.ts';
import type { Scope } from '../auth/caller.ts';
import { commandHeadersSchema, type AddAnswer, type SubtractAnswer } from '../http-schemas.ts';
import type { CommandIdentity } from '../idempotency.ts';
import { takeIdempotencyKey } from '../plugins/command-identity.ts';
import { securityFor } from '../plugins/openapi.ts';
import { sendProblem } from '../plugins/problem-json.ts';

/* What the routes about accounts, balances and holds share: how they ask the ledger, and answer. */

/** Callers are promised an answer within 5 s; what is left is for the way back. */
const ledgerDeadlineMs = 4_900;

/** What any question can be refused with. */
export const queryErrors = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'internal',
  'overloaded',
  'unavailable',
] as const satisfies ErrorCode[];

/** What any question about an account can be refused with. */
export const accountQueryErrors = [...queryErrors, 'account_not_found'] as const satisfies ErrorCode[];

/** What any command can be refused with, beside what is its own. */
export const commandErrors = [
  ...queryErrors,
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'idempotency_conflict',
  'outcome_unknown',
] as const satisfies ErrorCode[];

/** What any command about an account that is there already can be refused with, beside what is its own. */
export const changeErrors = [...commandErrors, 'account_not_found'] as const satisfies ErrorCode[];

/** What all routes that change something have in common. */
export function commandRoute(guard: AccessGuard, scope: Scope) {
  return {
    onRequest: [...guard.hooksFor(scope), takeIdempotencyKey],
    schema: { security: securityFor(guard, scope), headers: commandHeadersSchema },
  };
}

/** What all routes that only ask have in common. */
export function queryRoute(guard: AccessGuard, scope: Scope) {
  return { onRequest: guard.hooksFor(scope), schema: { security: securityFor(guard, scope) } };
}

/** The accounts that the caller may touch, when it is narrowed to some. */
interface Narrowing {
  readonly allowedAccounts?: AccountId[];
}

/** What every command has, whatever it means. */
interface Envelope extends Narrowing {
  readonly id: CommandId;
}

/** How the ledger is asked a question. */
type Ask<Answer> = (narrowing: Narrowing, options: SendOptions) => Promise<Answer | FailedAnswer>;

/** Asks a question about an account, if its caller may, and answers what `viewOf` shows of the ledger's answer. */
export async function answerAccountQuery<Answer extends { readonly ok: true }>(
  request: FastifyRequest,
  reply: FastifyReply,
  accountId: AccountId,
  ask: Ask<Answer>,
  viewOf: (answer: Answer) => object,
): Promise<FastifyReply> {
  if (refusesAccount(request, reply, accountId)) return reply;
  return answerQuery(request, reply, ask, viewOf);
}

/** Asks a question about the accounts that its caller may touch, and answers what `viewOf` shows of the ledger's answer. */
export async function answerQuery<Answer extends { readonly ok: true }>(
  request: FastifyRequest,
  reply: FastifyReply,
  ask: Ask<Answer>,
  viewOf: (answer: Answer) => object,
): Promise<FastifyReply> {
  const answer = await ask(narrowing(request), sendOptions(request));
  reply.header('cache-control', 'no-store');
  if (!answer.ok) return sendProblem(reply, inHttpWords(answer.error), undefined);
  return reply.send(viewOf(answer));
}

/** Sends a command about accounts, if its caller may touch all of them, and answers what became of it. */
export async function answerCommand(
  request: FastifyRequest,
  reply: FastifyReply,
  accountIds: readonly AccountId[],
  send: (envelope: Envelope, options: SendOptions) => Promise<AppliedOutcome | FailedOutcome>,
): Promise<FastifyReply> {
  const command = identityOf(request);
  if (accountIds.some((accountId) => refusesAccount(request, reply, accountId))) return reply;
  const outcome = await send({ id: command.commandId, ...narrowing(request) }, sendOptions(request));
  if (outcome.replayed === true) reply.header('idempotency-replayed', 'true');
  if (!outcome.ok) return sendProblem(reply, inHttpWords(outcome.error), command);
  return reply.send(changeAnswer(outcome, command));
}

/** The key and command id of a request to a route that changes something. */
export function identityOf({ command, url }: FastifyRequest): CommandIdentity {
  if (command === undefined) throw new Error(`${url} was reached without an idempotency key`);
  return command;
}

/** How a request is passed on to the ledger. */
export function sendOptions({ span }: FastifyRequest): SendOptions {
  return { deadlineMs: ledgerDeadlineMs, parentSpan: span };
}

/** For the ledger, which has the last word about what a narrowed caller may touch. */
function narrowing({ caller }: FastifyRequest): Narrowing {
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
  'This Idempotency-Key came with another request about this account before, which may well be applied. ' +
  'Look at the account’s entries before you send this one under a new key.';

const httpField: Readonly<Record<string, string>> = { accountId: 'id', toAccountId: 'to' };

/** What a command came to, as HTTP callers read it. */
function changeAnswer(
  { account, entry, hold }: AppliedOutcome,
  { commandId, idempotencyKey }: CommandIdentity,
): AddAnswer | SubtractAnswer {
  const { id, name, status, balance, held, available, version } = account;
  // By name: to make it by a spread and write that as JSON takes twice as long.
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
