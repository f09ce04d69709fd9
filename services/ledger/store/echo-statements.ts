import type { Knex } from 'knex';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { StatementObserver } from './pipeline.ts';

/** Told the text of each statement: with `$1` where a value goes, never the values. */
export type Echo = (sql: string) => void;

/** A line in the log for each statement. */
export function echoTo(logger: Logger): Echo {
  return (sql) => logger.info({ sql: sql.replaceAll(/\s+/g, ' ').trim() }, 'SQL statement');
}

/** Also echoes what writing connections send. */
export function echoObserved(observe: StatementObserver, echo: Echo): StatementObserver {
  return (statement) => {
    echo(statement.text);
    return observe(statement);
  };
}

/** Echoes what goes over the connections that knex makes from now on. */
export function echoKnex(knex: Knex, echo: Echo): void {
  knex.on('query', ({ sql }: { sql: string }) => echo(sql));
}

/** Echoes what goes over the connections that the pool makes from now on. */
export function echoPool(pool: Pool, echo: Echo): void {
  pool.on('connect', (client) => {
    // A pool tells of connections, not of statements.
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: [{ text: string } | string, ...unknown[]]) => {
      const [statement] = args;
      echo(typeof statement === 'string' ? statement : statement.text);
      return query(...args);
    }) as PoolClient['query'];
  });
}
