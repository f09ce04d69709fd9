import { AckPolicy, DeliverPolicy, jetstream, type ConsumerMessages } from '@nats-io/jetstream';
import { createInbox, nanos } from '@nats-io/nats-core';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { manageStreams } from '../../../shared/messaging/streams.ts';
import { eventsStream } from '../../../shared/contracts/subjects.ts';

/** While there is nothing new the broker says this often that the consumer is there. When two of these are missing, it is not. */
const heartbeatMs = 2_000;
/** The broker takes a consumer away when nobody has listened for so long. */
const keptMs = 5_000;

/**
 * An ordered consumer: messages as they come, one after the other, none left out; when one is, it is over. Pushed, and
 * without a name: the broker names it, and deletes it by itself. The client's own ordered consumers are pulled and deleted by
 * names that are not known beforehand, and whoever may do that may do it to the durable consumers of others.
 */
export class LiveConsumer {
  readonly #messages: ConsumerMessages;

  private constructor(messages: ConsumerMessages, isOver: AbortSignal) {
    this.#messages = messages;
    const stop = (): void => messages.stop(isOver.reason as Error);
    if (isOver.aborted) stop();
    isOver.addEventListener('abort', stop, { once: true });
    void this.#watch();
  }

  /**
   * Begins with the message of this sequence; where the stream has none such yet, with the one that will have it.
   *
   * @param isOver ends it when it is aborted.
   */
  static async open(link: NatsLink, sequence: number, isOver: AbortSignal): Promise<LiveConsumer> {
    const manager = await manageStreams(link.connection);
    isOver.throwIfAborted();
    const pushed = { deliver_subject: createInbox(link.inboxPrefix), idle_heartbeat: nanos(heartbeatMs) };
    // It gives nothing before somebody listens.
    await manager.consumers.add(eventsStream, {
      ...pushed,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: sequence,
      ack_policy: AckPolicy.None,
      max_deliver: 1,
      flow_control: true,
      inactive_threshold: nanos(keptMs),
      mem_storage: true,
      num_replicas: 1,
    });
    const consumer = await jetstream(link.connection).consumers.getBoundPushConsumer(pushed);
    return new LiveConsumer(await consumer.consume({ abort_on_missing_resource: true }), isOver);
  }

  /** Hands on what comes, and what has come. Rejects when that is over. */
  async deliver(onMessage: (sequence: number, text: string) => void): Promise<never> {
    let given = 0;
    try {
      for await (const message of this.#messages) {
        const { deliverySequence, streamSequence } = message.info;
        given += 1;
        if (deliverySequence !== given) throw new Error('a message did not come');
        onMessage(streamSequence, message.string());
      }
    } finally {
      this.#messages.stop();
    }
    throw new Error('the broker has ended the consumer');
  }

  /** Ends it when the broker is silent, or says that it gave more than has come. */
  async #watch(): Promise<void> {
    for await (const notice of this.#messages.status()) {
      if (notice.type === 'heartbeats_missed') this.#messages.stop(new Error('the broker is silent'));
      else if (notice.type === 'heartbeat' && notice.lastConsumerSequence > this.#come)
        this.#messages.stop(new Error('a message did not come'));
    }
  }

  /** Messages that have come; `getReceived` counts none of those that wait to be taken from the iterator. */
  get #come(): number {
    return this.#messages.getProcessed() + this.#messages.getPending();
  }
}
