import { jetstream } from '@nats-io/jetstream';
import { RequestError, type NatsConnection } from '@nats-io/nats-core';
import type { FailedOutcome, AppliedOutcome } from '../../../shared/contracts/outcomes.ts';
import {
  accountCommandKinds,
  asyncCommandSubject,
  commandSubject,
  type AccountCommandKind,
} from '../../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import type { CommandToSend, LedgerClient } from '../../../shared/messaging/ledger-client/index.ts';
import type { Answer, Operation } from '../history.ts';
import { answerOf, fieldsOf, type Door } from './door.ts';

/** As long as our own services wait. */
const deadlineMs = 5_000;
/** The answer may come a little after the deadline was looked at. */
const answerWithinMs = 6_000;
const publishMs = 3_000;

/** As our own services do it: one at a time, tried again by the client. */
export function clientDoor(client: LedgerClient): Door {
  return {
    name: 'nats',
    kinds: accountCommandKinds,
    most: 1,
    send: async (operations) =>
      Promise.all(
        operations.map(async (operation) => {
          const command = { id: operation.id, ...fieldsOf(operation) } as CommandToSend<AccountCommandKind>;
          return read(await client.send(operation.kind, command));
        }),
      ),
    look: async (accountId) => {
      const answer = await client.ask('account', { accountId });
      return answer.ok ? answer.account : undefined;
    },
  };
}

/** As anyone may do it: an array in one message, tried once, with a deadline of the caller's own. */
export function arrayDoor(link: NatsLink): Door {
  return {
    name: 'nats array',
    kinds: accountCommandKinds,
    most: 24,
    deadlineMs,
    send: async (operations, deadline) => {
      const [first] = operations;
      if (first === undefined) return [];
      const elements = operations.map((operation) => ({
        id: operation.id,
        deadline,
        ...fieldsOf(operation),
      }));
      const payload = elements.length === 1 ? elements[0] : elements;
      const reply = await request(link.connection, commandSubject(first.kind), payload);
      if (!Array.isArray(reply)) return operations.map(() => reply);
      return operations.map((_, index) => reply[index] ?? { is: 'fault', text: 'the reply is too short' });
    },
  };
}

/** As those do it who do not wait for the outcome: the stream's ack is all they hear. */
export function streamDoor(link: NatsLink): Door {
  return {
    name: 'stream',
    kinds: ['add', 'subtract', 'settle', 'release', 'extend', 'transfer'],
    most: 8,
    send: async (operations) => {
      const [first] = operations;
      if (first === undefined) return [];
      const elements = operations.map((operation) => ({ id: operation.id, ...fieldsOf(operation) }));
      const answer = await publish(link.connection, first, elements);
      return operations.map(() => answer);
    },
  };
}

async function publish(
  connection: NatsConnection,
  { kind }: Operation,
  elements: readonly object[],
): Promise<Answer> {
  try {
    await jetstream(connection).publish(asyncCommandSubject(kind), JSON.stringify(elements), {
      timeout: publishMs,
    });
    return { is: 'accepted' };
  } catch (error) {
    return { is: 'unknown', reason: String(error) };
  }
}

async function request(
  connection: NatsConnection,
  subject: string,
  payload: unknown,
): Promise<Answer | Answer[]> {
  try {
    const reply = await connection.request(subject, JSON.stringify(payload), { timeout: answerWithinMs });
    const outcomes = reply.json<(AppliedOutcome | FailedOutcome) | (AppliedOutcome | FailedOutcome)[]>();
    return Array.isArray(outcomes) ? outcomes.map(read) : read(outcomes);
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders())
      return { is: 'not-applied', code: 'unavailable' };
    return { is: 'unknown', reason: String(error) };
  }
}

function read(outcome: AppliedOutcome | FailedOutcome): Answer {
  if (!outcome.ok) return answerOf(outcome.error.code, outcome.error.available, outcome.error.detail);
  const { version, balance, held, available } = outcome.account;
  return { is: 'ok', version, balance, held, available, holdId: outcome.hold?.id };
}
