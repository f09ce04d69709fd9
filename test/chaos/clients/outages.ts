/** When each door last did what it is there for, and for how long at most it did not. */
export class Outages {
  readonly #lastMs = new Map<string, number>();
  #longest = { door: 'none', ms: 0 };
  #waiters: { readonly left: Set<string>; readonly done: () => void }[] = [];

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
      if (waiter.left.size === 0) waiter.done();
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
   * @returns after how many milliseconds; or the doors that have not within `limitMs`.
   */
  async untilAllServe(limitMs: number): Promise<{ readonly ms: number } | { readonly silent: string[] }> {
    const sinceMs = performance.now();
    const left = new Set(this.#lastMs.keys());
    let timer: NodeJS.Timeout | undefined;
    const served = new Promise<true>((resolve) => this.#waiters.push({ left, done: () => resolve(true) }));
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), limitMs);
    });
    const inTime = await Promise.race([served, late]);
    clearTimeout(timer);
    return inTime ? { ms: performance.now() - sinceMs } : { silent: [...left] };
  }
}
