import { querySubject } from '../../contracts/subjects.ts';
import type { QueryAnswer } from '../../contracts/queries.ts';
import { LedgerClock } from './ledger-clock.ts';

/** How often the ledger is asked whether it could serve, and for its time. */
const pingEveryMs = 1_000;

/** Until the first answer commands wait, so it is asked more often. */
const firstPingsEveryMs = 100;

/** A ping without an answer for this long is lost; shorter than the period, so that at most one is under way. */
export const pingDeadlineMs = 900;

/** An answer counts this long: one ping may be lost, two may not. */
const answerCountsMs = 2_500;

/** Asks the ledger once a second whether a command could be served, and keeps its answer and its time. */
export class LedgerWatch {
  readonly #ping: () => Promise<QueryAnswer<'ping'>>;
  readonly #isConnected: () => boolean;
  readonly #clock = new LedgerClock();
  #timer: NodeJS.Timeout | undefined;
  #answeredAtMs = -Infinity;
  #clockAheadMs = 0;
  #problem = 'No answer yet.';
  #stopped = false;

  constructor(ping: () => Promise<QueryAnswer<'ping'>>, isConnected: () => boolean) {
    this.#ping = ping;
    this.#isConnected = isConnected;
    void this.#turn();
  }

  /** The ledger's time at a `performance.now()`, in ms since 1970; undefined until it has told it. */
  ledgerTimeAt(ownMs: number): number | undefined {
    return this.#clock.at(ownMs);
  }

  /** What the books go by at a `performance.now()`: as {@link ledgerTimeAt}, and as far ahead as the test clock was moved. */
  booksTimeAt(ownMs: number): number | undefined {
    const ledgerMs = this.#clock.at(ownMs);
    return ledgerMs === undefined ? undefined : ledgerMs + this.#clockAheadMs;
  }

  isClockMoved(): boolean {
    return this.#clockAheadMs > 0;
  }

  /** What is missing for a command to be served, in words for people; empty when nothing is. */
  missing(): string[] {
    if (!this.#isConnected()) return ['nats: not connected'];
    if (performance.now() - this.#answeredAtMs <= answerCountsMs) return [];
    return [`ledger: no good answer on ${querySubject('ping')}: ${this.#problem}`];
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Never rejects: the answer is a value, whatever happened. */
  async #turn(): Promise<void> {
    const askedAtMs = performance.now();
    const answer = await this.#ping();
    const heardAtMs = performance.now();
    if (answer.ok) {
      this.#clock.observe({ askedAtMs, heardAtMs, ledgerNowMs: answer.now });
      this.#clockAheadMs = answer.clockAheadMs ?? 0;
      this.#answeredAtMs = heardAtMs;
      this.#problem = 'No answer came in time.';
    } else {
      this.#problem = answer.error.detail;
    }
    if (this.#stopped) return;
    const known = this.#clock.at(heardAtMs) !== undefined;
    const pauseMs = (known ? pingEveryMs : firstPingsEveryMs) - (heardAtMs - askedAtMs);
    this.#timer = setTimeout(() => void this.#turn(), Math.max(pauseMs, 0));
  }
}
