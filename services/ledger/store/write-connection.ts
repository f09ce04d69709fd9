import { Client, DatabaseError, type QueryConfig, type QueryResult } from 'pg';
import type { Logger } from 'pino';
import { ConnectionLostError } from './faults.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';

/** Told of every statement that is sent; what it returns is called when the answer is there. */
export type StatementObserver = (statement: QueryConfig) => ((error?: unknown) => void) | undefined;

/** The ledger's one writing connection: batches follow one another on its session, which is made anew when it is lost. */
export class WriteConnection {
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #observe: StatementObserver;
  readonly #onReconnect: () => void;
  #client: Client | undefined;
  #hasConnected = false;

  constructor(
    address: DatabaseAddress,
    logger: Logger,
    observe: StatementObserver = () => undefined,
    onReconnect: () => void = () => undefined,
  ) {
    this.#address = address;
    this.#logger = logger;
    this.#observe = observe;
    this.#onReconnect = onReconnect;
  }

  /**
   * The live session, or a new one.
   *
   * @throws ConnectionLostError when none can be made.
   */
  async session(): Promise<Session> {
    const client = this.#client ?? (await this.#connect());
    return new Session(client, this.#observe);
  }

  /** Drops the session, whatever state it is in. The next batch makes a new one. */
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
      throw connectionLost(error);
    }
    this.#client = client;
    if (this.#hasConnected) this.#onReconnect();
    this.#hasConnected = true;
    return client;
  }
}

/**
 * One session with the server. A transaction keeps to the session it began on: when that is lost, what is left of the
 * transaction fails. On any other session it would be written without the locks it was decided under. (A ledger that
 * was frozen finds the answer to its locks and the end of the session together in its socket.)
 */
export class Session {
  readonly #client: Client;
  readonly #observe: StatementObserver;

  constructor(client: Client, observe: StatementObserver) {
    this.#client = client;
    this.#observe = observe;
  }

  /**
   * Sends statements in one flight, without waiting for one answer before the next is sent.
   *
   * @throws ConnectionLostError, or the first statement's own error; the session may then be in an aborted
   *   transaction: discard it or roll back.
   */
  async flight(statements: readonly QueryConfig[]): Promise<QueryResult[]> {
    const { stream } = this.#client.connection;
    // One write for all of them: each costs a system call here, and wakes the server.
    stream.cork();
    const answered = Promise.allSettled(
      statements.map(async (statement) => {
        const ended = this.#observe(statement);
        try {
          const answer = await this.#client.query(statement);
          ended?.();
          return answer;
        } catch (error) {
          ended?.(error);
          throw error;
        }
      }),
    );
    stream.uncork();
    return (await answered).map((answer) => {
      if (answer.status === 'fulfilled') return answer.value;
      throw asFault(answer.reason);
    });
  }
}

/** What the server says is its own error; all else that a query ends with means that nobody is there. */
function asFault(reason: unknown): Error {
  return reason instanceof DatabaseError ? reason : connectionLost(reason);
}

function connectionLost(reason: unknown): ConnectionLostError {
  return new ConnectionLostError(reason instanceof Error ? reason.message : String(reason), {
    cause: reason,
  });
}
