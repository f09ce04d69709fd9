import type { JetStreamClient } from '@nats-io/jetstream';
import type { Logger } from 'pino';
import { eventSubject, holdDueSubject } from '../../../shared/contracts/subjects.ts';
import { traceHeaders } from '../../../shared/messaging/trace-headers.ts';
import { ATTRIBUTE, messagingAttributes, SPAN } from '../../../shared/telemetry/conventions.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import { inChildSpan, SpanKind, traceparentOf, type Span } from '../../../shared/telemetry/tracing.ts';
import type { Command } from '../domain/commands.ts';
import type { BatchResult } from '../domain/execute-batch.ts';
import type { Micros } from '../domain/time.ts';
import type { OutboxTable } from '../store/outbox-table.ts';
import { DueSeconds } from './due-seconds.ts';
import type { OutboxMessage } from '../store/outbox-message.ts';
import { eventMessages } from './messages.ts';

const subjectOf = { event: eventSubject, due: holdDueSubject } as const;

/** A publish that is not acknowledged by then is left to the relay. */
const publishTimeoutMs = 4_000;
/** Messages on their way to the broker at once; what comes on top is left to the relay. */
const maxInFlight = 256;
/** What the broker needs to pass an answer on. */
const answersFirstMs = 2;
/** Rows that no batch has deleted in passing are deleted after so long. */
const idleDeleteMs = 1_000;
/** How often the relay looks for rows that a crash, or a broker that was away, left behind. */
const relayIntervalMs = 1_000;
/** Rows that the relay sends in one go. */
const relayBatch = 200;
/** Past so many rows the broker has been away for too long: new commands are refused until it has caught up. */
const maxRows = 10_000;

interface OutboxOptions {
  readonly jetstream: JetStreamClient;
  readonly table: OutboxTable;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether another batch follows at once. */
  readonly moreWaits: () => boolean;
  /** The span of the batch that is under way, when it is sampled. */
  readonly batchSpan: () => Span | undefined;
}

/**
 * Gets every message of a committed batch to the broker, at least once.
 *
 * The messages are rows of the batch's own transaction. After COMMIT they are published from memory; the row of an
 * acknowledged message is deleted by the next batch's statement. What is left for whatever reason is sent by the relay
 * of any ledger, which holds no lock while it publishes: a second sending is harmless.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #dueSeconds = new DueSeconds();
  readonly #inFlight = new Set<bigint>();
  #acknowledged: bigint[] = [];
  #rows = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #relayTimer: NodeJS.Timeout | undefined;
  #relaying: Promise<void> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Starts the relay. */
  start(): void {
    this.#relayTimer = setInterval(() => {
      this.#relaying ??= this.#relay().finally(() => {
        this.#relaying = undefined;
      });
    }, relayIntervalMs);
  }

  /** What a decided batch must tell the world. */
  messagesFor(commands: readonly Command[], result: BatchResult, now: Micros): OutboxMessage[] {
    return [
      ...eventMessages(commands, result.outcomes, now),
      ...this.#dueSeconds.messagesFor(result.changes.newHolds, now),
    ];
  }

  /** Rows that the next batch can delete in passing. */
  acknowledgedIds(): readonly bigint[] {
    return [...this.#acknowledged];
  }

  /** A batch is committed: its messages are in the outbox, and the rows of acknowledged ones are gone. */
  committed(messages: readonly OutboxMessage[], ids: readonly bigint[], deleted: readonly bigint[]): void {
    const batch = this.#options.batchSpan();
    this.#forget(deleted);
    messages.forEach((message, index) => {
      const id = ids[index];
      if (id !== undefined) this.#startPublishing(id, message, batch);
    });
  }

  /** The once-a-minute turn: announces the due seconds that come into the next hour. */
  async announceComing(): Promise<void> {
    try {
      for (const { id, message } of await this.#options.table.announceComing())
        this.#startPublishing(id, message);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'coming due seconds were not announced; the next turn will');
    }
  }

  /** Too much waits for the broker to take on more. */
  isOverloaded(): boolean {
    return this.#rows > maxRows;
  }

  /** Rows in the table when the relay last looked, at most one more than the bound. */
  depth(): number {
    return this.#rows;
  }

  /**
   * The broker is there (again), with a stream of due seconds that it has had since then. When it has lost the one it
   * had, everything that comes within the hour is announced again.
   */
  async brokerReturned(streamSince: string): Promise<void> {
    this.#dueSeconds.forget();
    if (await this.#options.table.noteStream(streamSince)) await this.announceComing();
  }

  /** Waits for what is on its way and deletes what was acknowledged. The rest is the relay's, here or elsewhere. */
  async stop(): Promise<void> {
    clearInterval(this.#relayTimer);
    clearTimeout(this.#idleTimer);
    await this.#relaying;
    while (this.#inFlight.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    clearTimeout(this.#idleTimer);
    await this.#deleteAcknowledged();
  }

  #startPublishing(id: bigint, message: OutboxMessage, batch?: Span): void {
    if (this.#inFlight.size >= maxInFlight) return;
    this.#inFlight.add(id);
    const publish = (): void => void this.#publish(id, message, batch);
    // Nobody waits for it: the next batch's first statements and, one turn later, this one's answers go before. When
    // there is no next batch, the broker passes the answers on first: it would make them wait for the disk.
    if (this.#options.moreWaits()) setImmediate(() => setImmediate(publish));
    else setTimeout(publish, answersFirstMs);
  }

  async #publish(id: bigint, message: OutboxMessage, batch?: Span): Promise<boolean> {
    this.#inFlight.add(id);
    const subject = subjectOf[message.topic];
    const began = performance.now();
    try {
      await inPublishSpan(batch, subject, message.messageId, (span) =>
        this.#options.jetstream.publish(subject, message.payload, {
          msgID: message.messageId,
          timeout: publishTimeoutMs,
          ...traceHeaders(traceparentOf(span)),
        }),
      );
      this.#options.metrics.natsRequestDuration.record(
        (performance.now() - began) / 1_000,
        messagingAttributes(subject, 'send'),
      );
      this.#acknowledged.push(id);
      if (message.topic === 'due') this.#dueSeconds.acknowledged(message.messageId);
      this.#idleTimer ??= setTimeout(() => {
        this.#idleTimer = undefined;
        void this.#deleteAcknowledged();
      }, idleDeleteMs);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.debug(
        { reason, topic: message.topic },
        'the broker took no message; the relay will send it',
      );
      return false;
    } finally {
      this.#inFlight.delete(id);
    }
  }

  async #deleteAcknowledged(): Promise<void> {
    const ids = this.acknowledgedIds();
    if (ids.length === 0) return;
    try {
      await this.#options.table.delete(ids);
      this.#forget(ids);
    } catch (error) {
      this.#options.logger.debug(
        { err: error },
        'acknowledged outbox rows stay for the next batch to delete',
      );
    }
  }

  #forget(deleted: readonly bigint[]): void {
    if (deleted.length === 0) return;
    const gone = new Set(deleted);
    this.#acknowledged = this.#acknowledged.filter((id) => !gone.has(id));
  }

  /** Sends what others left, the oldest first. */
  async #relay(): Promise<void> {
    const { table, logger } = this.#options;
    try {
      const { count, left, oldestS } = await table.left(maxRows + 1, relayBatch);
      this.#rows = count;
      this.#options.metrics.outboxDepth.record(count);
      this.#options.metrics.outboxAge.record(oldestS);
      const own = new Set([...this.#inFlight, ...this.#acknowledged]);
      const publishing = left
        .filter(({ id }) => !own.has(id))
        .map(({ id, message }) => this.#publish(id, message));
      const sent = (await Promise.all(publishing)).filter(Boolean).length;
      if (sent > 0) logger.info({ sent }, 'the relay sent outbox messages that were left behind');
    } catch (error) {
      logger.debug({ err: error }, 'the relay will look again');
    }
  }
}

/** Below the batch that wrote the message, when that is sampled. */
function inPublishSpan<T>(
  batch: Span | undefined,
  subject: string,
  messageId: string,
  publish: (span?: Span) => Promise<T>,
): Promise<T> {
  if (batch === undefined) return publish();
  const attributes = { ...messagingAttributes(subject, 'send'), [ATTRIBUTE.messagingMessageId]: messageId };
  return inChildSpan(batch, SPAN.send(subject), { kind: SpanKind.PRODUCER, attributes }, publish);
}
