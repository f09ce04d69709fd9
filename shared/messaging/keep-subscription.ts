import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';

/** A subscription that was refused is tried again after so long. */
const retryDelayMs = 1_000;

/** A subscription that outlives its refusals. */
export interface KeptSubscription {
  /** True from when the broker refuses it until it has taken it again. */
  readonly isRefused: () => boolean;
  /** Takes no new messages, and resolves when those that are here have been given to `onMessage`. */
  readonly drain: () => Promise<void>;
  readonly unsubscribe: () => void;
}

/**
 * A subscription that is made again when the broker refuses it: what a user may do can be mended while we run, and one server
 * of a cluster may know of it before another. The client (3.4) forgets what was refused, for good.
 */
export function keepSubscription(
  connection: NatsConnection,
  subject: string,
  options: {
    readonly queue?: string;
    readonly onMessage: (message: Msg) => void;
    /** Told once each time, not at each try. */
    readonly onRefused: (error: Error) => void;
  },
): KeptSubscription {
  const { onMessage, onRefused, ...rest } = options;
  let isRefused = false;
  let isOver = false;
  let retry: NodeJS.Timeout | undefined;
  let latest = subscribe();

  function subscribe(): Subscription {
    return connection.subscribe(subject, {
      ...rest,
      callback: (error, message) => {
        if (error === null) {
          onMessage(message);
          return;
        }
        if (!isRefused) onRefused(error);
        isRefused = true;
        retryLater();
      },
    });
  }

  function retryLater(): void {
    // What was sent before it was over may still be refused.
    if (isOver) return;
    retry = setTimeout(() => {
      if (connection.isClosed() || connection.isDraining()) return;
      latest = subscribe();
      void untilTaken(latest);
    }, retryDelayMs);
  }

  async function untilTaken(subscription: Subscription): Promise<void> {
    while (!subscription.isClosed() && !connection.isClosed()) {
      try {
        // The broker refuses it before it answers what was sent after it.
        await connection.flush();
        if (!subscription.isClosed()) isRefused = false;
        return;
      } catch {
        // The connection was lost meanwhile; it comes back with its subscriptions.
        await delay(retryDelayMs);
      }
    }
  }

  return {
    isRefused: () => isRefused,
    drain: async () => {
      isOver = true;
      clearTimeout(retry);
      if (!latest.isClosed()) await latest.drain();
    },
    unsubscribe: () => {
      isOver = true;
      clearTimeout(retry);
      if (!connection.isClosed()) latest.unsubscribe();
    },
  };
}
