import { messageOf } from '../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import type { AccountId, HoldId } from '../../shared/contracts/primitives.ts';
import type { Command } from './domain/commands.ts';
import { executeBatch, type BatchState, type Outcome } from './domain/execute-batch.ts';
import { settleCommandIdFor } from './domain/hold.ts';
import type { SendableMessage } from './outbox/messages.ts';
import { saveAndPublish, type Books } from './process-batch.ts';
import { inShareTransaction, type BatchTransaction, type LoadWhile } from './store/batch-transaction.ts';
import { faultKindOf, isLockTimeout } from './store/faults.ts';
import type { LockedAccounts } from './store/locked-accounts.ts';
import type { PickedRow } from './store/statements/pick-due-holds.ts';
import type { FilledChanges } from './store/statements/write-changes.ts';
import type { WriteConnection } from './store/write-connection.ts';

/** Holds decided at a time. Postgres writes one part while the next is decided, which takes either some milliseconds. */
export const holdsPerPart = 128;

/** With fewer holds in all, or in one of the shares, a second transaction costs more than it gives. */
const minHoldsToShare = 4 * holdsPerPart;
const minHoldsInShare = holdsPerPart;

/** How long settling goes on with one connection when the second fails, or can't be made. */
const shareAgainMs = 60_000;

/** What became of picked holds. Those without an outcome are left as they were. */
export type SettleOutcomes = ReadonlyMap<HoldId, Outcome>;

interface HoldSettlerOptions {
  readonly books: Books;
  readonly secondConnection: WriteConnection;
  readonly lockedAccounts: LockedAccounts;
  readonly logger: Logger;
}

/** How picked holds are to be settled. */
interface SettleOrder {
  /** Loads holds in the transaction that picked them. */
  readonly load: LoadWhile;
  /** Asked before each part but the first: when it may not, that part and what follows are left. */
  readonly mayGoOn: () => boolean;
  /** No commands come in here, so there is a processor to spare. */
  readonly mayShare: boolean;
}

/**
 * Settles picked holds, either all in the transaction that picked them or some of the accounts in a second one, at the
 * same time: what Postgres does takes longest, and one connection has one processor do it.
 */
export class HoldSettler {
  readonly #options: HoldSettlerOptions;
  /** By `performance.now()`. */
  #shareAgainAt = 0;

  constructor(options: HoldSettlerOptions) {
    this.#options = options;
  }

  /**
   * What the second transaction can't settle is left.
   *
   * @throws when the one that picked them fails. What the second has settled by then stays settled, and nobody counts it.
   */
  async settle(
    holds: readonly PickedRow[],
    { load, mayGoOn, mayShare }: SettleOrder,
  ): Promise<SettleOutcomes> {
    const { books } = this.#options;
    const shares = mayShare ? sharesOf(holds) : undefined;
    const [first, second] = shares !== undefined && this.#secondIsReady() ? shares : [holds, []];
    const beside = second.length === 0 ? Promise.resolve([]) : this.#settleBeside(second, mayGoOn);
    try {
      const settled = await settleShare(first, load, books, { mayGoOn, deletesSent: true });
      return new Map([...settled, ...(await beside)]);
    } finally {
      // Come what may: the next turn may want its connection.
      await beside;
    }
  }

  /** No turn waits for a connection: when there is none, one is made meanwhile, for later turns. */
  #secondIsReady(): boolean {
    const { secondConnection } = this.#options;
    const now = performance.now();
    if (now < this.#shareAgainAt) return false;
    if (secondConnection.isOpen()) return true;
    this.#shareAgainAt = now + shareAgainMs;
    void this.#connectSecond();
    return false;
  }

  async #connectSecond(): Promise<void> {
    try {
      await this.#options.secondConnection.session();
      this.#shareAgainAt = 0;
    } catch (error) {
      this.#doWithoutSecond(error);
    }
  }

  async #settleBeside(holds: readonly PickedRow[], mayGoOn: () => boolean): Promise<SettledHold[]> {
    const { books, secondConnection, lockedAccounts, logger } = this.#options;
    try {
      return await inShareTransaction(secondConnection, (load) =>
        settleShare(holds, load, books, { mayGoOn, deletesSent: false }),
      );
    } catch (error) {
      if (isLockTimeout(error)) {
        await lockedAccounts.findHolders(holds.map((hold) => hold.account_id));
        return [];
      }
      if (faultKindOf(error) === 'statement') {
        // Their next turn has one connection: a fault that is theirs is found there.
        logger.error(
          { err: error, holds: holds.length },
          'a share of due holds could not be settled; they are tried once more, without a second connection',
        );
      }
      this.#doWithoutSecond(error);
      return [];
    }
  }

  #doWithoutSecond(error: unknown): void {
    this.#shareAgainAt = performance.now() + shareAgainMs;
    this.#options.logger.warn(
      { reason: messageOf(error) },
      'due holds are settled on one connection for a minute, since the second failed. When this repeats, see how PostgreSQL is',
    );
  }
}

type SettledHold = readonly [HoldId, Outcome];

/** How the holds of one transaction are settled. */
interface ShareOrder {
  readonly mayGoOn: () => boolean;
  /** As for {@link saveAndPublish}. */
  readonly deletesSent: boolean;
}

async function settleShare(
  holds: readonly PickedRow[],
  load: LoadWhile,
  books: Books,
  order: ShareOrder,
): Promise<SettledHold[]> {
  const [transaction, commands] = await load(holds, () => settleCommands(holds));
  const outcomes = await settleInParts(commands, transaction, books, order);
  return outcomes.flatMap((outcome, index) => {
    const hold = holds[index];
    return hold === undefined ? [] : [[hold.id, outcome] as const];
  });
}

/** What settlings that were decided together change, and what the next ones are decided on. */
interface DecidedPart {
  readonly changes: FilledChanges;
  readonly after: BatchState;
}

/**
 * Decides settlings some at a time, so that Postgres writes what one part changes while the next is decided. Not for
 * commands: after several writes COMMIT may come later than new holds allow (`nearMicros`, `lateCommitMs`).
 *
 * @returns one outcome per settling, in order, up to where it went on.
 */
async function settleInParts(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
  { mayGoOn, deletesSent }: ShareOrder,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  // All parts are told of by one row of the outbox.
  const messagesSoFar = () => outbox.messagesFor(commands, outcomes, [], transaction.state.now);
  let messages: readonly SendableMessage[] | undefined;
  const decideNext = (state: BatchState): DecidedPart => {
    const next = commands.slice(outcomes.length, outcomes.length + holdsPerPart);
    const decided = executeBatch(next, state, holdPeriodMs);
    outcomes.push(...decided.outcomes);
    // Here, as Postgres may be writing meanwhile.
    if (outcomes.length === commands.length) messages = messagesSoFar();
    return { changes: transaction.fill(decided.changes), after: decided.after };
  };

  let part = decideNext(transaction.state);
  while (outcomes.length < commands.length && mayGoOn()) {
    const { changes, after } = part;
    part = await transaction.writeWhile(changes, () => decideNext(after));
  }
  await saveAndPublish(transaction, outbox, {
    changes: part.changes,
    messages: messages ?? messagesSoFar(),
    deletesSent,
  });
  return outcomes;
}

function settleCommands(holds: readonly PickedRow[]): Command[] {
  return holds.map((hold) => ({
    kind: 'end-due-hold',
    id: settleCommandIdFor(hold.id),
    accountId: hold.account_id,
    holdId: hold.id,
    deadline: null,
    traceparent: null,
    unattended: false,
  }));
}

/** Two shares, when it is worth two. No account has holds in both, so neither transaction waits for the other. */
function sharesOf(
  holds: readonly PickedRow[],
): readonly [readonly PickedRow[], readonly PickedRow[]] | undefined {
  if (holds.length < minHoldsToShare) return undefined;
  const first: PickedRow[] = [];
  const second: PickedRow[] = [];
  const shareOf = new Map<AccountId, PickedRow[]>();
  for (const hold of holds) {
    let share = shareOf.get(hold.account_id);
    if (share === undefined) {
      share = second.length < first.length ? second : first;
      shareOf.set(hold.account_id, share);
    }
    share.push(hold);
  }
  return Math.min(first.length, second.length) < minHoldsInShare ? undefined : [first, second];
}
