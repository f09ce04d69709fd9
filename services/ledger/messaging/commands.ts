import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { maxPayloadOf } from '../../../shared/messaging/max-payload.ts';
import { commandSchemas, type AccountCommandKind } from '../../../shared/contracts/commands.ts';
import type {
  AppliedOutcome,
  ErrorView,
  FailedOutcome,
  SettledOutcome,
} from '../../../shared/contracts/outcomes.ts';
import { commandIdSchema, type CommandId } from '../../../shared/contracts/primitives.ts';
import {
  commandKinds,
  commandSubjectPrefix,
  isReplySubject,
  ledgerQueueGroup,
  type CommandKind,
} from '../../../shared/contracts/subjects.ts';
import type { Outcome } from '../domain/execute-batch.ts';
import { formatMicros, parseTime } from '../domain/time.ts';
import type { Failure, WaitingCommand } from '../run-batch.ts';
import type { SettleDue, SettleDueAnswer } from '../settle-due.ts';
import type { CommandObserver } from '../telemetry.ts';
import { failedView, outcomeView } from './outcome-view.ts';
import { forbiddenFor, readElement, readPayload, type Payload } from './payload.ts';
import { commandOf } from './read-command.ts';

/** A command with the place where its outcome is awaited. */
export interface AttendedCommand extends WaitingCommand {
  readonly answer: (outcome: Outcome | Failure) => void;
}

export interface CommandDesk {
  /** @returns false when too much waits already. */
  readonly offer: (command: AttendedCommand) => boolean;
  readonly settleDue: SettleDue;
  readonly observe: CommandObserver;
  readonly logger: Logger;
}

type OutcomeView = AppliedOutcome | FailedOutcome | SettledOutcome;

/** The longest that any caller of ours waits; a caller without a deadline gets as long. */
const patienceMs = 5_000;

const overloaded: ErrorView = {
  code: 'overloaded',
  detail: 'Too many commands are waiting; this one was not taken. Send it again a little later.',
};

/** Answers `balance.command.*`, until the subscription is drained. */
export function serveCommands(nats: NatsConnection, desk: CommandDesk): Subscription {
  return nats.subscribe(`${commandSubjectPrefix}*`, {
    queue: ledgerQueueGroup,
    callback: (error, message) => {
      if (error !== null) {
        desk.logger.warn(
          { err: error },
          'the subscription to commands reports an error: may this NATS user subscribe to it?',
        );
        return;
      }
      try {
        serveMessage(message, nats, desk);
      } catch (fault) {
        desk.logger.error(
          { err: fault, subject: message.subject },
          'a message could not be handled, which is a fault of ours; its sender may ask again',
        );
      }
    },
  });
}

function serveMessage(message: Msg, nats: NatsConnection, desk: CommandDesk): void {
  if (!message.reply) {
    desk.logger.warn(
      { subject: message.subject },
      'a command without a reply subject was dropped: its sender must make it a request, or publish to balance.async.*',
    );
    return;
  }
  if (!isReplySubject(message.reply)) {
    desk.logger.warn(
      { subject: message.subject, reply: message.reply },
      'a command was dropped whose answer should go to a subject that is no inbox: its sender must make it a request',
    );
    return;
  }
  const kind = kindOf(message.subject);
  const payload = readPayload(message.data);
  if (kind === undefined) {
    const known = commandKinds.map((each) => commandSubjectPrefix + each).join(', ');
    const detail = `No such command; there are ${known}.`;
    respond(message, nats, failedView(undefined, { code: 'invalid_request', detail }), desk.logger);
    return;
  }
  if ('code' in payload) {
    respond(message, nats, failedView(undefined, payload), desk.logger);
    return;
  }
  collectOutcomes(
    payload,
    (element, done) => serveElement(kind, element, done, desk),
    (reply) => respond(message, nats, reply, desk.logger),
  );
}

/** Serves each element and gives the reply, in the shape of the request, when the last one is done. */
function collectOutcomes(
  { elements, shape }: Payload,
  serve: (element: unknown, done: (outcome: OutcomeView) => void) => void,
  reply: (reply: OutcomeView | OutcomeView[]) => void,
): void {
  const outcomes: OutcomeView[] = [];
  let missing = elements.length;
  elements.forEach((element, index) => {
    serve(element, (outcome) => {
      outcomes[index] = outcome;
      missing -= 1;
      if (missing > 0) return;
      const [only] = outcomes;
      reply(shape === 'single' && only !== undefined ? only : outcomes);
    });
  });
}

function serveElement(
  kind: CommandKind,
  element: unknown,
  done: (outcome: OutcomeView) => void,
  desk: CommandDesk,
): void {
  if (kind === 'settle-due') serveSettleDue(element, done, desk);
  else serveAccountCommand(kind, element, done, desk);
}

function serveAccountCommand(
  kind: AccountCommandKind,
  element: unknown,
  done: (outcome: OutcomeView) => void,
  { offer, observe }: CommandDesk,
): void {
  const read = readElement(commandSchemas[kind], element);
  if ('error' in read) {
    done(failedView(readableId(element), read.error));
    return;
  }
  const payload = read.value;
  const forbidden = forbiddenFor(payload);
  if (forbidden !== undefined) {
    done(failedView(payload.id, forbidden));
    return;
  }
  const observation = observe(kind, payload.id, payload.traceparent);
  const command = commandOf(
    { kind, payload } as Parameters<typeof commandOf>[0],
    observation.traceparent,
    false,
  );
  const answer = (outcome: Outcome | Failure): void => {
    observation.end(outcome);
    done(outcomeView(command.id, outcome));
  };
  const since = performance.now();
  if (offer({ command, since, patientUntil: since + patienceMs, span: observation.span, answer })) return;
  observation.end({ type: 'overloaded' });
  done(failedView(command.id, overloaded));
}

function serveSettleDue(
  element: unknown,
  done: (outcome: OutcomeView) => void,
  { settleDue, observe }: CommandDesk,
): void {
  const read = readElement(commandSchemas['settle-due'], element);
  if ('error' in read) {
    done(failedView(readableId(element), read.error));
    return;
  }
  const { id, until, sweep, traceparent } = read.value;
  const observation = observe('settle-due', id, traceparent);
  settleDue.request({
    until: until === undefined ? null : parseTime(until),
    sweep,
    span: observation.span,
    answer: (answer) => {
      observation.end(answer);
      done(settledView(id, answer));
    },
  });
}

function settledView(commandId: CommandId, answer: SettleDueAnswer): SettledOutcome | FailedOutcome {
  switch (answer.type) {
    case 'settled':
      return { ok: true, commandId, settled: answer.settled, more: answer.more, waitMs: answer.waitMs };
    case 'too-early':
      return {
        ok: true,
        commandId,
        settled: 0,
        more: false,
        notBefore: formatMicros(answer.notBefore),
        waitMs: answer.waitMs,
      };
    case 'failed':
      return failedView(commandId, { code: answer.code, detail: 'The database can’t be reached just now.' });
    case 'overloaded':
      return failedView(commandId, overloaded);
  }
}

function kindOf(subject: string): CommandKind | undefined {
  const name = subject.slice(commandSubjectPrefix.length);
  return commandKinds.find((kind) => kind === name);
}

/** The id of an element that is not valid otherwise, so that its caller can tell which one it was. */
function readableId(element: unknown): CommandId | undefined {
  if (typeof element !== 'object' || element === null || !('id' in element)) return undefined;
  return commandIdSchema.safeParse(element.id).data;
}

function respond(
  message: Msg,
  nats: NatsConnection,
  reply: OutcomeView | OutcomeView[],
  logger: Logger,
): void {
  try {
    message.respond(fitting(reply, maxPayloadOf(nats)));
  } catch (error) {
    // The line is closed for good. What was answered stays true: the caller asks again under the same id.
    logger.warn(
      { err: error, subject: message.subject },
      'an answer could not be sent; its caller will ask again',
    );
  }
}

/** The reply as text; or what can be told instead of one that the broker would not take. */
function fitting(reply: OutcomeView | OutcomeView[], maxBytes: number): string {
  const text = JSON.stringify(reply);
  if (fits(text, maxBytes)) return text;
  // Much that is wrong in many elements: that they were refused must be told, what is wrong with each need not.
  const shortened = JSON.stringify(Array.isArray(reply) ? reply.map(withoutFields) : withoutFields(reply));
  if (fits(shortened, maxBytes)) return shortened;
  // Long account names in a large array. The commands are in the books; smaller arrays under the same ids tell.
  const detail = 'The reply is too large. Send smaller arrays under the same ids.';
  return JSON.stringify(failedView(undefined, { code: 'outcome_unknown', detail }));
}

function fits(text: string, maxBytes: number): boolean {
  return text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes;
}

function withoutFields(outcome: OutcomeView): OutcomeView {
  if (outcome.ok || outcome.error.fields === undefined) return outcome;
  const detail = 'Not valid. Too much is wrong in this array to name it all: send smaller ones.';
  return { ...outcome, error: { code: outcome.error.code, detail } };
}
