import type { JetStreamClient } from '@nats-io/jetstream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { eventSubject, holdDueSubject } from '../../../shared/contracts/subjects.ts';
import { traceHeaders } from '../../../shared/messaging/trace-headers.ts';
import { attributeNames, messagingAttributes, spanNames } from '../../../shared/telemetry/conventions.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { warningThrottle } from '../../../shared/telemetry/warning-throttle.ts';
import { secondsSince, type Metrics } from '../../../shared/telemetry/metrics.ts';
import {
  inChildSpan,
  linkTo,
  SpanKind,
  traceparentOf,
  type Span,
} from '../../../shared/telemetry/tracing.ts';
import type { Command } from '../domain/commands.ts';
import type { Outcome } from '../domain/execute-batch.ts';
import type { Hold } from '../domain/hold.ts';
import type { Micros } from '../domain/time.ts';
import type { StoredMessage } from '../store/outbox-message.ts';
import type { OutboxTable } from '../store/outbox-table.ts';
import { DueSeconds } from './due-seconds.ts';
import { gatherRows, type BrokerMessage, type OutgoingRow } from './gather-rows.ts';
import { eventMessages, type SendableMessage } from './messages.ts';
import { Relay } from './relay.ts';

const subjectOf = { event: eventSubject, due: holdDueSubject } as const;

/** A publish that is not acknowledged by then is left to the relay. */
const publishTimeoutMs = 4_000;
/** Rows of a topic that are gathered or on their way to the broker. */
const maxInFlight = 256;
/**
 * Due seconds that wait for others to arrive: holds with times of their own may fall due in as many seconds as there are holds,
 * and some of them soon. What comes on top is left to the relay, and so are events, which may be large.
 */
const maxWaitingDues = 10_000;
/** What batches commit within so long leaves together. */
const gatherMs = 20;
/** Rows that no batch has deleted in passing are deleted after so long. */
const idleDeleteMs = 1_000;
/** How often a stop looks whether all that is on its way has arrived. */
const drainPollMs = 10;
/** While the broker takes nothing, the log says so this often. */
const repeatWarningMs = 30_000;
/** Past so many rows the broker has been away for too long: new commands are refused until it has caught up. */
const maxRows = 10_000;

interface OutboxOptions {
  readonly jetstream: JetStreamClient;
  /** Bytes that the broker takes as one message. */
  readonly maxPayload: () => number;
  readonly table: OutboxTable;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The span of the batch that is under way, when it is sampled. */
  readonly batchSpan: () => Span | undefined;
}

/**
 * Gets every message of a committed batch to the broker, at least once.
 *
 * The messages are rows of the batch's own transaction. After COMMIT they are published from memory, together with what
 * other batches commit meanwhile; rows that the broker has all of are deleted by the next batch's statement. What is
 * left for whatever reason is sent by the relay of any ledger, which makes the facts of entries from the journal and holds
 * no lock while it publishes: a second sending is harmless.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #dueSeconds = new DueSeconds();
  readonly #inFlight = { event: new Set<bigint>(), due: new Set<bigint>() };
  readonly #waitingDues = new Map<bigint, OutgoingRow>();
  #gathered: OutgoingRow[] = [];
  #gatherTimer: NodeJS.Timeout | undefined;
  #acknowledged: bigint[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #announcing: Promise<void> = Promise.resolve();
  readonly #isWarningDue = warningThrottle(repeatWarningMs);
  readonly #relay: Relay;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { table, logger, metrics } = options;
    this.#relay = new Relay({
      table,
      logger,
      metrics,
      countTo: maxRows + 1,
      isOwn: (id) => this.#isUnderWay(id) || this.#acknowledged.includes(id),
      send: async (row) => (await this.#send([row])).every(Boolean),
    });
  }

  /** Starts the relay. */
  start(): void {
    this.#relay.start();
  }

  /**
   * What a decided batch must tell the world.
   *
   * @param dueHolds the holds that it has made or extended.
   */
  messagesFor(
    commands: readonly Command[],
    outcomes: readonly Outcome[],
    dueHolds: readonly Hold[],
    now: Micros,
  ): SendableMessage[] {
    return [...eventMessages(commands, outcomes, now), ...this.#dueSeconds.messagesFor(dueHolds, now)];
  }

  /** Rows that the next batch can delete in passing. */
  acknowledgedIds(): readonly bigint[] {
    return [...this.#acknowledged];
  }

  /** A batch is committed: its messages are in the outbox, and the rows of acknowledged ones are gone. */
  committed(stored: readonly StoredMessage<SendableMessage>[], deleted: readonly bigint[]): void {
    const batch = this.#options.batchSpan();
    this.#forget(deleted);
    for (const { id, message } of stored) this.#gather({ id, message, batch });
  }

  /** The once-a-minute turn: announces the due seconds that come into the next hour. Never rejects. */
  announceComing(): Promise<void> {
    this.#announcing = this.#announceComing();
    return this.#announcing;
  }

  async #announceComing(): Promise<void> {
    try {
      for (const { id, message } of await this.#options.table.announceComing())
        this.#gather({ id, message: { ...message, facts: [] } });
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'coming due seconds were not announced; the next turn will');
    }
  }

  /** Too much waits for the broker to take on more. */
  isOverloaded(): boolean {
    return this.#relay.depth() > maxRows;
  }

  /**
   * The broker is there (again), with a stream of due seconds that it has had since then. When it has lost the one it
   * had, everything that comes within the hour is announced again.
   */
  async brokerReturned(streamSince: string): Promise<void> {
    this.#dueSeconds.forget();
    this.#relay.startOver();
    if (await this.#options.table.noteStream(streamSince)) await this.announceComing();
  }

  /** Waits for what is on its way and deletes what was acknowledged. The rest is the relay's, here or elsewhere. */
  async stop(): Promise<void> {
    await this.#announcing;
    await this.#relay.stop();
    this.#publishGathered();
    this.#waitingDues.clear();
    while (this.#inFlight.event.size + this.#inFlight.due.size > 0) await delay(drainPollMs);
    clearTimeout(this.#idleTimer);
    await this.#deleteAcknowledged();
  }

  #isUnderWay(id: bigint): boolean {
    return this.#inFlight.event.has(id) || this.#inFlight.due.has(id) || this.#waitingDues.has(id);
  }

  #gather(row: OutgoingRow): void {
    const { topic } = row.message;
    if (this.#inFlight[topic].size >= maxInFlight) {
      if (topic === 'due' && this.#waitingDues.size < maxWaitingDues) this.#waitingDues.set(row.id, row);
      return;
    }
    this.#inFlight[topic].add(row.id);
    this.#gathered.push(row);
    // Nobody waits for it, while answers do: a broker that syncs each message has less to do, and passes them on at once.
    this.#gatherTimer ??= setTimeout(() => this.#publishGathered(), gatherMs);
  }

  #gatherWaiting(): void {
    for (const [id, row] of this.#waitingDues) {
      if (this.#inFlight.due.size >= maxInFlight) return;
      this.#waitingDues.delete(id);
      this.#gather(row);
    }
  }

  #publishGathered(): void {
    clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
    const rows = this.#gathered;
    this.#gathered = [];
    void this.#send(rows);
  }

  /** @returns of each row whether the broker has all of it. */
  #send(rows: readonly OutgoingRow[]): Promise<boolean[]> {
    const sendings = new Map<bigint, Promise<boolean>[]>();
    for (const { id, message } of rows) {
      this.#inFlight[message.topic].add(id);
      sendings.set(id, []);
    }
    for (const outgoing of gatherRows(rows, this.#options.maxPayload())) {
      const sending = this.#publish(outgoing);
      for (const { id } of outgoing.rows) sendings.get(id)?.push(sending);
    }
    return Promise.all(rows.map((row) => this.#sent(row, sendings.get(row.id) ?? [])));
  }

  async #sent({ id, message }: OutgoingRow, parts: readonly Promise<boolean>[]): Promise<boolean> {
    const isSent = (await Promise.all(parts)).every(Boolean) && parts.length > 0;
    this.#inFlight[message.topic].delete(id);
    this.#gatherWaiting();
    if (!isSent) return false;
    this.#acknowledged.push(id);
    this.#deleteSoon();
    return true;
  }

  /** @returns whether the broker has it. */
  async #publish({ topic, messageId, payload, rows }: BrokerMessage): Promise<boolean> {
    const subject = subjectOf[topic];
    const startedAtMs = performance.now();
    try {
      await inPublishSpan(rows, subject, messageId, (span) =>
        this.#options.jetstream.publish(subject, payload, {
          msgID: messageId,
          timeout: publishTimeoutMs,
          ...traceHeaders(traceparentOf(span)),
        }),
      );
      this.#options.metrics.natsRequestDuration.record(
        secondsSince(startedAtMs),
        messagingAttributes(subject, 'send'),
      );
      if (topic === 'due') this.#dueSeconds.acknowledged(messageId);
      return true;
    } catch (error) {
      const reason = messageOf(error);
      const level = this.#isWarningDue(reason) ? 'warn' : 'debug';
      this.#options.logger[level](
        { reason, topic },
        'the broker took no message; it is sent again until it does. When this repeats, see how NATS is',
      );
      return false;
    }
  }

  #deleteSoon(): void {
    this.#idleTimer ??= setTimeout(() => {
      this.#idleTimer = undefined;
      void this.#deleteAcknowledged();
    }, idleDeleteMs).unref();
  }

  async #deleteAcknowledged(): Promise<void> {
    const ids = this.acknowledgedIds();
    if (ids.length === 0) return;
    try {
      await this.#options.table.delete(ids);
      this.#forget(ids);
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'acknowledged outbox rows could not be deleted yet');
      this.#deleteSoon();
    }
  }

  #forget(deleted: readonly bigint[]): void {
    if (deleted.length === 0) return;
    const gone = new Set(deleted);
    this.#acknowledged = this.#acknowledged.filter((id) => !gone.has(id));
  }
}

/** Below the first sampled batch that wrote a part of the message, and linked to the others. */
function inPublishSpan<T>(
  rows: readonly OutgoingRow[],
  subject: string,
  messageId: string,
  publish: (span?: Span) => Promise<T>,
): Promise<T> {
  const [first, ...others] = rows.flatMap(({ batch }) => batch ?? []);
  if (first === undefined) return publish();
  const attributes = {
    ...messagingAttributes(subject, 'send'),
    [attributeNames.messagingMessageId]: messageId,
  };
  const options = { kind: SpanKind.PRODUCER, attributes, links: others.map(linkTo) };
  return inChildSpan(first, spanNames.send(subject), options, publish);
}
