import { jetstream } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { holdsStream } from '../../shared/contracts/subjects.ts';
import { maxPayloadOf } from '../../shared/messaging/max-payload.ts';
import type { NatsLink } from '../../shared/messaging/connect.ts';
import { oldestVersion, versionWarning } from '../../shared/messaging/nats-server-version.ts';
import { ensureStreams, ensureStreamsWhenReachable, streamSince } from '../../shared/messaging/streams.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import { Lane } from './batching/lane.ts';
import { MicroBatcher } from './batching/micro-batcher.ts';
import { consumeAsyncCommands } from './messaging/async-commands.ts';
import { serveCommands, type QueuedCommand } from './messaging/commands.ts';
import { serveQueries } from './messaging/queries.ts';
import { Outbox } from './outbox/outbox.ts';
import { processBatch, type Books } from './process-batch.ts';
import { runBatch, type BatchRunner } from './run-batch.ts';
import { SettleDueTurns } from './settle-due.ts';
import { TestClock } from './test-clock.ts';
import { BookQueries } from './store/book-queries.ts';
import { echoTo } from './store/echo-statements.ts';
import { openDatabase } from './store/open-database.ts';
import { prepareDatabase, type LedgerUser } from './store/prepare-database.ts';
import { LockedAccounts } from './store/locked-accounts.ts';
import { OutboxTable } from './store/outbox-table.ts';
import { countHolds } from './store/count-holds.ts';
import { TestClockTable } from './store/test-clock-table.ts';
import { DatabaseWatch } from './store/database-watch.ts';
import { deleteOldRefusals } from './store/delete-old-refusals.ts';
import type { DatabaseAddress } from './store/session.ts';
import { countsOfKnex, countsOfPool, startGauges } from './gauges.ts';
import {
  commandObserver,
  CurrentSpan,
  databaseReconnectCounter,
  observeBatch,
  observeSettleRequest,
  observeSettleTurn,
  observeStatement,
} from './telemetry.ts';

/** Commands in one transaction. Twice as many would hold the accounts' locks twice as long for little more speed. */
const maxBatch = 512;

/** Commands that wait: half a second's worth at full speed, so that what is accepted is also answered in time. */
const maxWaiting = 8_192;

/** A ledger at work, and how it stops. */
export interface Ledger {
  /** What is missing to serve a command; empty when nothing is. */
  readonly missing: () => string[];
  /** Takes nothing new. */
  readonly stopServing: () => Promise<void>;
  /** Finishes the work that is there. */
  readonly finish: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Puts the ledger together: database → books → batches and settle turns on one lane → NATS. */
export async function createLedger(options: {
  /** The database, as its owner reaches it. */
  database: DatabaseAddress;
  ledgerUser: LedgerUser | undefined;
  link: NatsLink;
  streamReplicas: number;
  holdPeriodMs: number;
  /** The books' time can be moved forward. */
  testClock: boolean;
  /** A line in the log for each SQL statement. */
  echoStatements: boolean;
  logger: Logger;
  metrics: Metrics;
  stopping: AbortSignal;
}): Promise<Ledger> {
  const {
    database: owner,
    ledgerUser,
    link,
    streamReplicas,
    holdPeriodMs,
    testClock,
    echoStatements,
    logger,
    metrics,
    stopping,
  } = options;
  const warning = versionWarning(link.connection.info?.version ?? oldestVersion);
  if (warning !== undefined) logger.warn(`${warning}: run ${oldestVersion} or newer`);

  const echo = echoStatements ? echoTo(logger) : undefined;
  const address = await prepareDatabase({ owner, ledgerUser, testClock, logger, stopping, echo });
  await ensureStreamsWhenReachable({ nats: link.connection, replicas: streamReplicas, logger, stopping });

  const currentSpan = new CurrentSpan();
  const database = openDatabase(address, {
    logger,
    echo,
    observe: (statement) => observeStatement(statement, currentSpan),
    onReconnect: databaseReconnectCounter(metrics),
  });
  const { connection, secondConnection, pool, knex } = database;
  const table = new OutboxTable(pool);
  const outbox = new Outbox({
    jetstream: jetstream(link.connection),
    maxPayload: () => maxPayloadOf(link.connection),
    table,
    logger,
    metrics,
    batchSpan: () => currentSpan.get(),
  });
  const books: Books = { connection, outbox, holdPeriodMs };

  const bookQueries = new BookQueries(pool, knex);
  const watch = new DatabaseWatch(bookQueries, address, logger);

  const recorders = { metrics, logger, currentSpan };
  const lockedAccounts = new LockedAccounts(pool, logger);
  const runner: BatchRunner = {
    process: (commands) => watch.watchWrite(() => processBatch(commands, books)),
    lockedAccounts,
    logger,
  };
  const lane = new Lane();
  const batcher = new MicroBatcher<QueuedCommand>({
    lane,
    maxBatch,
    maxWaiting,
    process: async (waiting) => {
      const results = await observeBatch(waiting, recorders, () => runBatch(waiting, runner));
      return () =>
        waiting.forEach(({ answer }, index) =>
          answer(results[index] ?? { type: 'failed', code: 'internal' }),
        );
    },
  });
  const settleDue = new SettleDueTurns({
    books,
    secondConnection,
    lane,
    logger,
    commands: batcher,
    lockedAccounts,
    onSweep: () => {
      void outbox.announceComing();
      void forgetOldRefusals(pool, logger);
    },
    observe: (turn, work) => observeSettleTurn(turn, recorders, work),
    observeRequest: (askedBy, work) => observeSettleRequest(askedBy, currentSpan, work),
  });

  const observe = commandObserver(metrics);
  const offer = (command: QueuedCommand): boolean => !outbox.isOverloaded() && batcher.offer(command);
  const queries = serveQueries(link.connection, { queries: bookQueries, logger });
  const commands = serveCommands(link.connection, {
    offer,
    settleDue,
    testClock: testClock
      ? new TestClock({ table: new TestClockTable(pool), settleDue, queries: bookQueries })
      : undefined,
    observe,
    logger,
  });
  const asyncCommands = consumeAsyncCommands({
    link,
    streamReplicas,
    offer,
    observe,
    logger,
    metrics,
    stopping,
    now: async () => (await bookQueries.now()).now,
    onOpen: async () => {
      await ensureStreams(link.connection, streamReplicas);
      await outbox.brokerReturned(await streamSince(link.connection, holdsStream));
    },
  });
  if (testClock) logger.warn('TEST_CLOCK is on: callers can move the time that the books go by');
  outbox.start();
  const stopGauges = startGauges({
    metrics,
    queueDepth: () => batcher.depth,
    pools: { queries: () => countsOfPool(pool), pages: () => countsOfKnex(knex) },
    countHolds: () => countHolds(pool),
    logger,
  });

  const missingOfNats = (): string[] => {
    if (!link.isConnected()) return ['nats: not connected'];
    if (outbox.isOverloaded()) return ['nats: takes no messages, and too many wait for it'];
    return commands.isRefused() || queries.isRefused() ? ['nats: may not subscribe to requests'] : [];
  };

  return {
    missing: () => [...missingOfNats(), ...watch.missing()],
    stopServing: async () => {
      await Promise.all([commands.drain(), queries.drain(), asyncCommands]);
    },
    finish: async () => {
      await lane.idle();
      await outbox.stop();
    },
    close: async () => {
      watch.stop();
      lockedAccounts.stop();
      stopGauges();
      await database.close();
    },
  };
}

/** Never rejects: what is not deleted now is when the next turn comes. */
async function forgetOldRefusals(pool: Pool, logger: Logger): Promise<void> {
  try {
    const deleted = await deleteOldRefusals(pool);
    if (deleted > 0) logger.info({ deleted }, 'refusals past their time were deleted');
  } catch (error) {
    logger.warn({ err: error }, 'old refusals were not deleted; the next turn will');
  }
}
