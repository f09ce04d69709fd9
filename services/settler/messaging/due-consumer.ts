import { AckPolicy, jetstream, jetstreamManager, type Consumer, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';
import { holdDueSchema } from '../../../shared/contracts/events.ts';
import { holdsStream, settlerConsumer } from '../../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { ensureStreams } from '../../../shared/messaging/streams.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { DueMessage } from '../due-queue.ts';

/** Without a sign of life for so long, a message goes to another settler. */
const ackWaitMs = 30_000;

/** Parked messages count as outstanding, and there are about 3,600 of them (one per second of the next hour). */
const maxAckPending = 100_000;

/** Messages asked for ahead; parked ones leave again at once. */
const maxMessages = 500;

/** After the broker was lost, or has lost its streams. */
const tryAgainMs = 500;

/** What can't be read is left alone for so long: a newer settler may understand it. */
const unreadableDelayMs = 60_000;

interface DueConsumerOptions {
  readonly link: NatsLink;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  /** The ledger's time in ms since 1970. */
  readonly now: () => number | undefined;
  readonly onDue: (message: DueMessage) => void;
}

/**
 * Takes the messages of `balance.hold.due`. The broker delivers each at once; one whose time has not come is parked
 * there with a delay, and comes back when it has. Runs until the service stops, and makes stream and consumer anew
 * when the broker has lost them.
 */
export async function consumeDue(options: DueConsumerOptions): Promise<void> {
  const { link, logger, stopping } = options;
  while (!stopping.aborted) {
    try {
      const consumer = await openConsumer(link);
      const messages = await consumer.consume({ max_messages: maxMessages, abort_on_missing_resource: true });
      const stop = (): void => messages.stop();
      stopping.addEventListener('abort', stop, { once: true });
      for await (const message of messages) take(message, options);
      stopping.removeEventListener('abort', stop);
    } catch (error) {
      if (stopping.aborted) return;
      logger.warn({ err: error }, 'can’t take due messages from the broker; trying again');
    }
    await delay(tryAgainMs, undefined, { signal: stopping }).catch(() => undefined);
  }
}

async function openConsumer(link: NatsLink): Promise<Consumer> {
  await ensureStreams(link.connection);
  const manager = await jetstreamManager(link.connection);
  await manager.consumers.add(holdsStream, {
    durable_name: settlerConsumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: maxAckPending,
    // The message is only a reminder: it comes again until it is heard.
    max_deliver: -1,
  });
  return jetstream(link.connection).consumers.get(holdsStream, settlerConsumer);
}

function take(message: JsMsg, { logger, now, onDue }: DueConsumerOptions): void {
  const due = readDue(message);
  if (due === undefined) {
    logger.error(
      { seq: message.seq },
      'a due message can’t be read; the once-a-minute turn settles its holds',
    );
    message.nak(unreadableDelayMs);
    return;
  }
  const waitMs = Date.parse(due) - (now() ?? Date.now());
  if (waitMs > 0) {
    message.nak(Math.ceil(waitMs));
    return;
  }
  onDue({
    dueAt: due,
    ack: () => message.ack(),
    nak: (delayMs) => message.nak(delayMs),
    working: () => message.working(),
  });
}

function readDue(message: JsMsg): string | undefined {
  try {
    return holdDueSchema.parse(message.json()).dueAt;
  } catch {
    return undefined;
  }
}
