import { setTimeout as delay } from 'node:timers/promises';

/**
 * Does `work` until it succeeds, however often that takes: for what a service can't start without.
 *
 * @throws what `onError` throws, and the reason of `stopping` once that is aborted.
 */
export async function retryUntilDone<T>(
  work: () => Promise<T>,
  options: {
    /** Pause after each failure. */
    readonly delayMs: number;
    readonly stopping?: AbortSignal | undefined;
    /** Told of each failure. Throws when trying again would not help. */
    readonly onError: (error: unknown) => void;
  },
): Promise<T> {
  const { delayMs, stopping, onError } = options;
  for (;;) {
    stopping?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      stopping?.throwIfAborted();
      onError(error);
    }
    await delay(delayMs, undefined, stopping === undefined ? {} : { signal: stopping });
  }
}
