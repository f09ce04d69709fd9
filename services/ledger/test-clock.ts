import { setTimeout as delay } from 'node:timers/promises';
import type { CommandId } from '../../shared/contracts/primitives.ts';
import type { Micros } from './domain/time.ts';
import type { SettleDueAnswer, SettleDueTurns } from './settle-due.ts';
import type { BookQueries } from './store/book-queries.ts';
import type { TestClockRow } from './store/test-clock.ts';

/** What is due is settled for so long before it is answered that more is left: less than a caller waits for one attempt. */
const settleForMs = 1_000;

/** What became of a command to move the clock. */
export type AdvanceAnswer =
  | { readonly type: 'advanced'; readonly now: Micros; readonly more: boolean }
  /** It would be farther ahead than it may. */
  | { readonly type: 'too-far' }
  | Extract<SettleDueAnswer, { type: 'failed' | 'overloaded' }>;

interface TestClockOptions {
  readonly row: TestClockRow;
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
    const { row, queries } = this.#options;
    if (seconds > 0 && !(await row.advance(id, seconds))) return { type: 'too-far' };
    const answer = await this.#settleWhatIsDue();
    if (answer.type !== 'settled') return answer;
    const { now } = await queries.now();
    return { type: 'advanced', now, more: answer.more };
  }

  async #settleWhatIsDue(): Promise<Extract<SettleDueAnswer, { type: 'settled' | 'failed' | 'overloaded' }>> {
    const untilMs = performance.now() + settleForMs;
    for (let sweep = true; ; sweep = false) {
      const answer = await this.#settleOnce(sweep);
      if (answer.type === 'too-early') throw new Error('what is due now was asked for too early');
      if (answer.type !== 'settled') return answer;
      if (!answer.more || performance.now() + answer.waitMs > untilMs) return answer;
      await delay(answer.waitMs);
    }
  }

  #settleOnce(sweep: boolean): Promise<SettleDueAnswer> {
    return new Promise((answer) =>
      this.#options.settleDue.request({ until: null, sweep, span: undefined, answer }),
    );
  }
}
