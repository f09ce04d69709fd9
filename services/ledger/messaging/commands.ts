import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { KeptSubscription } from '../../../shared/messaging/keep-subscription.ts';
import { maxPayloadOf } from '../../../shared/messaging/max-payload.ts';
import { commandSchemas } from '../../../shared/contracts/commands.ts';
import { maxClockYears } from '../../../shared/contracts/limits.ts';
import type {
  AdvancedOutcome,
  AppliedOutcome,
  ErrorView,
  FailedOutcome,
  SettledOutcome,
} from '../../../shared/contracts/outcomes.ts';
import { commandIdSchema, type CommandId } from '../../../shared/contracts/primitives.ts';
import {
  commandKinds,
  commandSubjectPrefix,
  type AccountCommandKind,
  type CommandKind,
} from '../../../shared/contracts/subjects.ts';
import type { Outcome } from '../domain/execute-batch.ts';
import { formatMicros, parseTime } from '../domain/time.ts';
import type { Failure, WaitingCommand } from '../run-batch.ts';
import type { SettleDueTurns, SettleDueAnswer } from '../settle-due.ts';
import type { CommandObserver } from '../telemetry.ts';
import type { AdvanceAnswer, TestClock } from '../test-clock.ts';
import { failedView, outcomeView } from './outcome-view.ts';
import { readElement, type Payload, type PayloadElement } from './payload.ts';
import { readCommand } from './read-command.ts';
import { serveRequests } from './serve-requests.ts';

/** A command that waits for its batch, and who is told of its outcome. */
export interface QueuedCommand extends WaitingCommand {
  readonly answer: (outcome: Outcome | Failure) => void;
}

interface CommandsOptions {
  /** @returns false when too much waits already. */
  readonly offer: (command: QueuedCommand) => boolean;
  readonly settleDue: SettleDueTurns;
  /** Undefined: the books go by real time. */
  readonly testClock: TestClock | undefined;
  readonly observe: CommandObserver;
  readonly logger: Logger;
}

type OutcomeView = AppliedOutcome | FailedOutcome | SettledOutcome | AdvancedOutcome;

/** As long as callers over HTTP are promised an answer within; a command without a deadline gets as long. */
const giveUpAfterMs = 5_000;

const overloaded: ErrorView = {
  code: 'overloaded',
  detail: 'Too many commands are waiting; this one was not taken. Send it again a little later.',
};

const unreachable: ErrorView = { code: 'unavailable', detail: 'The database can’t be reached just now.' };

const noTestClock: ErrorView = {
  code: 'forbidden',
  detail: 'These books go by real time: the ledger was started without TEST_CLOCK=on.',
};

const clockUnknown: ErrorView = {
  code: 'outcome_unknown',
  detail: 'The clock may have been moved. The same command, sent again, moves it at most once.',
};

const clockConflict: ErrorView = {
  code: 'idempotency_conflict',
  detail: 'The clock was moved by other seconds under this key or id. Send these under a new one.',
};

const clockTooFar: ErrorView = {
  code: 'invalid_request',
  detail: `The clock would be more than ${maxClockYears} years ahead.`,
  fields: [{ field: 'seconds', message: `must not put the clock more than ${maxClockYears} years ahead` }],
};

/** Answers `balance.command.*`, until the subscription is drained. */
export function serveCommands(nats: NatsConnection, options: CommandsOptions): KeptSubscription {
  return serveRequests(nats, {
    prefix: commandSubjectPrefix,
    kinds: commandKinds,
    noun: 'command',
    logger: options.logger,
    handle: (kind, payload, reply) =>
      collectOutcomes(
        payload,
        (element, done) => serveElement(kind, element, done, options),
        (outcomes) => reply(replyJson(outcomes, maxPayloadOf(nats))),
      ),
  });
}

/** Serves each element and gives the reply, in the shape of the request, when the last one is done. */
function collectOutcomes(
  { elements, shape }: Payload,
  serve: (element: PayloadElement, done: (outcome: OutcomeView) => void) => void,
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
  element: PayloadElement,
  done: (outcome: OutcomeView) => void,
  options: CommandsOptions,
): void {
  if (kind === 'settle-due') serveSettleDue(element, done, options);
  else if (kind === 'advance-clock') void serveAdvanceClock(element, done, options);
  else serveAccountCommand(kind, element, done, options);
}

function serveAccountCommand(
  kind: AccountCommandKind,
  element: PayloadElement,
  done: (outcome: OutcomeView) => void,
  { offer, observe }: CommandsOptions,
): void {
  const read = readCommand(kind, element, observe, { unattended: false });
  if ('error' in read) {
    done(failedView(readableId(element), read.error));
    return;
  }
  const { command, observation } = read;
  const answer = (outcome: Outcome | Failure): void => {
    observation.end(outcome);
    done(outcomeView(command.id, outcome));
  };
  const queuedAtMs = performance.now();
  const giveUpAtMs = queuedAtMs + giveUpAfterMs;
  if (offer({ command, queuedAtMs, giveUpAtMs, span: observation.span, answer })) return;
  observation.end({ type: 'overloaded' });
  done(failedView(command.id, overloaded));
}

function serveSettleDue(
  element: PayloadElement,
  done: (outcome: OutcomeView) => void,
  { settleDue, observe }: CommandsOptions,
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
      return failedView(commandId, unreachable);
    case 'overloaded':
      return failedView(commandId, overloaded);
  }
}

async function serveAdvanceClock(
  element: PayloadElement,
  done: (outcome: OutcomeView) => void,
  { testClock, logger }: CommandsOptions,
): Promise<void> {
  const read = readElement(commandSchemas['advance-clock'], element);
  if ('error' in read) {
    done(failedView(readableId(element), read.error));
    return;
  }
  const { id, seconds } = read.value;
  if (testClock === undefined) {
    done(failedView(id, noTestClock));
    return;
  }
  try {
    done(advancedView(id, await testClock.advance(id, seconds)));
  } catch (error) {
    logger.warn({ err: error }, 'what became of moving the test clock is not known; its caller was told so');
    done(failedView(id, clockUnknown));
  }
}

function advancedView(commandId: CommandId, answer: AdvanceAnswer): AdvancedOutcome | FailedOutcome {
  switch (answer.type) {
    case 'advanced': {
      const { replayed, now, more } = answer;
      return { ok: true, commandId, replayed, now: formatMicros(now), more };
    }
    case 'conflict':
      return { ...failedView(commandId, clockConflict), replayed: false };
    case 'too-far':
      return failedView(commandId, clockTooFar);
  }
}

/** The id of an element that is not valid otherwise, so that its caller can tell which one it was. */
function readableId({ value }: PayloadElement): CommandId | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined;
  return commandIdSchema.safeParse(value.id).data;
}

/** The reply as JSON; or what can be said within `maxBytes` in place of one that the broker would not take. */
function replyJson(reply: OutcomeView | OutcomeView[], maxBytes: number): string {
  const text = JSON.stringify(reply);
  if (fits(text, maxBytes)) return text;
  // Much that is wrong in many elements: that they were refused must be told, what is wrong with each need not.
  const shortened = JSON.stringify(Array.isArray(reply) ? reply.map(withoutFields) : withoutFields(reply));
  if (fits(shortened, maxBytes)) return shortened;
  // Long names in a large array, from a client that does not bound its arrays as ours does. The commands are in the books:
  // smaller arrays under the same ids tell what became of them.
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
