import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { AccessGuard } from '../auth/access-guard.ts';
import {
  jsonResponse,
  problemResponses,
  releaseAnswerSchema,
  releaseBodySchema,
  settleAnswerSchema,
  settleBodySchema,
  type ReleaseBody,
  type SettleBody,
} from '../http-schemas.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import { answerCommand, commandErrors, commandRoute } from './ledger-requests.ts';

const releaseErrors = [...commandErrors, 'hold_not_found', 'hold_not_pending'] as const satisfies ErrorCode[];
const settleErrors = [...releaseErrors, 'amount_too_large'] as const satisfies ErrorCode[];

/** The routes that end a hold before it is due. */
export function addHoldRoutes(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const { onRequest, schema } = commandRoute(guard);

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
      return answerCommand(request, reply, accountId, (envelope, options) =>
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
        response: { 200: jsonResponse('Released.', releaseAnswerSchema), ...problemResponses(releaseErrors) },
      },
    },
    (request, reply) => {
      const { id: accountId, holdId } = request.body;
      return answerCommand(request, reply, accountId, (envelope, options) =>
        ledger.send('release', { accountId, holdId, ...envelope }, options),
      );
    },
  );
}
