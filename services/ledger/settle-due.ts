import { messageOf } from '../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import type { Span } from '../../shared/telemetry/tracing.ts';
import type { Lane, WorkSource } from './batching/lane.ts';
import { maxHoldsPerTurn, SettlePace, type CommandFlow } from './batching/settle-pace.ts';
import type { AccountId } from '../../shared/contracts/primitives.ts';
import { addMillis, microsOfSeconds, millisOf, type Micros } from './domain/time.ts';
import type { Books } from './process-batch.ts';
import { inSettleTransaction } from './store/batch-transaction.ts';
import type { LockedAccounts } from './store/locked-accounts.ts';
import { HoldSettler, holdsPerPart, type SettleOutcomes } from './settle-holds.ts';
import { faultKindOf, isLockTimeout } from './store/faults.ts';
import type { PickedRow } from './store/statements/pick-due-holds.ts';
import type { WriteConnection } from './store/write-connection.ts';

/** With so many holds stuck it is the account that is: then all others are left out with them. */
const maxStuckOfAccount = 3;

/** More than this many are no accident of single holds or accounts: then settling stands still until someone has looked. */
const maxStuck = 100;

/** Requests that wait: far more than settlers there are, each of which has a request or two under way. */
const maxWaiting = 8_192;

/** One turn follows another for so long before it is answered that more is left: the broker wants to hear of work under way. */
const answerAfterMs = 500;

/** How long to leave a ledger alone that is settling just now. */
const busyWaitMs = 25;

/** After a turn that failed before it had picked a hold: then it is no hold's fault. */
const brokenWaitMs = 1_000;

/**
 * A hold is made, or extended, at most this long before its batch is committed (see the session's time-outs), so once all holds due
 * by some time are settled, none that is due before this much earlier can turn up (unless a test clock jumps over its batch: the
 * next minute's turn begins anew).
 */
const lateCommitMs = 30_000;

/** Who wants what settled. */
export interface SettleDueRequest {
  /** Holds due at or before it; null is now, by the books' time. */
  readonly until: Micros | null;
  /** Look from the oldest hold on, whatever is believed about it. */
  readonly sweep: boolean;
  /** When it is sampled. */
  readonly span: Span | undefined;
  readonly answer: (answer: SettleDueAnswer) => void;
}

export type SettleDueAnswer =
  /** So many since it was asked. */
  | { readonly type: 'settled'; readonly settled: number; readonly more: boolean; readonly waitMs: number }
  /** Asked too early, by the books' time. */
  | { readonly type: 'too-early'; readonly notBefore: Micros; readonly waitMs: number }
  | { readonly type: 'failed'; readonly code: 'unavailable' }
  /** Too many requests wait; this one was not taken. */
  | { readonly type: 'overloaded' };

interface SettleDueOptions {
  readonly books: Books;
  /** Where the other half of a large turn is settled. */
  readonly secondConnection: WriteConnection;
  readonly lane: Lane;
  readonly logger: Logger;
  readonly commands: CommandFlow;
  readonly lockedAccounts: LockedAccounts;
  /** Begins what else is done once a minute. Commands and settlings don't wait for it. */
  readonly onSweep: () => void;
  readonly observe: SettleObserver;
  readonly observeRequest: SettleRequestObserver;
}

/** What a turn is about to settle, and who asked. */
export interface SettleTurn {
  readonly holds: readonly PickedRow[];
  readonly now: Micros;
  readonly askedBy: readonly Span[];
}

/** Wraps all that is done for requests that share a turn. */
export type SettleRequestObserver = <T>(askedBy: readonly Span[], work: () => Promise<T>) => Promise<T>;

/** Wraps the settling of the picked holds. */
export type SettleObserver = (
  turn: SettleTurn,
  work: () => Promise<SettleOutcomes>,
) => Promise<SettleOutcomes>;

interface TurnResult {
  readonly now: Micros;
  readonly settled: number;
  readonly more: boolean;
  readonly waitMs: number;
}

/** A request, and what was done for it so far. */
interface OpenRequest extends SettleDueRequest {
  readonly settled: number;
  /** By `performance.now()`. */
  readonly requestedAtMs: number;
}

/**
 * Settles what is due, a bounded turn at a time, until nothing is left or whoever asked should hear of it. Requests that
 * come together share a turn: they ask the same.
 */
export class SettleDueTurns implements WorkSource {
  readonly #options: SettleDueOptions;
  readonly #settler: HoldSettler;
  readonly #pace: SettlePace;
  #requests: OpenRequest[] = [];
  /** No pending hold is due before this, but of what was left out. A hint, forgotten at each sweep. */
  #oldestPending: Micros | null = null;
  /** Holds in the next turn; fewer after one that failed. */
  #maxHolds = maxHoldsPerTurn;
  /** Holds that could not be settled, and accounts of which too many could not; each sweep tries them again. */
  #stuck: readonly Pick<PickedRow, 'id' | 'account_id'>[] = [];
  #stuckAccounts: readonly AccountId[] = [];
  #picked: readonly PickedRow[] = [];

  constructor(options: SettleDueOptions) {
    this.#options = options;
    this.#settler = new HoldSettler(options);
    this.#pace = new SettlePace(options.commands);
    options.lane.add(this);
  }

  request(request: SettleDueRequest): void {
    if (this.#requests.length >= maxWaiting) {
      request.answer({ type: 'overloaded' });
      return;
    }
    this.#requests.push({ ...request, settled: 0, requestedAtMs: performance.now() });
    this.#options.lane.wake();
  }

  hasWork(): boolean {
    return this.#requests.length > 0;
  }

  async takeTurn(): Promise<() => void> {
    const requests = this.#requests;
    this.#requests = [];
    if (requests.some((request) => request.sweep)) {
      this.#oldestPending = null;
      this.#stuck = [];
      this.#stuckAccounts = [];
      this.#options.onSweep();
    }
    try {
      const askedBy = requests.flatMap(({ span }) => span ?? []);
      const turn = await this.#options.observeRequest(askedBy, () =>
        this.#settle(latestOf(requests), askedBy),
      );
      return this.#answersTo(requests, turn);
    } catch (error) {
      if (isLockTimeout(error))
        await this.#options.lockedAccounts.findHolders(this.#picked.map((hold) => hold.account_id));
      const waitMs = this.#waitAfter(error);
      return () => {
        for (const { settled, answer } of requests) {
          if (waitMs === undefined) answer({ type: 'failed', code: 'unavailable' });
          else answer({ type: 'settled', settled, more: true, waitMs });
        }
      };
    }
  }

  /** Those for whom another turn follows at once stay open. */
  #answersTo(requests: readonly OpenRequest[], { now, settled, more, waitMs }: TurnResult): () => void {
    const answers: (() => void)[] = [];
    const open: OpenRequest[] = [];
    const goesOn = more && waitMs === 0;
    const room = maxWaiting - this.#requests.length;
    for (const request of requests) {
      const { until, requestedAtMs, answer } = request;
      const settledForIt = request.settled + settled;
      if (until !== null && until > now) {
        const early = Math.ceil(millisOf(until - now));
        answers.push(() => answer({ type: 'too-early', notBefore: until, waitMs: early }));
      } else if (goesOn && performance.now() - requestedAtMs < answerAfterMs && open.length < room) {
        open.push({ ...request, sweep: false, settled: settledForIt });
      } else {
        answers.push(() => answer({ type: 'settled', settled: settledForIt, more, waitMs }));
      }
    }
    this.#requests.unshift(...open);
    return () => {
      for (const tell of answers) tell();
    };
  }

  async #settle(until: Micros | null, askedBy: readonly Span[]): Promise<TurnResult> {
    const { books, lockedAccounts, observe } = this.#options;
    const pace = this.#pace.next();
    const limit = Math.min(this.#maxHolds, pace.maxHolds);
    const except = this.#stuck.map(({ id }) => id);
    const exceptAccounts = [...this.#stuckAccounts, ...lockedAccounts.ids()];
    const due = { from: this.#oldestPending, until, limit, except, exceptAccounts };
    this.#picked = [];
    return inSettleTransaction(books.connection, due, async (pick, load) => {
      const { claimed, now } = pick;
      if (!claimed) return { now, settled: 0, more: true, waitMs: busyWaitMs };
      if (!lockedAccounts.isEmpty) await lockedAccounts.lookAhead(pick.holds.map((hold) => hold.account_id));
      const taken = pace.mayGoOn() ? pick.holds : pick.holds.slice(0, holdsPerPart);
      const holds = taken.filter((hold) => !lockedAccounts.has(hold.account_id));
      this.#picked = holds;
      let outcomes: SettleOutcomes = new Map();
      if (holds.length > 0) {
        outcomes = await observe({ holds, now, askedBy }, () =>
          this.#settler.settle(holds, { load, mayGoOn: pace.mayGoOn, mayShare: pace.isQuiet }),
        );
      }
      const isSettled = ({ id }: PickedRow) => outcomes.get(id)?.type === 'applied';
      const more = pick.holds.length === limit || outcomes.size < pick.holds.length;
      const oldestLeft = pick.holds.find((hold) => !isSettled(hold));
      this.#oldestPending = oldestAfter(oldestLeft ?? (more ? pick.holds.at(-1) : undefined), until, now);
      this.#maxHolds = maxHoldsPerTurn;
      pace.done();
      return { now, settled: pick.holds.filter(isSettled).length, more, waitMs: 0 };
    });
  }

  /**
   * A turn that fails for want of the database is asked for again. One that fails for any other reason is tried with
   * fewer holds, down to one; that one is then left out, so that it can't keep the others from being settled, and with the
   * third of an account all of that account's are.
   *
   * @returns how long to wait before it is tried with fewer, in milliseconds; undefined for want of the database.
   */
  #waitAfter(error: unknown): number | undefined {
    const { logger } = this.#options;
    if (faultKindOf(error) !== 'statement') {
      logger.warn(
        { reason: messageOf(error) },
        'a settle turn failed; it will be asked for again. When this repeats, see how PostgreSQL is',
      );
      return undefined;
    }
    if (this.#picked.length === 0) {
      logger.error(
        { err: error },
        'due holds could not be looked for; it is tried again every second. Mend what the error names',
      );
      return brokenWaitMs;
    }
    const [only] = this.#picked;
    const stuck = this.#stuck.length + this.#stuckAccounts.length;
    if (only !== undefined && this.#picked.length === 1 && stuck < maxStuck) {
      const isAccountLeftOut = this.#leaveOut(only);
      const staying = isAccountLeftOut ? 'with this third one all of its account stay' : 'it stays';
      logger.error(
        { err: error, holdId: only.id, accountId: only.account_id },
        `a hold could not be settled: ${staying} pending, and the next minute’s turn tries again. Mend what the error names`,
      );
    } else {
      logger.error(
        { err: error, holds: this.#picked.length },
        'due holds could not be settled; fewer are tried next, to find the one that can’t be',
      );
    }
    this.#maxHolds = Math.max(1, Math.floor(this.#picked.length / 8));
    return busyWaitMs;
  }

  /** @returns whether all of its account's holds are left out now. */
  #leaveOut(hold: PickedRow): boolean {
    const { account_id: accountId } = hold;
    const stuck = [...this.#stuck, hold];
    const ofOthers = stuck.filter((each) => each.account_id !== accountId);
    const isAccount = stuck.length - ofOthers.length >= maxStuckOfAccount;
    this.#stuck = isAccount ? ofOthers : stuck;
    if (isAccount) this.#stuckAccounts = [...this.#stuckAccounts, accountId];
    return isAccount;
  }
}

/** The latest time asked for; null, which is now, is later than any that may be asked. */
function latestOf(requests: readonly SettleDueRequest[]): Micros | null {
  let latest: Micros | null = microsOfSeconds(0);
  for (const { until } of requests) {
    if (until === null) return null;
    if (until > latest) latest = until;
  }
  return latest;
}

/** @param oldest no hold that is due before this one is left. */
function oldestAfter(oldest: PickedRow | undefined, until: Micros | null, now: Micros): Micros {
  const asked = until === null || until > now ? now : until;
  return Math.min(oldest?.due_at ?? asked, addMillis(now, -lateCommitMs)) as Micros;
}
