import type { Connection, FieldDef, Submittable } from 'pg';
import { parserOf } from './session.ts';

/** A statement that a session parses and plans once, under its name, and then only fills in. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** A Buffer is the value's binary form. */
  readonly values?: (Buffer | string | null)[];
}

/** What the server said to a statement. */
export interface Answer {
  readonly rows: unknown[];
  /** What was done: `SELECT`, `COMMIT`. */
  readonly command: string;
}

/** Told of every statement that is sent; what it returns is called when the answer is there. */
export type StatementObserver = (statement: Statement) => StatementEnd | undefined;

export type StatementEnd = (error?: unknown) => void;

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** The columns of each statement that a session has prepared. They don't change while it lasts. */
export type Prepared = Map<string, readonly Column[]>;

/**
 * Statements that are sent without waiting for each other's answers, and are answered together: one Sync for all of them,
 * so that the server wakes us once; and a description of the columns only for those that the session doesn't know yet.
 * `pg` alone would send both for each. After the first that fails, the server skips the others.
 *
 * The protocol: https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export class Pipeline implements Submittable {
  readonly #statements: readonly Statement[];
  readonly #prepared: Prepared;
  readonly #answers: Answer[] = [];
  readonly #ends: readonly (StatementEnd | undefined)[];
  readonly #callback: (error: Error | null) => void;
  /** The columns and rows of the statement that is being answered. */
  #columns: readonly Column[] | undefined;
  #rows: unknown[] = [];
  /** Why a value could not be read. */
  #unreadable: unknown;

  /** `ends` are what observers of the statements returned; `callback` is told when all is answered, or of the first error. */
  constructor(
    statements: readonly Statement[],
    prepared: Prepared,
    ends: readonly (StatementEnd | undefined)[],
    callback: (error: Error | null) => void,
  ) {
    this.#statements = statements;
    this.#prepared = prepared;
    this.#ends = ends;
    this.#callback = callback;
  }

  /**
   * One per statement, in order, once the callback was told of no error.
   *
   * @throws the error of a value that could not be read.
   */
  answers(): Answer[] {
    if (this.#unreadable !== undefined) throw this.#unreadable;
    return this.#answers;
  }

  submit(connection: Connection): void {
    // One write for all of them: each costs a system call here, and wakes the server.
    connection.stream.cork();
    for (const [index, { name, text, values = [] }] of this.#statements.entries()) {
      // Somebody wants to know how long the one before takes: it is answered by itself. The last one's is the Sync's.
      if (this.#ends[index - 1] !== undefined) connection.flush();
      const isPrepared = this.#prepared.has(name);
      if (!isPrepared) {
        // A pipeline that failed may have left it behind.
        connection.close({ type: 'S', name }, true);
        connection.parse({ name, text, types: [] }, true);
      }
      connection.bind({ statement: name, values }, true);
      if (!isPrepared) connection.describe({ type: 'P' }, true);
      connection.execute(null, true);
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleRowDescription({ fields }: { fields: readonly FieldDef[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserOf(dataTypeID) }));
  }

  /** Read as they come, while the server is at the next ones. */
  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    try {
      this.#rows.push(rowOf(this.#columnsUnderWay(), fields));
    } catch (error) {
      // Nobody would catch it here, where `pg` calls from its socket, and the process would end.
      this.#unreadable ??= error;
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    const index = this.#answers.length;
    this.#prepared.set(this.#nameUnderWay, this.#columnsUnderWay());
    this.#answers.push({ rows: this.#rows, command: text.split(' ', 1)[0] ?? '' });
    this.#columns = undefined;
    this.#rows = [];
    this.#ends[index]?.();
  }

  /** The name of the statement whose answer is under way. */
  get #nameUnderWay(): string {
    return this.#statements[this.#answers.length]?.name ?? '';
  }

  /** Its columns: described just now, or when the session prepared it. */
  #columnsUnderWay(): readonly Column[] {
    this.#columns ??= this.#prepared.get(this.#nameUnderWay) ?? [];
    return this.#columns;
  }

  handleError(error: Error): void {
    const failed = this.#answers.length;
    // Made anew next time: a table that changed may have made its plan invalid.
    this.#prepared.delete(this.#nameUnderWay);
    for (const end of this.#ends.slice(failed)) end?.(error);
    this.#callback(error);
  }

  handleReadyForQuery(): void {
    this.#callback(null);
  }
}

function rowOf(columns: readonly Column[], values: readonly (string | null)[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  columns.forEach(({ name, parse }, index) => {
    const value = values[index] ?? null;
    row[name] = value === null ? null : parse(value);
  });
  return row;
}
