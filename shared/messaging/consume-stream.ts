import { AckPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';
import { attributeNames } from '../telemetry/conventions.ts';
import { messageOf } from '../telemetry/describe-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { countFromZero, type Metrics } from '../telemetry/metrics.ts';
import type { NatsLink } from './connect.ts';
import { ensureStreams, manageStreams } from './streams.ts';

/** After the broker was lost, or has lost its streams. */
const retryDelayMs = 250;

/**
 * Between heartbeats of the consumer's leader. The client (3.4) asks anew when two have not come: with its default of 15 s,
 * messages wait for 40 s whenever another server of the cluster takes over the consumer.
 */
const heartbeatMs = 1_000;
/** How long one request for messages is valid; the broker wants at least two heartbeats in that time. */
const pullExpiresMs = 5_000;

interface ConsumeOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** On how many servers it is made when it is not there. */
  readonly streamReplicas: number;
  /** The durable pull consumer that all instances of the service share. */
  readonly consumer: string;
  /** A message that is neither acknowledged nor worked on for so long goes to another instance. */
  readonly ackWaitMs: number;
  /** Messages that may be outstanding, parked ones included. */
  readonly maxAckPending: number;
  /** Messages asked for ahead. */
  readonly maxMessages: number;
  /** How often a message is delivered when all goes well. What comes on top is counted. */
  readonly usualDeliveries: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'redeliveries'>;
  readonly stopping: AbortSignal;
  /** Called whenever consuming begins (again): at the start, and after every loss of the broker. */
  readonly onOpen?: () => Promise<void> | void;
  /** Must not throw; acknowledges the message in its own time. */
  readonly onMessage: (message: JsMsg) => void;
  /** Called well within `ackWaitMs`: says of each message that is not done with that it is worked on. */
  readonly keepAlive?: () => void;
}

/**
 * Takes the messages of a stream until the service stops. Each time the connection to the broker comes back it begins anew,
 * with streams and consumer made again if need be: a broker may come back without its data.
 */
export async function consumeStream(options: ConsumeOptions): Promise<void> {
  const { keepAlive, ackWaitMs } = options;
  const timer = keepAlive && setInterval(keepAlive, ackWaitMs / 3);
  try {
    await consumeUntilStopped(options);
  } finally {
    clearInterval(timer);
  }
}

async function consumeUntilStopped(options: ConsumeOptions): Promise<void> {
  const { link, logger, stopping, onMessage } = options;
  const countRedelivery = countFromZero(options.metrics.redeliveries, {
    [attributeNames.messagingConsumerGroupName]: options.consumer,
  });
  let messages: ConsumerMessages | undefined;
  const stop = (): void => messages?.stop();
  stopping.addEventListener('abort', stop);
  void followReconnects(link, stop);
  while (!stopping.aborted) {
    try {
      messages = await open(options);
      await options.onOpen?.();
      if (stopping.aborted) stop();
      for await (const message of messages) {
        if (message.info.deliveryCount > options.usualDeliveries) countRedelivery();
        onMessage(message);
      }
    } catch (error) {
      if (stopping.aborted) return;
      logger.warn(
        { reason: messageOf(error), stream: options.stream },
        'can’t take messages of a stream; trying again. Is JetStream on, and has it room?',
      );
      await delay(retryDelayMs, undefined, { signal: stopping }).catch(() => undefined);
    } finally {
      // Otherwise a pull whose `onOpen` failed would go on, and ask for ever whether its consumer is there.
      stop();
      messages = undefined;
    }
  }
}

async function open(options: ConsumeOptions): Promise<ConsumerMessages> {
  const { link, stream, streamReplicas, consumer } = options;
  await ensureStreams(link.connection, streamReplicas, stream);
  const manager = await manageStreams(link.connection);
  await manager.consumers.add(stream, {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(options.ackWaitMs),
    max_ack_pending: options.maxAckPending,
    // Delivered again until it is acknowledged, however often that takes.
    max_deliver: -1,
  });
  const pull = await jetstream(link.connection).consumers.get(stream, consumer);
  return pull.consume({
    max_messages: options.maxMessages,
    abort_on_missing_resource: true,
    expires: pullExpiresMs,
    idle_heartbeat: heartbeatMs,
  });
}

async function followReconnects(link: NatsLink, onReconnect: () => void): Promise<void> {
  for await (const { type } of link.connection.status()) if (type === 'reconnect') onReconnect();
}
