import type { Logger } from 'pino';
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
  readonly since: number;
  /** By `performance.now()`; after this the caller has given up, so there is no point in trying on. */
  readonly patientUntil: number;
  /** When it is sampled. */
  readonly span?: Span | undefined;
}

const retryDelaysMs = [20, 50, 100, 200, 400] as const;

/**
 * Processes a batch, come what may: every command gets an outcome or a failure.
 *
 * - A lost connection or a passing refusal of the server: the batch is decided again. If its COMMIT had gone through
 *   after all, the journal answers for it.
 * - Any other fault: the commands are decided one at a time, and only the culprit fails.
 */
export async function runBatch(
  waiting: readonly WaitingCommand[],
  process: (commands: readonly Command[]) => Promise<readonly Outcome[]>,
  logger: Logger,
): Promise<readonly (Outcome | Failure)[]> {
  return decideAgain(waiting, process, logger, false);
}

/** @param commitUnknown whether an earlier attempt at these commands may have got through. */
async function decideAgain(
  waiting: readonly WaitingCommand[],
  process: (commands: readonly Command[]) => Promise<readonly Outcome[]>,
  logger: Logger,
  commitUnknown: boolean,
): Promise<readonly (Outcome | Failure)[]> {
  const results: (Outcome | Failure | undefined)[] = waiting.map(() => undefined);
  let left = waiting.map((_, index) => index);
  let mayHaveCommitted = commitUnknown;
  for (let attempt = 0; left.length > 0; attempt += 1) {
    try {
      const outcomes = await process(commandsAt(waiting, left));
      left.forEach((index, position) => {
        results[index] = outcomes[position];
      });
      break;
    } catch (error) {
      mayHaveCommitted ||= error instanceof CommitUnknownError;
      if (faultKindOf(error) === 'statement') {
        await oneByOne(waiting, left, results, process, { error, mayHaveCommitted }, logger);
        break;
      }
      // Once for a batch: it is tried twice a second for as long as its callers wait.
      logger[attempt === 0 ? 'warn' : 'debug'](
        { error: String(error), commands: left.length, attempt },
        'a batch failed and is decided again. When this repeats, see how PostgreSQL is',
      );
      const code = mayHaveCommitted ? 'outcome_unknown' : 'unavailable';
      const now = performance.now();
      for (const index of left) {
        if ((waiting[index]?.patientUntil ?? 0) <= now) results[index] = { type: 'failed', code };
      }
      left = left.filter((index) => results[index] === undefined);
      if (left.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, retryDelaysMs[attempt] ?? 500));
    }
  }
  return results.map((result) => result ?? { type: 'failed', code: 'internal' });
}

async function oneByOne(
  waiting: readonly WaitingCommand[],
  left: readonly number[],
  results: (Outcome | Failure | undefined)[],
  process: (commands: readonly Command[]) => Promise<readonly Outcome[]>,
  { error, mayHaveCommitted }: { readonly error: unknown; readonly mayHaveCommitted: boolean },
  logger: Logger,
): Promise<void> {
  const [only, ...others] = left;
  if (only !== undefined && others.length === 0) {
    const { id, kind, accountId } = waiting[only]?.command ?? {};
    logger.error(
      { err: error, commandId: id, kind, accountId, ...traceIdsOf(waiting[only]?.span) },
      'a command failed, which is a fault of ours; it may be sent again under the same id',
    );
    // An earlier attempt may have got through: then this one's failure is no proof that nothing was changed.
    results[only] = { type: 'failed', code: mayHaveCommitted ? 'outcome_unknown' : 'internal' };
    return;
  }
  for (const index of left) {
    const one = waiting[index];
    if (one !== undefined) [results[index]] = await decideAgain([one], process, logger, mayHaveCommitted);
  }
}

function commandsAt(waiting: readonly WaitingCommand[], indices: readonly number[]): Command[] {
  return indices.flatMap((index) => waiting[index]?.command ?? []);
}
