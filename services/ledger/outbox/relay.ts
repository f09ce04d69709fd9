import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import type { OutboxMessage, StoredMessage } from '../store/outbox-message.ts';
import type { OutboxTable } from '../store/outbox-table.ts';
import type { OutgoingRow } from './gather-rows.ts';
import { restoreMessage, type SendableMessage } from './messages.ts';

/** How often it looks. */
const intervalMs = 1_000;
/** Rows of a topic that it looks at in one go, and for how long at most. */
const maxRowsPerLook = 200;
const maxLookMs = 5_000;
/**
 * So many are sent side by side at first, and twice as many whenever the broker took some. When it takes none, it is not
 * there for the others either, and making their facts would be work for nothing.
 */
const initialConcurrency = 10;

interface RelayOptions {
  readonly table: OutboxTable;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How far rows are counted. */
  readonly countTo: number;
  /** This ledger itself has the row on its way. */
  readonly isOwn: (id: bigint) => boolean;
  /** Sends a row alone, under its own id: of what other ledgers send as well the broker keeps one. */
  readonly send: (row: OutgoingRow) => Promise<boolean>;
}

/** Sends what a crash, or a broker that was away, left in the outbox: what any ledger left. */
export class Relay {
  readonly #options: RelayOptions;
  #rows = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;
  /** The row after which each topic's next look begins: rows that nobody takes must not keep it from the others. */
  #after = { due: 0n, event: 0n };
  /** Rows that were logged as incomplete, once each. */
  readonly #incomplete = new Set<bigint>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }, intervalMs);
  }

  /** Waits for what it has on its way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Rows in the table when it last looked, at most `countTo`. */
  depth(): number {
    return this.#rows;
  }

  /** Begins with the oldest again. */
  startOver(): void {
    this.#after = { due: 0n, event: 0n };
  }

  async #look(): Promise<void> {
    const { table, logger, metrics, countTo } = this.#options;
    try {
      const { count, oldestS } = await table.depth(countTo);
      this.#rows = count;
      metrics.outboxDepth.record(count);
      metrics.outboxAge.record(oldestS ?? 0);
      if (oldestS === undefined) return;
      const sent = (await this.#sendLeft('due')) + (await this.#sendLeft('event'));
      if (sent > 0) logger.info({ sent }, 'the relay sent outbox messages that were left behind');
    } catch (error) {
      logger.debug({ err: error }, 'the relay will look again');
    }
  }

  /** @returns how many rows the broker has. */
  async #sendLeft(topic: OutboxMessage['topic']): Promise<number> {
    const { table, isOwn, send } = this.#options;
    const left = await table.leftBehind(topic, this.#after[topic], maxRowsPerLook);
    const until = performance.now() + maxLookMs;
    let sent = 0;
    let concurrency = initialConcurrency;
    let sendings: Promise<boolean>[] = [];
    for (const row of left) {
      if (this.#isStopped || performance.now() > until) return sent + (await countTrue(sendings));
      this.#after[topic] = row.id;
      if (isOwn(row.id)) continue;
      const message = await this.#sendable(row);
      if (message !== undefined) sendings.push(send({ id: row.id, message }));
      if (sendings.length < concurrency) continue;
      const taken = await countTrue(sendings);
      if (taken === 0) return sent;
      sent += taken;
      sendings = [];
      concurrency *= 2;
    }
    if (left.length < maxRowsPerLook) this.#after[topic] = 0n;
    return sent + (await countTrue(sendings));
  }

  /** Nothing when the journal lacks what it tells of. */
  async #sendable({ id, message }: StoredMessage): Promise<SendableMessage | undefined> {
    const { table, logger } = this.#options;
    try {
      const sendable = restoreMessage(message, await table.entriesIn(message.entries));
      if (sendable === undefined && !this.#incomplete.has(id)) {
        this.#incomplete.add(id);
        logger.error(
          { outboxId: id },
          'the journal lacks entries that this row of the outbox tells of, so it stays untold. See what `npm run audit` finds',
        );
      }
      return sendable;
    } catch (error) {
      logger.warn({ err: error, outboxId: id }, 'what this row of the outbox tells of could not be read');
      throw error;
    }
  }
}

async function countTrue(values: readonly Promise<boolean>[]): Promise<number> {
  return (await Promise.all(values)).filter(Boolean).length;
}
