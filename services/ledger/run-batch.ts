import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { traceIdsOf, type Span } from '../../shared/telemetry/tracing.ts';
import type { AccountId } from '../../shared/contracts/primitives.ts';
import { accountsOf, type Command } from './domain/commands.ts';
import type { Outcome } from './domain/execute-batch.ts';
import type { LockedAccounts } from './store/locked-accounts.ts';
import { CommitUnknownError, faultKindOf, isLockTimeout, isServersFault } from './store/faults.ts';

/** A command that a fault kept from being decided, or whose fate is not known. */
export interface Failure {
  readonly type: 'failed';
  readonly code: 'internal' | 'unavailable' | 'outcome_unknown';
  /** Somebody else keeps its account locked. */
  readonly isAccountLocked?: true;
}

/** A command that waits for its turn. Times are by `performance.now()`. */
export interface WaitingCommand {
  readonly command: Command;
  readonly queuedAtMs: number;
  /** By then its caller has given up, so there is no point in trying on. */
  readonly giveUpAtMs: number;
  /** When it is sampled. */
  readonly span?: Span | undefined;
}

/** Pauses before the first few further attempts; then they stay as long. */
const firstRetryDelaysMs = [20, 50, 100, 200, 400] as const;
const laterRetryDelayMs = 500;

/** What became of a command. */
type Result = Outcome | Failure;
type Results = Map<WaitingCommand, Result>;

type Process = (commands: readonly Command[]) => Promise<readonly Outcome[]>;

/** What runs batches. */
export interface BatchRunner {
  readonly process: Process;
  readonly lockedAccounts: LockedAccounts;
  readonly logger: Logger;
}

/**
 * Processes a batch, come what may: every command gets an outcome or a failure.
 *
 * - A lost connection or a passing refusal of the server: the batch is decided again. If its COMMIT had gone through
 *   after all, the journal answers for it.
 * - An account that somebody else keeps locked: its commands fail, so that the others need not wait.
 * - Any other fault: the commands are decided in halves, and these in halves, until only the culprit fails. That takes twice
 *   the logarithm of their number in transactions; when all of them fail, twice their number. Where the server is at fault, its
 *   disk for one, they may be sent again.
 *
 * @param earlierMayHaveCommitted whether an earlier attempt at these commands may have got through.
 */
export async function runBatch(
  waiting: readonly WaitingCommand[],
  runner: BatchRunner,
  earlierMayHaveCommitted = false,
): Promise<readonly Result[]> {
  const { process, lockedAccounts, logger } = runner;
  const results: Results = new Map();
  let left = waiting;
  let mayHaveCommitted = earlierMayHaveCommitted;
  const isOfLockedAccount = ({ command }: WaitingCommand): boolean =>
    accountsOf([command]).some((id) => lockedAccounts.has(id));
  /** Where an attempt may have got through, no failure is a proof that nothing was changed. */
  const giveUp = (isHopeless: (each: WaitingCommand) => boolean, failure: Failure): void => {
    const hopeless = left.filter(isHopeless);
    if (hopeless.length === 0) return;
    for (const each of hopeless) results.set(each, mayHaveCommitted ? outcomeUnknown : failure);
    left = left.filter((each) => !results.has(each));
  };
  for (let attempt = 0; left.length > 0; attempt += 1) {
    if (!lockedAccounts.isEmpty) {
      await lockedAccounts.lookAhead(accountsOf(commandsOf(left)));
      giveUp(isOfLockedAccount, accountLocked);
      if (left.length === 0) break;
    }
    try {
      record(results, left, await process(commandsOf(left)));
      break;
    } catch (error) {
      mayHaveCommitted ||= error instanceof CommitUnknownError;
      if (faultKindOf(error) === 'statement') {
        record(results, left, await isolateCulprit(left, error, runner, mayHaveCommitted));
        break;
      }
      // Once for a batch: it is tried twice a second for as long as its callers wait.
      logger[attempt === 0 ? 'warn' : 'debug'](
        { reason: messageOf(error), commands: left.length, attempt },
        'a batch failed and is decided again. When this repeats, see how PostgreSQL is',
      );
      if (isLockTimeout(error)) {
        await lockedAccounts.findHolders(accountsOf(commandsOf(left)));
        giveUp(isOfLockedAccount, accountLocked);
      }
      const nowMs = performance.now();
      giveUp(({ giveUpAtMs }) => giveUpAtMs <= nowMs, unavailable);
      if (left.length === 0) break;
      await delay(firstRetryDelaysMs[attempt] ?? laterRetryDelayMs);
    }
  }
  return inOrder(waiting, results);
}

/**
 * Decides the commands of a batch in halves, and these in halves, after a fault that trying again would not mend: the command
 * that causes it fails alone. A batch of one has found it.
 */
async function isolateCulprit(
  waiting: readonly WaitingCommand[],
  error: unknown,
  runner: BatchRunner,
  mayHaveCommitted: boolean,
): Promise<readonly Result[]> {
  const [only] = waiting;
  if (only !== undefined && waiting.length === 1) {
    // An earlier attempt may have got through: then this one's failure is no proof that nothing was changed.
    if (mayHaveCommitted) return [outcomeUnknown];
    // No command is to blame for it, and there may be thousands: what is wrong is said by the watch over the database.
    if (isServersFault(error)) return [unavailable];
    reportCulprit(only, error, runner.logger);
    return [failedInternally];
  }
  const results: Results = new Map();
  for (const half of halvesOf(waiting)) record(results, half, await runBatch(half, runner, mayHaveCommitted));
  return inOrder(waiting, results);
}

function commandsOf(waiting: readonly WaitingCommand[]): Command[] {
  return waiting.map(({ command }) => command);
}

function record(results: Results, some: readonly WaitingCommand[], theirs: readonly Result[]): void {
  some.forEach((each, index) => results.set(each, theirs[index] ?? failedInternally));
}

function inOrder(waiting: readonly WaitingCommand[], results: Results): readonly Result[] {
  return waiting.map((each) => results.get(each) ?? failedInternally);
}

/**
 * Some of the accounts each, with all of their commands: a fault is most often an account's, and what commands lead to hangs
 * on those before them on the same accounts alone. Accounts between which something is transferred stay together. Of one account,
 * or some that hang together, the earlier and the later commands.
 */
function halvesOf(waiting: readonly WaitingCommand[]): readonly (readonly WaitingCommand[])[] {
  const groupOf = groupAccounts(commandsOf(waiting));
  const groups = [...new Set(waiting.map(({ command }) => groupOf(command.accountId)))];
  if (groups.length === 1) {
    const middle = Math.floor(waiting.length / 2);
    return [waiting.slice(0, middle), waiting.slice(middle)];
  }
  const first = new Set(groups.slice(0, Math.floor(groups.length / 2)));
  const isInFirst = ({ command }: WaitingCommand): boolean => first.has(groupOf(command.accountId));
  return [waiting.filter(isInFirst), waiting.filter((one) => !isInFirst(one))];
}

/** @returns one account for each group of accounts that transfers tie together. */
function groupAccounts(commands: readonly Command[]): (id: AccountId) => AccountId {
  const tiedTo = new Map<AccountId, AccountId>();
  const groupOf = (id: AccountId): AccountId => {
    let group = id;
    for (let next = tiedTo.get(group); next !== undefined; next = tiedTo.get(group)) group = next;
    return group;
  };
  for (const command of commands) {
    if (command.kind !== 'transfer') continue;
    const [from, to] = [groupOf(command.accountId), groupOf(command.toAccountId)];
    if (from !== to) tiedTo.set(to, from);
  }
  return groupOf;
}

const failedInternally: Failure = { type: 'failed', code: 'internal' };
const outcomeUnknown: Failure = { type: 'failed', code: 'outcome_unknown' };
const unavailable: Failure = { type: 'failed', code: 'unavailable' };
const accountLocked: Failure = { ...unavailable, isAccountLocked: true };

function reportCulprit({ command, span }: WaitingCommand, error: unknown, logger: Logger): void {
  const { id, kind, accountId } = command;
  logger.error(
    { err: error, commandId: id, kind, accountId, ...traceIdsOf(span) },
    'a command failed, which is a fault of ours; it may be sent again under the same id',
  );
}
