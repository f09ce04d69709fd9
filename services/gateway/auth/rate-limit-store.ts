import type { FastifyRateLimitStore } from '@fastify/rate-limit';

/** Callers that are counted at once; past them those whose window began first begin anew. */
const maxCallers = 20_000;

interface Window {
  requests: number;
  readonly beganMs: number;
}

/**
 * How often each caller has asked in its present window. The plugin's own store measures windows by the wall clock: were
 * that put back by ten minutes, callers would be refused for so long.
 */
export class RateLimitStore implements FastifyRateLimitStore {
  readonly #windows = new Map<string, Window>();
  /** Kept, since a new one would walk over all keys that were deleted. It skips none that is there: each that it gives is deleted at once. */
  readonly #inOrder = this.#windows.keys();

  /** Counts one request; `ttl` is how many milliseconds the window still lasts. */
  incr(
    caller: string,
    callback: (error: null, result: { current: number; ttl: number }) => void,
    windowMs: number,
  ): void {
    const nowMs = performance.now();
    const last = this.#windows.get(caller);
    const goesOn = last !== undefined && nowMs - last.beganMs < windowMs;
    const window = goesOn ? last : this.#begin(caller, nowMs);
    window.requests += 1;
    callback(null, { current: window.requests, ttl: windowMs - (nowMs - window.beganMs) });
  }

  /** The plugin wants one for routes with a limit of their own, which there are none of. */
  child(): RateLimitStore {
    return new RateLimitStore();
  }

  #begin(caller: string, nowMs: number): Window {
    // A map has its keys in the order in which they came.
    this.#windows.delete(caller);
    if (this.#windows.size >= maxCallers) {
      const { value: first } = this.#inOrder.next();
      if (first !== undefined) this.#windows.delete(first);
    }
    const window = { requests: 0, beganMs: nowMs };
    this.#windows.set(caller, window);
    return window;
  }
}
