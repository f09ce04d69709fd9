import type { JsMsg } from '@nats-io/jetstream';
import { holdDueSchema } from '../../../shared/contracts/events.ts';
import { holdsStream, settlerConsumer } from '../../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { consumeStream } from '../../../shared/messaging/consume-stream.ts';
import { sentTraceparent } from '../../../shared/messaging/trace-headers.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import type { DueMessage } from '../due-queue.ts';

/** Without a sign of life for so long, a message goes to another settler. */
const ackWaitMs = 30_000;

/** Parked messages count as outstanding, and there are up to 3,600 of each ledger (one per second of the next hour). */
const maxAckPending = 100_000;

/** Messages asked for ahead; parked ones leave again at once. */
const maxMessages = 500;

/**
 * No message is parked for longer, and comes back to be parked again. Times within the hour are all that is announced;
 * of a time centuries away the broker would not take the delay, and deliver the message again at once, for ever.
 */
const maxParkMs = 60 * 60 * 1000;

/** Until the ledger has told its time. Our own clock may be wrong, and a message parked by it come back too late. */
const timeUnknownMs = 1_000;

/** What can't be read is left alone for so long: a newer settler may understand it. */
const unreadableDelayMs = 60_000;

/** At once, to be parked, and when it is due. */
const usualDeliveries = 2;

interface DueConsumerOptions {
  readonly link: NatsLink;
  readonly streamReplicas: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'redeliveries'>;
  readonly stopping: AbortSignal;
  /** The time that the books go by, in ms since 1970. */
  readonly now: () => number | undefined;
  /** The broker is there, or there again; what it had may be lost. */
  readonly onOpen: () => void;
  readonly onDue: (message: DueMessage) => void;
  /** As of `consumeStream`. */
  readonly keepAlive: () => void;
}

/**
 * Takes the messages of `balance.hold.due`. The broker delivers each at once; one whose time has not come is parked
 * there with a delay, and comes back when it has. Runs until the service stops.
 */
export async function consumeDue(options: DueConsumerOptions): Promise<void> {
  const { link, streamReplicas, logger, metrics, stopping, onOpen, keepAlive } = options;
  await consumeStream({
    link,
    stream: holdsStream,
    streamReplicas,
    consumer: settlerConsumer,
    ackWaitMs,
    maxAckPending,
    maxMessages,
    usualDeliveries,
    logger,
    metrics,
    stopping,
    onOpen,
    onMessage: (message) => take(message, options),
    keepAlive,
  });
}

function take(message: JsMsg, { logger, now, onDue }: DueConsumerOptions): void {
  const due = readDue(message);
  if (due === undefined) {
    logger.error(
      { seq: message.seq },
      'a due message can’t be read: run a settler as new as the ledger; the once-a-minute turn settles its holds',
    );
    message.nak(unreadableDelayMs);
    return;
  }
  const nowMs = now();
  const waitMs = nowMs === undefined ? timeUnknownMs : Math.ceil(Date.parse(due) - nowMs);
  if (waitMs > 0) {
    message.nak(Math.min(waitMs, maxParkMs));
    return;
  }
  onDue({
    dueAt: due,
    traceparent: sentTraceparent(message),
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
