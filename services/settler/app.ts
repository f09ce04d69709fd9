import { setTimeout as delay } from 'node:timers/promises';
import { holdDueSubject } from '../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../shared/messaging/connect.ts';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { attributeNames, messagingAttributes, spanNames } from '../../shared/telemetry/conventions.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import {
  isTracing,
  linksTo,
  recordFault,
  SpanKind,
  startRootSpan,
  type Span,
} from '../../shared/telemetry/tracing.ts';
import { DueQueue, type DueMessage } from './due-queue.ts';
import { countParked } from './messaging/count-parked.ts';
import { consumeDue } from './messaging/due-consumer.ts';
import { settleDue } from './settle-due.ts';

/** The turn that needs no message, for what a lost message would have announced. Also at the start, and after a loss. */
const sweepEveryMs = 60_000;

/** Where a test clock was moved: what was parked before that comes back by the time of before. */
const movedClockEveryMs = 1_000;

/** Given back to the broker when the service stops in the middle of it: another settler, or the next start, takes it. */
const giveBackMs = 1_000;

export interface Settler {
  /** What is missing to settle; empty when nothing is. */
  readonly missing: () => string[];
  /** Resolves when the service was asked to stop and all work has ended. */
  readonly ended: Promise<unknown>;
}

/** Puts the settler together: due messages → queue → workers → ledger; and the once-a-minute turn. */
export function createSettler(options: {
  link: NatsLink;
  streamReplicas: number;
  client: LedgerClient;
  workers: number;
  logger: Logger;
  metrics: Metrics;
  stopping: AbortSignal;
}): Settler {
  const { link, streamReplicas, client, workers, logger, metrics, stopping } = options;

  const queue = new DueQueue({
    workers,
    settle: async (messages) => {
      const span = isTracing() ? startDueSpan(messages) : undefined;
      try {
        await settleDue({ client, until: latestOf(messages), stopping, parentSpan: span });
        for (const message of messages) message.ack();
      } catch (error) {
        for (const message of messages) message.nak(giveBackMs);
        // Only a stop should end settling early.
        if (!stopping.aborted)
          logger.error({ err: error }, 'due holds are tried again, after a fault of ours');
        if (span !== undefined) recordFault(span, error);
      } finally {
        span?.end();
      }
    },
  });

  /** What is due now, whoever announced it; asked to stop, it leaves the rest to the next start. */
  const settleNow = async ({ sweep: isSweep }: { readonly sweep: boolean }): Promise<number> => {
    try {
      return await settleDue({ client, sweep: isSweep, stopping });
    } catch (error) {
      if (!stopping.aborted) throw error;
      return 0;
    }
  };

  const sweep = coalesced(async () => {
    const settled = await settleNow({ sweep: true });
    if (settled > 0) logger.info({ settled }, 'holds were settled that no message had announced');
  });

  const settleByMovedClock = async (): Promise<void> => {
    if (client.isClockMoved()) await settleNow({ sweep: false });
  };

  const ended = Promise.all([
    consumeDue({
      link,
      streamReplicas,
      logger,
      metrics,
      stopping,
      now: () => client.booksNow(),
      onOpen: () => void sweep(),
      onDue: (message) => queue.add(message),
      keepAlive: () => queue.keepAlive(),
    }),
    every(sweepEveryMs, sweep, stopping),
    every(movedClockEveryMs, settleByMovedClock, stopping),
    countParked({ link, metrics, stopping }),
  ]);
  return { ended: ended.then(() => queue.idle()), missing: () => client.missing() };
}

/**
 * Runs a task one at a time. Calls that come while it runs share one further run, which begins after it: a connection that
 * is lost and found many times must not lead to as many runs.
 */
function coalesced(task: () => Promise<void>): () => Promise<void> {
  let current = Promise.resolve();
  let next: Promise<void> | undefined;
  return () =>
    (next ??= current
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        current = task();
        return current;
      }));
}

async function every(ms: number, task: () => Promise<void>, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    await delay(ms, undefined, { signal: stopping }).catch(() => undefined);
    if (!stopping.aborted) await task();
  }
}

/** All are whole seconds in one format, so their order is that of their texts. */
function latestOf(messages: readonly DueMessage[]): string {
  return messages.reduce((latest, { dueAt }) => (dueAt > latest ? dueAt : latest), '');
}

function startDueSpan(messages: readonly DueMessage[]): Span | undefined {
  return startRootSpan(spanNames.process(holdDueSubject), {
    kind: SpanKind.CONSUMER,
    links: linksTo(messages.map(({ traceparent }) => traceparent)),
    attributes: {
      ...messagingAttributes(holdDueSubject, 'process'),
      [attributeNames.messagingBatchMessageCount]: messages.length,
    },
  });
}
