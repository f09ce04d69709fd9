import type { BookQueries } from './book-queries.ts';

const askEveryMs = 1_000;

/** Whether the database answers, asked once a second: what `/readyz` of the ledger knows. */
export class DatabaseWatch {
  readonly #queries: BookQueries;
  readonly #timer: NodeJS.Timeout;
  #problem: string | undefined;

  constructor(queries: BookQueries) {
    this.#queries = queries;
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
      this.#problem = undefined;
    } catch (error) {
      this.#problem = String(error);
    }
  }
}
