import type { Knex } from 'knex';
import type { Pool } from 'pg';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { attributeNames } from '../../shared/telemetry/conventions.ts';
import { isMeasuring, type Metrics } from '../../shared/telemetry/metrics.ts';
import type { HoldCounts } from './store/count-holds.ts';

/*
 * What the ledger looks up about itself now and then, for the metrics alone.
 */

const intervalMs = 10_000;

interface PoolCounts {
  readonly used: number;
  readonly idle: number;
  /** Queries that wait for a connection. */
  readonly waiting: number;
}

/**
 * Looks every 10 s from now on; nothing while metrics are off.
 *
 * @returns what stops it.
 */
export function startGauges(options: {
  metrics: Metrics;
  queueDepth: () => number;
  pools: Readonly<Record<string, () => PoolCounts>>;
  countHolds: () => Promise<HoldCounts>;
  logger: Logger;
}): () => void {
  const { metrics, queueDepth, pools, countHolds, logger } = options;
  if (!isMeasuring()) return () => undefined;
  const look = async (): Promise<void> => {
    metrics.queueDepth.record(queueDepth());
    for (const [name, counts] of Object.entries(pools)) recordPool(metrics, name, counts());
    try {
      const { pending, overdue, overdueAgeS } = await countHolds();
      metrics.holdsPending.record(pending);
      metrics.holdsOverdue.record(overdue);
      metrics.holdsOverdueAge.record(overdueAgeS);
    } catch (error) {
      logger.debug({ err: error }, 'holds were not counted');
    }
  };
  void look();
  const timer = setInterval(() => void look(), intervalMs);
  return () => clearInterval(timer);
}

function recordPool(metrics: Metrics, name: string, { used, idle, waiting }: PoolCounts): void {
  const pool = { [attributeNames.dbPoolName]: name };
  metrics.poolConnections.record(used, { ...pool, [attributeNames.dbConnectionState]: 'used' });
  metrics.poolConnections.record(idle, { ...pool, [attributeNames.dbConnectionState]: 'idle' });
  metrics.poolPending.record(waiting, pool);
}

export function countsOfPool({ totalCount, idleCount, waitingCount }: Pool): PoolCounts {
  return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
}

/** Knex gives its pool without a type. */
export function countsOfKnex(knex: Knex): PoolCounts {
  const { pool } = knex.client as {
    pool: { numUsed: () => number; numFree: () => number; numPendingAcquires: () => number };
  };
  return { used: pool.numUsed(), idle: pool.numFree(), waiting: pool.numPendingAcquires() };
}
