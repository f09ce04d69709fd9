import { Client, DatabaseError } from 'pg';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { ConnectionLostError } from './faults.ts';
import { Pipeline, type Answer, type Prepared, type Statement, type StatementObserver } from './pipeline.ts';
import { queryTimeoutMs, sessionConfig, type DatabaseAddress } from './session.ts';

export interface WriteConnectionOptions {
  readonly observe?: StatementObserver;
  /** Called when a session was made anew. */
  readonly onReconnect?: () => void;
  /** A pipeline that is not answered by then ends its session, in milliseconds. */
  readonly answerWithinMs?: number;
}

/** A connection for writing: batches follow one another on its session, which is made anew when it is lost. */
export class WriteConnection {
  readonly #address: DatabaseAddress;
  readonly #logger: Logger;
  readonly #observe: StatementObserver;
  readonly #onReconnect: () => void;
  readonly #answerWithinMs: number;
  #session: Session | undefined;
  #connecting: Promise<Session> | undefined;
  #hasConnected = false;

  constructor(
    address: DatabaseAddress,
    logger: Logger,
    {
      observe = () => undefined,
      onReconnect = () => undefined,
      answerWithinMs = queryTimeoutMs,
    }: WriteConnectionOptions = {},
  ) {
    this.#address = address;
    this.#logger = logger;
    this.#observe = observe;
    this.#onReconnect = onReconnect;
    this.#answerWithinMs = answerWithinMs;
  }

  /**
   * The live session, or a new one.
   *
   * @throws ConnectionLostError when none can be made.
   */
  async session(): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Whether there is a session. It may be found lost when it is used. */
  isOpen(): boolean {
    return this.#session !== undefined;
  }

  /** Drops the session, whatever state it is in. Who needs one next makes a new one. */
  discard(): void {
    const session = this.#session;
    this.#session = undefined;
    // Politeness is for sessions that answer. This one may be frozen; the server rolls back when the connection closes.
    session?.destroy();
  }

  async close(): Promise<void> {
    await this.#connecting?.catch(() => undefined);
    const session = this.#session;
    this.#session = undefined;
    await session?.end();
  }

  async #connect(): Promise<Session> {
    // The session has a timer of its own.
    const client = new Client({ ...sessionConfig(this.#address), query_timeout: 0 });
    const session = new Session(client, this.#observe, this.#answerWithinMs);
    client.on('error', (error) => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#logger.warn(
        { reason: messageOf(error) },
        'a connection to Postgres was lost; who needs one next makes a new one',
      );
    });
    try {
      await client.connect();
    } catch (error) {
      session.destroy();
      throw connectionLost(error);
    }
    this.#session = session;
    if (this.#hasConnected) this.#onReconnect();
    this.#hasConnected = true;
    return session;
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
  readonly #prepared: Prepared = new Map();
  readonly #lateTimer: NodeJS.Timeout;
  #isUnderWay = false;

  constructor(client: Client, observe: StatementObserver, answerWithinMs: number) {
    this.#client = client;
    this.#observe = observe;
    // `pg` can end a query that takes too long, but makes a closure for each and puts it into a property of the query.
    // Such closures V8 makes where long-lived objects are: until the next full collection each keeps its query and rows.
    this.#lateTimer = setTimeout(() => {
      if (this.#isUnderWay) this.destroy(new Error(`no answer within ${answerWithinMs} ms`));
    }, answerWithinMs).unref();
  }

  /**
   * Sends statements in one pipeline, without waiting for one answer before the next is sent. One pipeline at a time.
   *
   * @returns one answer per statement.
   * @throws ConnectionLostError, also when the answer takes too long; or the error of the first statement that failed.
   *   None after it was done, and without a BEGIN none before it; the session may be in an aborted transaction: discard
   *   it or roll back. Or that of a value that could not be read, once all was done.
   */
  async pipeline(statements: readonly Statement[]): Promise<Answer[]> {
    const ends = statements.map((statement) => this.#observe(statement));
    this.#isUnderWay = true;
    this.#lateTimer.refresh();
    try {
      const pipeline = await new Promise<Pipeline>((resolve, reject) => {
        const sent: Pipeline = new Pipeline(statements, this.#prepared, ends, (error) => {
          if (error === null) resolve(sent);
          else reject(asFault(error));
        });
        this.#client.query(sent);
      });
      return pipeline.answers();
    } finally {
      this.#isUnderWay = false;
    }
  }

  /** Ends it without a word to the server. */
  destroy(reason?: Error): void {
    this.#client.connection.stream.destroy(reason);
  }

  async end(): Promise<void> {
    await this.#client.end();
  }
}

/** What the server says is its own error; all else that a query ends with means that nobody is there. */
function asFault(reason: Error): Error {
  return reason instanceof DatabaseError ? reason : connectionLost(reason);
}

function connectionLost(reason: unknown): ConnectionLostError {
  return new ConnectionLostError(messageOf(reason), { cause: reason });
}
