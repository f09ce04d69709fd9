import { eventsStream } from '../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../shared/messaging/connect.ts';
import { consumeStream } from '../../shared/messaging/consume-stream.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';

/** Takes and acknowledges what comes on the stream of facts; `taken` has the texts, in the order in which they came. */
export function consumeEvents(options: {
  readonly link: NatsLink;
  readonly streamReplicas: number;
  readonly consumer: string;
  readonly stopping: AbortSignal;
  readonly onOpen?: () => void;
}): { readonly taken: readonly string[]; readonly ended: Promise<void> } {
  const taken: string[] = [];
  const ended = consumeStream({
    ...options,
    stream: eventsStream,
    ackWaitMs: 30_000,
    maxAckPending: 16,
    maxMessages: 16,
    usualDeliveries: 1,
    logger: createLogger('test', 'silent'),
    metrics: createMetrics(),
    onMessage: (message) => {
      taken.push(message.string());
      message.ack();
    },
  });
  return { taken, ended };
}
