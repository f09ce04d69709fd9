import type { FastifyInstance } from 'fastify';
import type { AccessGuard } from '../auth/access-guard.ts';
import {
  advanceClockAnswerSchema,
  advanceClockBodySchema,
  type AdvanceClockAnswer,
  type AdvanceClockBody,
} from '../http-schemas.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import { jsonResponse, problemResponses } from '../openapi-responses.ts';
import { sendProblem } from '../plugins/problem-json.ts';
import { commandErrors, commandRoute, identityOf, sendOptions } from './ledger-requests.ts';

/** The route that moves the test clock, where there is one. */
export function addTestClockRoute(app: FastifyInstance, ledger: Ledger, guard: AccessGuard): void {
  const { onRequest, schema } = commandRoute(guard, 'balance:admin');

  app.post<{ Body: AdvanceClockBody }>(
    '/api/advance-clock',
    {
      onRequest,
      schema: {
        ...schema,
        operationId: 'advance-clock',
        summary: 'Moves the test clock forward, and ends the holds that are due then',
        tags: ['test clock'],
        body: advanceClockBodySchema,
        response: {
          200: jsonResponse('Moved.', advanceClockAnswerSchema),
          ...problemResponses(commandErrors),
        },
      },
    },
    async (request, reply) => {
      const command = identityOf(request);
      if (request.caller?.accounts !== undefined) {
        const detail = 'A token that is narrowed to accounts can’t move the clock, which is that of all.';
        return sendProblem(reply, { code: 'forbidden', detail }, command);
      }
      const { seconds } = request.body;
      const { commandId, idempotencyKey } = command;
      const outcome = await ledger.send('advance-clock', { id: commandId, seconds }, sendOptions(request));
      if (outcome.replayed === true) reply.header('idempotency-replayed', 'true');
      if (!outcome.ok) return sendProblem(reply, outcome.error, command);
      const { now, more } = outcome;
      const answer: AdvanceClockAnswer = { now, more, commandId, idempotencyKey };
      return reply.send(answer);
    },
  );
}
