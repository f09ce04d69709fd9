import { setTimeout as delay } from 'node:timers/promises';
import { holdsStream, settlerConsumer } from '../../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { manageStreams } from '../../../shared/messaging/streams.ts';
import { isMeasuring, type Metrics } from '../../../shared/telemetry/metrics.ts';

const intervalMs = 10_000;

/** Asks the broker every 10 s how many due messages it keeps for the settlers; nothing while metrics are off. */
export async function countParked(options: {
  link: NatsLink;
  metrics: Pick<Metrics, 'parkedMessages'>;
  stopping: AbortSignal;
}): Promise<void> {
  const { link, metrics, stopping } = options;
  if (!isMeasuring()) return;
  while (!stopping.aborted) {
    try {
      const manager = await manageStreams(link.connection);
      metrics.parkedMessages.record(
        (await manager.consumers.info(holdsStream, settlerConsumer)).num_ack_pending,
      );
    } catch {
      // No broker, or no consumer yet: whoever consumes says so.
    }
    await delay(intervalMs, undefined, { signal: stopping }).catch(() => undefined);
  }
}
