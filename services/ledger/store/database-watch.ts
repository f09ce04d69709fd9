import type { Logger } from 'pino';
import type { BookQueries } from './book-queries.ts';
import { adviceFor } from './database-advice.ts';
import type { DatabaseAddress } from './session.ts';

const askEveryMs = 1_000;

/** An answer counts this long: one question may be lost, two may not. A frozen server fails none, it just says nothing. */
const answerCountsMs = 2_500;

/** While the database does not answer, the log says so this often. */
const repeatWarningMs = 5_000;

/** Whether the database answers, asked once a second: what `/readyz` of the ledger knows, and the log says. */
export class DatabaseWatch {
  readonly #queries: Pick<BookQueries, 'now'>;
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #answeredAtMs = performance.now();
  /** The latest question whose fate is known, by when it was asked, and what went wrong with it. */
  #latest: { readonly askedAtMs: number; readonly problem?: string } = { askedAtMs: this.#answeredAtMs };
  /** Undefined while all is well. */
  #warnedAtMs: number | undefined;

  constructor(queries: Pick<BookQueries, 'now'>, address: DatabaseAddress, logger: Logger) {
    this.#queries = queries;
    this.#address = address;
    this.#logger = logger;
    this.#timer = setInterval(() => {
      this.#tell();
      void this.#ask();
    }, askEveryMs);
  }

  missing(): string[] {
    const problem = this.#problem();
    return problem === undefined ? [] : [`postgres: ${problem}`];
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #problem(): string | undefined {
    if (this.#latest.problem !== undefined) return this.#latest.problem;
    const silentMs = performance.now() - this.#answeredAtMs;
    const { host, port } = this.#address;
    return silentMs > answerCountsMs ? `Postgres at ${host}:${port} does not answer` : undefined;
  }

  async #ask(): Promise<void> {
    const askedAtMs = performance.now();
    try {
      await this.#queries.now();
      this.#answeredAtMs = performance.now();
      this.#learn({ askedAtMs });
    } catch (error) {
      this.#learn({ askedAtMs, problem: adviceFor(error, this.#address) ?? String(error) });
    }
    this.#tell();
  }

  /** What an older question led to is no news once a younger one has been answered. */
  #learn(outcome: { readonly askedAtMs: number; readonly problem?: string }): void {
    if (outcome.askedAtMs >= this.#latest.askedAtMs) this.#latest = outcome;
  }

  #tell(): void {
    const problem = this.#problem();
    if (problem === undefined) {
      if (this.#warnedAtMs !== undefined) this.#logger.info('Postgres answers again');
      this.#warnedAtMs = undefined;
      return;
    }
    const now = performance.now();
    if (this.#warnedAtMs !== undefined && now - this.#warnedAtMs < repeatWarningMs) return;
    this.#warnedAtMs = now;
    this.#logger.warn(`${problem}; trying again until it works`);
  }
}
