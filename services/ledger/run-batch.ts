import { messageOf } from '../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { traceIdsOf, type Span } from '../../shared/telemetry/tracing.ts';
import type { Command } from './domain/commands.ts';
import type { Outcome } from './domain/execute-batch.ts';
import { CommitUnknownError, faultKindOf } from './store/faults.ts';

/** A command that a fault kept from being decided, or whose fate is not known. */
export interface Failure {
  readonly type: 'failed';
  readonly code: 'internal' | 'unavailable' | 'outcome_unknown';
}

/** A command that waits for its turn. */
export interface WaitingCommand {
  readonly command: Command;
  /** When it was taken, by `performance.now()`. */
  readonly sinceMs: number;
  /** By `performance.now()`; after this the caller has given up, so there is no point in trying on. */
  readonly patientUntilMs: number;
  /** When it is sampled. */
  readonly span?: Span | undefined;
}

const retryDelaysMs = [20, 50, 100, 200, 400] as const;

/** What became of a command. */
type Result = Outcome | Failure;

/**
 * Processes a batch, come what may: every command gets an outcome or a failure.
 *
 * - A lost connection or a passing refusal of the server: the batch is decided again. If its COMMIT had gone through
 *   after all, the journal answers for it.
 * - Any other fault: the commands are decided in halves, and these in halves, until only the culprit fails.
 *
 * @param earlierMayHaveCommitted whether an earlier attempt at these commands may have got through.
 */
export async function runBatch(
  waiting: readonly WaitingCommand[],
  process: (commands: readonly Command[]) => Promise<readonly Outcome[]>,
  logger: Logger,
  earlierMayHaveCommitted = false,
): Promise<readonly Result[]> {
  const results = new Map<WaitingCommand, Result>();
  const decided = (some: readonly WaitingCommand[], theirs: readonly Result[]): void =>
    some.forEach((one, index) => results.set(one, theirs[index] ?? failedInternally));
  let left = waiting;
  let mayHaveCommitted = earlierMayHaveCommitted;
  for (let attempt = 0; left.length > 0; attempt += 1) {
    try {
      decided(left, await process(left.map(({ command }) => command)));
      break;
    } catch (error) {
      mayHaveCommitted ||= error instanceof CommitUnknownError;
      if (faultKindOf(error) === 'statement') {
        const [culprit] = left;
        if (left.length === 1 && culprit !== undefined) {
          reportCulprit(culprit, error, logger);
          // An earlier attempt may have got through: then this one's failure is no proof that nothing was changed.
          decided(left, [mayHaveCommitted ? outcomeUnknown : failedInternally]);
        } else {
          for (const half of halvesOf(left))
            decided(half, await runBatch(half, process, logger, mayHaveCommitted));
        }
        break;
      }
      // Once for a batch: it is tried twice a second for as long as its callers wait.
      logger[attempt === 0 ? 'warn' : 'debug'](
        { reason: messageOf(error), commands: left.length, attempt },
        'a batch failed and is decided again. When this repeats, see how PostgreSQL is',
      );
      const nowMs = performance.now();
      for (const one of left)
        if (one.patientUntilMs <= nowMs) results.set(one, mayHaveCommitted ? outcomeUnknown : unavailable);
      left = left.filter((one) => !results.has(one));
      if (left.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, retryDelaysMs[attempt] ?? 500));
    }
  }
  return waiting.map((one) => results.get(one) ?? failedInternally);
}

/**
 * Some of the accounts each, with all of their commands: a fault is most often an account's, and what commands lead to hangs
 * on those before them on the same account alone. Of one account, the earlier and the later ones.
 */
function halvesOf(waiting: readonly WaitingCommand[]): readonly (readonly WaitingCommand[])[] {
  const accounts = [...new Set(waiting.map(({ command }) => command.accountId))];
  if (accounts.length === 1) {
    const middle = Math.floor(waiting.length / 2);
    return [waiting.slice(0, middle), waiting.slice(middle)];
  }
  const first = new Set(accounts.slice(0, Math.floor(accounts.length / 2)));
  const isInFirst = ({ command }: WaitingCommand): boolean => first.has(command.accountId);
  return [waiting.filter(isInFirst), waiting.filter((one) => !isInFirst(one))];
}

const failedInternally: Failure = { type: 'failed', code: 'internal' };
const outcomeUnknown: Failure = { type: 'failed', code: 'outcome_unknown' };
const unavailable: Failure = { type: 'failed', code: 'unavailable' };

function reportCulprit({ command, span }: WaitingCommand, error: unknown, logger: Logger): void {
  const { id, kind, accountId } = command;
  logger.error(
    { err: error, commandId: id, kind, accountId, ...traceIdsOf(span) },
    'a command failed, which is a fault of ours; it may be sent again under the same id',
  );
}
