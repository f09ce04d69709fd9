import { setTimeout as delay } from 'node:timers/promises';
import type { CommandId } from '../../shared/contracts/primitives.ts';
import type { Micros } from './domain/time.ts';
import type { SettleDueAnswer, SettleDueTurns } from './settle-due.ts';
import type { BookQueries } from './store/book-queries.ts';
import type { ClockMove, TestClockTable } from './store/test-clock-table.ts';

/** What is due is settled for so long before it is answered that more is left: less than a caller waits for one attempt. */
const settleForMs = 1_000;

/** How long to leave alone what could not be settled just now, such as the holds of an account that somebody keeps locked. */
const leftWaitMs = 100;

/** What became of a command to move the clock. */
export type AdvanceAnswer =
  | {
      readonly type: 'advanced';
      /** It had been moved for this command before. */
      readonly replayed: boolean;
      readonly now: Micros;
      /** Not all holds that are due by then have ended. */
      readonly more: boolean;
    }
  | { readonly type: Extract<ClockMove, 'conflict' | 'too-far'> };

interface TestClockOptions {
  readonly table: TestClockTable;
  readonly settleDue: Pick<SettleDueTurns, 'request'>;
  readonly queries: Pick<BookQueries, 'now'>;
}

/** A clock that people who build on Holdfast move forward, to see what time brings. */
export class TestClock {
  readonly #options: TestClockOptions;

  constructor(options: TestClockOptions) {
    this.#options = options;
  }

  /**
   * Moves the books' time forward by so many seconds, once for each id, and ends the holds that are due then.
   *
   * @throws when the database can't be asked; the clock may be moved then, and the same id moves it no further.
   */
  async advance(id: CommandId, seconds: number): Promise<AdvanceAnswer> {
    const { table, queries } = this.#options;
    const move = seconds === 0 ? 'moved' : await table.move(id, seconds);
    if (move === 'conflict' || move === 'too-far') return { type: move };
    // Before what is due is settled: that is by a later time, so no hold that is due by this one is passed over.
    const { now } = await queries.now();
    return { type: 'advanced', replayed: move === 'repeated', now, more: await this.#isAnyLeft(now) };
  }

  async #isAnyLeft(dueBy: Micros): Promise<boolean> {
    const untilMs = performance.now() + settleForMs;
    for (let sweep = true; ;) {
      const answer = await this.#settle(sweep);
      const goesOn = answer.type === 'settled' && answer.more;
      if (!goesOn && !(await this.#options.table.isAnyLeft(dueBy))) return false;
      const waitMs = goesOn ? answer.waitMs : leftWaitMs;
      if (performance.now() + waitMs > untilMs) return true;
      await delay(waitMs);
      sweep = !goesOn;
    }
  }

  #settle(sweep: boolean): Promise<SettleDueAnswer> {
    return new Promise((answer) =>
      this.#options.settleDue.request({ until: null, sweep, span: undefined, answer }),
    );
  }
}
