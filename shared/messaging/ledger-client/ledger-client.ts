import type { CommandInput } from '../../contracts/commands.ts';
import type { CommandId } from '../../contracts/primitives.ts';
import { answerSchemas, type QueryAnswer, type QueryInput } from '../../contracts/queries.ts';
import { errorCatalogue } from '../../contracts/error-codes.ts';
import { outcomeSchemas, type CommandOutcome, type ErrorView } from '../../contracts/outcomes.ts';
import { commandSubject, querySubject, type CommandKind, type QueryKind } from '../../contracts/subjects.ts';
import { attributeNames, messagingAttributes, spanNames } from '../../telemetry/conventions.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import {
  isTracing,
  recordFailure,
  recordRefusal,
  SpanKind,
  startSpan,
  traceparentOf,
  type Span,
} from '../../telemetry/tracing.ts';
import { LedgerWatch, pingDeadlineMs } from './ledger-watch.ts';
import { RequestSender, type ClientLink, type Verdict } from './request-sender.ts';

/** Milliseconds a caller waits when it says nothing else. */
const defaultDeadlineMs = 5_000;

/**
 * How many travel in one message, so that the reply fits into nats-server's default of 1 MiB also when every name and
 * every metadata is as long as can be: an outcome takes up to 2 kB, an account 4 kB, a page of a list all there is.
 * The contract allows 1,024, but a ledger's batch is no larger than 512 either.
 */
const maxPerMessage = {
  command: 512,
  ping: 512,
  account: 256,
  accounts: 1,
  hold: 512,
  holds: 1,
  entries: 1,
} as const satisfies Record<QueryKind | 'command', number>;

/** Requests waiting for an answer. At 1 kB each that is 16 MB, and at 10,000/s more than a second's worth. */
const defaultMaxInFlight = 16_384;

const closing: ErrorView = { code: 'unavailable', detail: 'This service is stopping.' };
const timeUnknown: ErrorView = {
  code: 'unavailable',
  detail: `The ledger does not answer on ${querySubject('ping')}.`,
};

/** A command as a caller gives it; deadline and trace context are the client's business. */
export type CommandToSend<K extends CommandKind> = Omit<CommandInput<K>, 'deadline' | 'traceparent'>;

/** How a command is sent or a question asked. */
export interface SendOptions {
  /** Milliseconds until there is an answer, one way or the other; 5,000 by default. */
  deadlineMs?: number;
  /** The caller’s span: when it is sampled, the command has a span below it. */
  parentSpan?: Span | undefined;
}

/** The way to the ledger for every other service. */
export interface LedgerClient {
  /**
   * Sends a command and answers its outcome; never rejects. Within the deadline it tries again with the same id where
   * that can help. It is not asked again when it is `overloaded`, or says that what is in the way lasts.
   *
   * Without an outcome at the deadline, the error is `unavailable` or `overloaded` when the command has certainly changed
   * nothing, and `outcome_unknown` when it may have: sent again under the same id, it gets the outcome.
   */
  send<K extends CommandKind>(
    kind: K,
    command: CommandToSend<K>,
    options?: SendOptions,
  ): Promise<CommandOutcome<K>>;
  /** Asks a question, tried again within the deadline; never rejects. */
  ask<K extends QueryKind>(kind: K, query: QueryInput<K>, options?: SendOptions): Promise<QueryAnswer<K>>;
  /** How many more requests it would take on now; with none left, another one is `overloaded`. */
  room(): number;
  /** What is missing for a command to be served, from memory, in words for people; empty when nothing is. */
  missing(): string[];
  /** The time that the books go by, in ms since 1970; undefined until the ledger has told it. The same for all, whatever our clock. */
  booksNow(): number | undefined;
  /** Whether a test clock has moved the time that the books go by. */
  isClockMoved(): boolean;
  /** Takes nothing new, and resolves when all that was sent has its answer. */
  close(): Promise<void>;
}

/** A client over a NATS connection that others may use too; `close` leaves the connection open. */
export function createLedgerClient(options: {
  link: ClientLink;
  logger: Logger;
  metrics: Pick<Metrics, 'natsRequestDuration'>;
  /** How many requests may wait for an answer; 16,384 by default. */
  maxInFlight?: number;
}): LedgerClient {
  const { link, maxInFlight = defaultMaxInFlight } = options;
  const full: ErrorView = {
    code: 'overloaded',
    detail: `${maxInFlight} requests are waiting for the ledger already.`,
  };
  const sender = new RequestSender(options);
  const watch = new LedgerWatch(
    () => askNow('ping', {}, pingDeadlineMs),
    () => link.isConnected(),
  );
  let closed = false;

  function send<K extends CommandKind>(
    kind: K,
    command: CommandToSend<K>,
    { deadlineMs = defaultDeadlineMs, parentSpan }: SendOptions = {},
  ): Promise<CommandOutcome<K>> {
    const commandId = command.id.toLowerCase() as CommandId;
    const fail = (error: ErrorView) => ({ ok: false, commandId, error }) as CommandOutcome<K>;
    const noRoom = refusedHere();
    if (noRoom !== undefined) return Promise.resolve(fail(noRoom));

    const subject = commandSubject(kind);
    const attributes = { [attributeNames.commandId]: commandId, [attributeNames.commandKind]: kind };
    const span = startSendSpan(subject, parentSpan, attributes);
    const traceparent = traceparentOf(span);
    const outcome = sender.send<CommandOutcome<K>>({
      subject,
      maxPerMessage: maxPerMessage.command,
      deadlineMs,
      // Written anew for each attempt: the estimate of the ledger's time may have become better.
      write: (remainingMs) => {
        const ledgerMs = watch.ledgerTimeAt(performance.now());
        if (ledgerMs === undefined) return timeUnknown;
        const deadline = Math.floor(ledgerMs + remainingMs);
        // A spread of the command with these behind it takes V8 four times as long.
        return JSON.stringify(Object.assign({}, command, { deadline, traceparent }));
      },
      read: (reply) => readOutcome(kind, commandId, reply),
      fail,
    });
    if (span === undefined) return outcome;
    return outcome.then((known) => {
      span.setAttribute(attributeNames.outcome, outcomeWord(known));
      endSpan(span, known);
      return known;
    });
  }

  function ask<K extends QueryKind>(
    kind: K,
    query: QueryInput<K>,
    { deadlineMs = defaultDeadlineMs, parentSpan }: SendOptions = {},
  ): Promise<QueryAnswer<K>> {
    const noRoom = refusedHere();
    if (noRoom !== undefined) return Promise.resolve(failedAnswer(noRoom));
    const span = startSendSpan(querySubject(kind), parentSpan);
    const answer = askNow(kind, query, deadlineMs);
    if (span === undefined) return answer;
    return answer.then((known) => {
      endSpan(span, known);
      return known;
    });
  }

  function askNow<K extends QueryKind>(
    kind: K,
    query: QueryInput<K>,
    deadlineMs: number,
  ): Promise<QueryAnswer<K>> {
    const json = JSON.stringify(query);
    return sender.send<QueryAnswer<K>>({
      subject: querySubject(kind),
      maxPerMessage: maxPerMessage[kind],
      deadlineMs,
      write: () => json,
      read: (reply) => readAnswer(kind, reply),
      // A question changes nothing: that nobody answered is all there is to know.
      fail: (error) => failedAnswer(error.code === 'outcome_unknown' ? noAnswer : error),
    });
  }

  function refusedHere(): ErrorView | undefined {
    if (closed) return closing;
    return room() === 0 ? full : undefined;
  }

  function room(): number {
    return Math.max(0, maxInFlight - sender.inFlight);
  }

  return {
    send,
    ask,
    room,
    booksNow: () => watch.booksTimeAt(performance.now()),
    isClockMoved: () => watch.isClockMoved(),
    missing: () => (closed ? ['this service is stopping'] : watch.missing()),
    close: async () => {
      closed = true;
      watch.stop();
      await sender.close();
    },
  };
}

const noAnswer: ErrorView = { code: 'unavailable', detail: 'No answer came in time.' };

function failedAnswer<K extends QueryKind>(error: ErrorView): QueryAnswer<K> {
  return { ok: false, error } as QueryAnswer<K>;
}

function readOutcome<K extends CommandKind>(
  kind: K,
  commandId: CommandId,
  reply: unknown,
): Verdict<CommandOutcome<K>> {
  const parsed = outcomeSchemas[kind].safeParse(reply);
  if (!parsed.success) return { type: 'malformed' };
  const outcome = parsed.data as CommandOutcome<K>;
  // The order of a reply says which outcome is whose; one mistake there would tell a caller of another's money.
  if (outcome.commandId !== undefined && outcome.commandId !== commandId) return { type: 'malformed' };
  if (outcome.ok) return { type: 'decided', answer: outcome };
  const { error } = outcome;
  if (isRetryable(error)) return { type: 'retryable', error };
  if (error.code === 'outcome_unknown') return { type: 'unknown' };
  // Not looked up in the books: a fault of the ledger's, or refused at its door. An earlier attempt may have met another ledger,
  // of a version whose door is another.
  if (outcome.replayed === undefined) return { type: 'failed', error };
  return { type: 'decided', answer: { ...outcome, commandId } };
}

function readAnswer<K extends QueryKind>(kind: K, reply: unknown): Verdict<QueryAnswer<K>> {
  const parsed = answerSchemas[kind].safeParse(reply);
  if (!parsed.success) return { type: 'malformed' };
  const answer = parsed.data as QueryAnswer<K>;
  if (answer.ok) return { type: 'decided', answer };
  return isRetryable(answer.error) ? { type: 'retryable', error: answer.error } : { type: 'decided', answer };
}

/** Both say that this attempt changed nothing. */
function isRetryable(error: ErrorView): boolean {
  return error.code === 'overloaded' || error.code === 'unavailable';
}

/** Undefined without a sampled span above: what an unsampled request asks must not start a trace of its own. */
function startSendSpan(
  subject: string,
  parentSpan: Span | undefined,
  attributes: Readonly<Record<string, string>> = {},
): Span | undefined {
  if (!isTracing()) return undefined;
  if (parentSpan === undefined || traceparentOf(parentSpan) === undefined) return undefined;
  const all = { ...messagingAttributes(subject, 'send'), ...attributes };
  return startSpan(spanNames.send(subject), { kind: SpanKind.CLIENT, attributes: all }, parentSpan);
}

/** What is certain not to have come to a decision is a failure; any other error is an answer. */
function endSpan(span: Span, known: { ok: true } | { ok: false; error: ErrorView }): void {
  if (!known.ok) {
    const { code, detail } = known.error;
    if (errorCatalogue[code].status >= 500) recordFailure(span, code, detail);
    else recordRefusal(span, code);
  }
  span.end();
}

function outcomeWord(outcome: CommandOutcome<CommandKind>): string {
  if (!outcome.ok) return outcome.error.code;
  return 'replayed' in outcome && outcome.replayed ? 'replayed' : 'applied';
}
