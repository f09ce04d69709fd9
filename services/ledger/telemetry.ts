import type { DueAction } from '../../shared/contracts/outcomes.ts';
import type { CommandId } from '../../shared/contracts/primitives.ts';
import { commandSubject, type CommandKind } from '../../shared/contracts/subjects.ts';
import {
  attributeNames,
  databaseAttributes,
  dbSystem,
  messagingAttributes,
  spanNames,
} from '../../shared/telemetry/conventions.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { countFromZero, isMeasuring, secondsSince, type Metrics } from '../../shared/telemetry/metrics.ts';
import {
  isSampled,
  linkTo,
  recordFailure,
  recordFault,
  recordRefusal,
  SpanKind,
  startSharedSpan,
  startSpan,
  startSpanFrom,
  traceparentOf,
  isTracing,
  type Link,
  type Span,
} from '../../shared/telemetry/tracing.ts';
import type { EndedHold, Outcome } from './domain/execute-batch.ts';
import { secondsOf } from './domain/time.ts';
import type { Failure, WaitingCommand } from './run-batch.ts';
import type { SettleDueAnswer, SettleTurn } from './settle-due.ts';
import type { SettleOutcomes } from './settle-holds.ts';
import type { Statement } from './store/pipeline.ts';
import type { PickedRow } from './store/statements/pick-due-holds.ts';

/*
 * What the ledger tells about itself, in one place: the code that does the work is wrapped from outside, in app.ts.
 */

type Ending = Outcome | Failure | SettleDueAnswer | { readonly type: 'overloaded' };

/** What batches and settle turns are recorded with. */
interface Recorders {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly currentSpan: CurrentSpan;
}

/**
 * The span of the batch or settle turn that is under way, when it is sampled: the lane takes one after the other, so
 * there is never a second.
 */
export class CurrentSpan {
  #span: Span | undefined;

  get(): Span | undefined {
    return this.#span;
  }

  /** Runs work for which this is the current span. */
  async run<T>(span: Span, work: () => Promise<T>): Promise<T> {
    const outer = this.#span;
    this.#span = span;
    try {
      return await work();
    } finally {
      this.#span = outer;
    }
  }
}

/** A command that is being watched. */
export interface Observation {
  /** The trace context to keep with a hold that the command makes; null when it is not sampled. */
  readonly traceparent: string | null;
  readonly span: Span | undefined;
  readonly end: (ending: Ending) => void;
}

export type CommandObserver = (
  kind: CommandKind,
  id: CommandId,
  traceparent: string | undefined,
) => Observation;

/** Counts commands by kind and outcome, and gives each sampled one a span. */
export function commandObserver(metrics: Metrics): CommandObserver {
  const count = commandCounter(metrics);
  return (kind, id, traceparent) => {
    const span = isSampled(traceparent) ? startProcessSpan(kind, id, traceparent) : undefined;
    return {
      span,
      // Without a span of our own the caller's context is kept, for whoever traces the end of its hold.
      traceparent: traceparentOf(span) ?? (isSampledText(traceparent) ? traceparent : null),
      end: (ending) => {
        const outcome = outcomeName(ending);
        count(kind, outcome);
        if (ending.type === 'applied' && ending.endedHold !== undefined) showHoldEnd(ending.endedHold, span);
        if (span === undefined) return;
        span.setAttribute(attributeNames.outcome, outcome);
        if (ending.type === 'applied' && ending.hold !== undefined) {
          span.setAttribute(attributeNames.holdId, ending.hold.id);
        }
        if (ending.type === 'refused') recordRefusal(span, ending.refusal.code);
        if (ending.type === 'failed' || ending.type === 'overloaded') recordFailure(span, outcome);
        span.end();
      },
    };
  };
}

const endSpanNames: Readonly<Record<DueAction, string>> = {
  settle: spanNames.settleHold,
  release: spanNames.releaseHold,
};

/** A hold that a caller ends shows it in the trace of the command that made it, as one that is settled when due. */
function showHoldEnd({ id, status, traceparent }: EndedHold, command: Span | undefined): void {
  const links = command === undefined ? [] : [linkTo(command)];
  startEndSpan({ id, traceparent }, status === 'released' ? 'release' : 'settle', links)?.end();
}

/** Adds up what ends in one turn of the event loop: the instrument takes a microsecond for each `add`. */
function commandCounter(metrics: Metrics): (kind: CommandKind, outcome: string) => void {
  if (!isMeasuring()) return () => undefined;
  const counts = new Map<CommandKind, Map<string, number>>();
  let flushing = false;
  const flush = (): void => {
    flushing = false;
    for (const [kind, outcomes] of counts) {
      for (const [outcome, count] of outcomes) {
        if (count === 0) continue;
        metrics.commands.add(count, {
          [attributeNames.commandKind]: kind,
          [attributeNames.outcome]: outcome,
        });
        // Not taken out: a Map of which much is taken keeps what is short-lived for long, see Slots.
        outcomes.set(outcome, 0);
      }
    }
  };
  return (kind, outcome) => {
    let outcomes = counts.get(kind);
    if (outcomes === undefined) counts.set(kind, (outcomes = new Map()));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };
}

/** Counts connections for writing that were made again. */
export function databaseReconnectCounter(metrics: Metrics): () => void {
  return countFromZero(metrics.reconnects, { [attributeNames.peer]: dbSystem });
}

function startProcessSpan(kind: CommandKind, id: CommandId, traceparent: string): Span {
  const subject = commandSubject(kind);
  return startSpanFrom(traceparent, spanNames.process(subject), {
    kind: SpanKind.CONSUMER,
    attributes: {
      ...messagingAttributes(subject, 'process'),
      [attributeNames.commandId]: id,
      [attributeNames.commandKind]: kind,
    },
  });
}

/** The sampled flag of a traceparent that was checked at the door. */
function isSampledText(traceparent: string | undefined): traceparent is string {
  return traceparent !== undefined && (Number.parseInt(traceparent.slice(-2), 16) & 1) === 1;
}

function outcomeName(ending: Ending): string {
  switch (ending.type) {
    case 'applied':
      return ending.replayed ? 'replayed' : 'applied';
    case 'refused':
      return ending.refusal.code;
    case 'failed':
      return ending.code;
    case 'settled':
      return 'applied';
    case 'expired':
    case 'overloaded':
    case 'too-early':
      return ending.type;
  }
}

/** Runs one batch under a span that is linked to its sampled commands; without any there is no span. */
export async function observeBatch<Result extends Outcome | Failure>(
  waiting: readonly WaitingCommand[],
  { metrics, logger, currentSpan }: Recorders,
  work: () => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  metrics.batchSize.record(waiting.length);
  const startedAtMs = performance.now();
  // In order of arrival: the first has waited longest.
  const queuedAtMs = waiting[0]?.queuedAtMs ?? startedAtMs;
  metrics.queueWait.record(secondsSince(queuedAtMs));
  const sampled = isTracing() ? waiting.flatMap(({ span }) => span ?? []) : [];
  try {
    const results = await timed(metrics, () => inSharedSpan(sampled, waiting.length, currentSpan, work));
    if (logger.isLevelEnabled('debug')) {
      logger.debug(
        { commands: waiting.length, outcomes: countOutcomes(results), ms: msSince(startedAtMs) },
        'batch',
      );
    }
    return results;
  } finally {
    metrics.processDuration.record(secondsSince(queuedAtMs));
  }
}

/**
 * Runs one settle turn: each sampled hold gets a span in the trace of the command that made it. The turn's own span is
 * linked to these and to whoever asked for the turn.
 */
export async function observeSettleTurn(
  { holds, now, askedBy }: SettleTurn,
  { metrics, logger, currentSpan }: Recorders,
  work: () => Promise<SettleOutcomes>,
): Promise<SettleOutcomes> {
  const startedAtMs = performance.now();
  const settling = isTracing() ? holds.map((hold) => startEndSpan(hold, hold.on_due)) : [];
  try {
    const sampled = [...settling.flatMap((span) => span ?? []), ...askedBy];
    const outcomes = await timed(metrics, () => inSharedSpan(sampled, holds.length, currentSpan, work));
    holds.forEach((hold, index) => {
      const outcome = outcomes.get(hold.id);
      if (outcome?.type === 'applied') metrics.settleLag.record(Math.max(0, secondsOf(now - hold.due_at)));
      // A turn that ended early leaves some of its holds to the next one; others have been ended or extended since they were picked.
      else settling[index]?.setAttribute(attributeNames.outcome, outcome === undefined ? 'left' : 'changed');
    });
    logger.debug({ holds: outcomes.size, ms: msSince(startedAtMs) }, 'settle turn');
    return outcomes;
  } catch (error) {
    for (const span of settling) if (span !== undefined) recordFault(span, error);
    throw error;
  } finally {
    for (const span of settling) span?.end();
  }
}

/** The look for what is due is work of whoever asked for it; several ask for the same, and one of them shows it. */
export function observeSettleRequest<T>(
  [first]: readonly Span[],
  currentSpan: CurrentSpan,
  work: () => Promise<T>,
): Promise<T> {
  return first === undefined ? work() : currentSpan.run(first, work);
}

/** The end of a hold, in the trace of the command that made it; undefined when that is not sampled. */
function startEndSpan(
  { id, traceparent }: Pick<PickedRow, 'id' | 'traceparent'>,
  action: DueAction,
  links: readonly Link[] = [],
): Span | undefined {
  if (!isSampled(traceparent)) return undefined;
  return startSpanFrom(traceparent, endSpanNames[action], {
    kind: SpanKind.INTERNAL,
    attributes: { [attributeNames.holdId]: id },
    links: [...links],
  });
}

async function inSharedSpan<T>(
  sampled: readonly Span[],
  size: number,
  currentSpan: CurrentSpan,
  work: () => Promise<T>,
): Promise<T> {
  const span = startSharedSpan(spanNames.batch, sampled, {
    attributes: { [attributeNames.batchSize]: size },
  });
  if (span === undefined) return work();
  for (const each of sampled) each.addLink(linkTo(span));
  try {
    return await currentSpan.run(span, work);
  } catch (error) {
    recordFault(span, error);
    throw error;
  } finally {
    span.end();
  }
}

async function timed<T>(metrics: Metrics, work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  try {
    return await work();
  } finally {
    metrics.transactionDuration.record(secondsSince(startedAtMs));
  }
}

function countOutcomes(results: readonly Ending[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const result of results) {
    const name = outcomeName(result);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Milliseconds, to a tenth. */
function msSince(startedAtMs: number): number {
  return Math.round((performance.now() - startedAtMs) * 10) / 10;
}

/** A span for one statement, below the batch that is under way; undefined when nothing of it is sampled. */
export function observeStatement(
  { name, text }: Statement,
  currentSpan: CurrentSpan,
): ((error?: unknown) => void) | undefined {
  const parent = currentSpan.get();
  if (parent === undefined) return undefined;
  const operation = /\w+/.exec(text)?.[0] ?? name;
  const summary = operation.toLowerCase() === name ? operation : `${operation} ${name}`;
  const attributes = databaseAttributes(operation, summary);
  const span = startSpan(spanNames.database(summary), { kind: SpanKind.CLIENT, attributes }, parent);
  return (error) => {
    if (error !== undefined) recordFault(span, error);
    span.end();
  };
}
