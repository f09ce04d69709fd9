import { Client, DatabaseError, type QueryConfig, type QueryResult } from 'pg';
import type { Logger } from 'pino';
import { ConnectionLostError } from './faults.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';

/** Told of every statement that is sent; what it returns is called when the answer is there. */
export type StatementObserver = (statement: QueryConfig) => ((error?: unknown) => void) | undefined;

/** The ledger's one writing session: batches follow one another on it, and it is made anew when it was lost. */
export class WriteConnection {
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #observe: StatementObserver;
  #client: Client | undefined;

  constructor(address: DatabaseAddress, logger: Logger, observe: StatementObserver = () => undefined) {
    this.#address = address;
    this.#logger = logger;
    this.#observe = observe;
  }

  /**
   * Sends statements in one flight, without waiting for one answer before the next is sent.
   *
   * @throws ConnectionLostError, or the first statement's own error; the session may then be in an aborted
   *   transaction: {@link discard} it or roll back.
   */
  async flight(statements: readonly QueryConfig[]): Promise<QueryResult[]> {
    const client = this.#client ?? (await this.#connect());
    const answers = await Promise.allSettled(
      statements.map(async (statement) => {
        const ended = this.#observe(statement);
        try {
          const answer = await client.query(statement);
          ended?.();
          return answer;
        } catch (error) {
          ended?.(error);
          throw error;
        }
      }),
    );
    return answers.map((answer) => {
      if (answer.status === 'fulfilled') return answer.value;
      throw asFault(answer.reason);
    });
  }

  /** Drops the session, whatever state it is in. The next flight makes a new one. */
  discard(): void {
    const client = this.#client;
    this.#client = undefined;
    // Politeness is for sessions that answer. This one may be frozen; the server rolls back when the line closes.
    client?.connection.stream.destroy();
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connect(): Promise<Client> {
    const client = new Client({ ...sessionConfig(this.#address), pipeline: true });
    client.on('error', (error) => {
      if (this.#client !== client) return;
      this.#client = undefined;
      this.#logger.warn(
        { error: error.message },
        'the connection to Postgres was lost; the next batch makes a new one',
      );
    });
    try {
      await client.connect();
    } catch (error) {
      client.connection.stream.destroy();
      throw asFault(error);
    }
    this.#client = client;
    return client;
  }
}

/** What the server says is its own error; all else that a query ends with means that nobody is there. */
function asFault(reason: unknown): Error {
  if (reason instanceof DatabaseError) return reason;
  return new ConnectionLostError(reason instanceof Error ? reason.message : String(reason), {
    cause: reason,
  });
}
