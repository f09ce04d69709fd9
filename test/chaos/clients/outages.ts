/** Every door serves again. */
export interface Back {
  readonly ms: number;
  /** The door that took longest. */
  readonly last: string;
}

/** When each door last did what it is there for, and for how long at most it did not. */
export class Outages {
  readonly #lastMs = new Map<string, number>();
  #longest = { door: 'none', ms: 0 };
  #waiters: { readonly left: Set<string>; readonly done: (last: string) => void }[] = [];

  constructor(doors: readonly string[]) {
    for (const door of doors) this.#lastMs.set(door, performance.now());
  }

  succeeded(door: string): void {
    const nowMs = performance.now();
    const ms = nowMs - (this.#lastMs.get(door) ?? nowMs);
    if (ms > this.#longest.ms) this.#longest = { door, ms };
    this.#lastMs.set(door, nowMs);
    for (const waiter of this.#waiters) {
      waiter.left.delete(door);
      if (waiter.left.size === 0) waiter.done(door);
    }
    this.#waiters = this.#waiters.filter(({ left }) => left.size > 0);
  }

  /** The longest time in which a door gave no outcome. */
  get longest(): { readonly door: string; readonly ms: number } {
    return this.#longest;
  }

  /**
   * Waits until every door has given an outcome since now.
   *
   * @returns after how many milliseconds the last one did, and which; or those that have not within `limitMs`.
   */
  async untilAllServe(limitMs: number): Promise<Back | { readonly silent: string[] }> {
    const sinceMs = performance.now();
    const left = new Set(this.#lastMs.keys());
    let timer: NodeJS.Timeout | undefined;
    const last = new Promise<string>((resolve) => this.#waiters.push({ left, done: resolve }));
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), limitMs);
    });
    const door = await Promise.race([last, late]);
    clearTimeout(timer);
    return door === undefined ? { silent: [...left] } : { ms: performance.now() - sinceMs, last: door };
  }
}
