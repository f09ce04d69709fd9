import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { BookQueries } from './book-queries.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { adviceFor } from './database-advice.ts';
import { isOutOfRoom, isReadOnly, isServersFault } from './faults.ts';
import type { DatabaseAddress } from './session.ts';

const askEveryMs = 1_000;

/** An answer counts this long: one question may be lost, two may not. A frozen server fails none, it just says nothing. */
const answerCountsMs = 2_500;

/** Past this a batch is not waiting for a lock any more, but for a server that says nothing. */
const noAnswerMs = 5_000;

/** A batch that could not be written counts this long; then the next command may find out. */
const noWriteCountsMs = 5_000;

/** While the database does not answer, the log says so this often. */
const repeatWarningMs = 5_000;

/**
 * Whether the database answers, asked once a second, and takes what batches write: what `/readyz` of the ledger
 * knows, and the log says.
 */
export class DatabaseWatch {
  readonly #queries: Pick<BookQueries, 'now'>;
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #answeredAtMs = performance.now();
  /** The latest question whose fate is known, by when it was asked, and what went wrong with it. */
  #latest: { readonly askedAtMs: number; readonly problem?: string } = { askedAtMs: this.#answeredAtMs };
  /** Why the last batch could not be written, when the database can be read all the same. */
  #noWrite: { readonly atMs: number; readonly problem: string } | undefined;
  /** The batch that is being written. */
  #writeBeganAtMs: number | undefined;
  /** Undefined while all is well. */
  #warnedAtMs: number | undefined;

  constructor(queries: Pick<BookQueries, 'now'>, address: DatabaseAddress, logger: Logger) {
    this.#queries = queries;
    this.#address = address;
    this.#logger = logger;
    this.#timer = setInterval(() => {
      this.#log();
      void this.#ask();
    }, askEveryMs);
  }

  missing(): string[] {
    const problem = this.#problem();
    return problem === undefined ? [] : [`postgres: ${problem}`];
  }

  /** Runs what writes a batch, and takes note when the database can't write it. It may still be read. One at a time. */
  async watchWrite<T>(write: () => Promise<T>): Promise<T> {
    this.#writeBeganAtMs = performance.now();
    try {
      const result = await write();
      this.#noWrite = undefined;
      return result;
    } catch (error) {
      const problem = this.#whyNotWritten(error) ?? this.#unansweredWrite();
      if (problem !== undefined) this.#noWrite = { atMs: performance.now(), problem };
      throw error;
    } finally {
      this.#writeBeganAtMs = undefined;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #problem(): string | undefined {
    if (this.#latest.problem !== undefined) return this.#latest.problem;
    const now = performance.now();
    if (this.#noWrite !== undefined && now - this.#noWrite.atMs < noWriteCountsMs)
      return this.#noWrite.problem;
    const unanswered = this.#unansweredWrite();
    if (unanswered !== undefined) return unanswered;
    const silentMs = now - this.#answeredAtMs;
    return silentMs > answerCountsMs ? `${this.#name} does not answer` : undefined;
  }

  #unansweredWrite(): string | undefined {
    const waitedMs = this.#writeBeganAtMs === undefined ? 0 : performance.now() - this.#writeBeganAtMs;
    return waitedMs > noAnswerMs ? `${this.#name} answers, but does not finish writing a batch` : undefined;
  }

  #whyNotWritten(error: unknown): string | undefined {
    if (isOutOfRoom(error)) return `${this.#name} has no room for a batch (${messageOf(error)})`;
    if (isServersFault(error)) return `${this.#name} can't write a batch (${messageOf(error)})`;
    return isReadOnly(error) ? `${this.#name} takes no batch (${messageOf(error)})` : undefined;
  }

  get #name(): string {
    const { host, port } = this.#address;
    return `Postgres at ${host}:${port}`;
  }

  async #ask(): Promise<void> {
    const askedAtMs = performance.now();
    try {
      await this.#queries.now();
      this.#answeredAtMs = performance.now();
      this.#learn({ askedAtMs });
    } catch (error) {
      this.#learn({ askedAtMs, problem: adviceFor(error, this.#address) ?? messageOf(error) });
    }
    this.#log();
  }

  /** What an older question led to is no news once a younger one has been answered. */
  #learn(outcome: { readonly askedAtMs: number; readonly problem?: string }): void {
    if (outcome.askedAtMs >= this.#latest.askedAtMs) this.#latest = outcome;
  }

  #log(): void {
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
