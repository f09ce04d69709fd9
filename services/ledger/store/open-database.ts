import type { Knex } from 'knex';
import { Pool } from 'pg';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { knexForLists } from './book-queries.ts';
import { echoKnex, echoObserved, echoPool, type Echo } from './echo-statements.ts';
import type { StatementObserver } from './pipeline.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';
import { WriteConnection } from './write-connection.ts';

/** Connections for all but batches and settling: reads, and the upkeep of outbox and refusals. */
const poolConnections = 4;

/** All connections of a ledger to its database. Each is made when it is first needed. */
export interface LedgerDatabase {
  /** For batches and settling. */
  readonly connection: WriteConnection;
  /** For the other half of a large settle turn. */
  readonly secondConnection: WriteConnection;
  readonly pool: Pool;
  /** For pages of lists. */
  readonly knex: Knex;
  readonly close: () => Promise<void>;
}

export function openDatabase(
  address: DatabaseAddress,
  options: {
    readonly logger: Logger;
    /** Told of every statement, when they are to be seen in the log. */
    readonly echo: Echo | undefined;
    /** Wraps the statements of batches and settling. */
    readonly observe: StatementObserver;
    /** A connection for writing was made again. */
    readonly onReconnect: () => void;
  },
): LedgerDatabase {
  const { logger, echo, observe, onReconnect } = options;
  const pool = new Pool({ ...sessionConfig(address), max: poolConnections });
  pool.on('error', (error) =>
    logger.debug({ reason: messageOf(error) }, 'an idle connection to Postgres was lost'),
  );
  const knex = knexForLists(address, logger);
  if (echo !== undefined) {
    echoPool(pool, echo);
    echoKnex(knex, echo);
  }
  const writeOptions = { observe: echo === undefined ? observe : echoObserved(observe, echo), onReconnect };
  const connection = new WriteConnection(address, logger, writeOptions);
  const secondConnection = new WriteConnection(address, logger, writeOptions);
  return {
    connection,
    secondConnection,
    pool,
    knex,
    close: async () => {
      await Promise.all([pool.end(), knex.destroy(), connection.close(), secondConnection.close()]);
    },
  };
}
