import type { Logger } from 'pino';
import type { BookQueries } from './book-queries.ts';
import { adviceFor } from './database-advice.ts';
import type { DatabaseAddress } from './session.ts';

const askEveryMs = 1_000;

/** While the database does not answer, the log says so this often. */
const repeatWarningMs = 5_000;

/** Whether the database answers, asked once a second: what `/readyz` of the ledger knows, and the log says. */
export class DatabaseWatch {
  readonly #queries: Pick<BookQueries, 'now'>;
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #problem: string | undefined;
  #warnedAtMs = -Infinity;

  constructor(queries: Pick<BookQueries, 'now'>, address: DatabaseAddress, logger: Logger) {
    this.#queries = queries;
    this.#address = address;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#ask(), askEveryMs);
  }

  missing(): string[] {
    return this.#problem === undefined ? [] : [`postgres: ${this.#problem}`];
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    try {
      await this.#queries.now();
      if (this.#problem !== undefined) this.#logger.info('Postgres answers again');
      this.#problem = undefined;
      this.#warnedAtMs = -Infinity;
    } catch (error) {
      this.#problem = adviceFor(error, this.#address) ?? String(error);
      if (performance.now() - this.#warnedAtMs < repeatWarningMs) return;
      this.#warnedAtMs = performance.now();
      this.#logger.warn(`${this.#problem}; trying again until it works`);
    }
  }
}
