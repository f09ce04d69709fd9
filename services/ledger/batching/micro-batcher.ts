import type { Lane, WorkSource } from './lane.ts';

interface MicroBatcherOptions<Item> {
  /** At most so many items are processed together. */
  readonly maxBatch: number;
  /** At most so many items wait; more are turned away at once. */
  readonly maxWaiting: number;
  /** Must not reject. It returns what tells each item what became of it, see {@link WorkSource}. */
  readonly process: (items: readonly Item[]) => Promise<() => void>;
  readonly lane: Lane;
}

/**
 * Gathers what arrives while the previous batch is under way, and processes it together. Nobody waits for a batch to
 * fill: without traffic a batch is one item.
 */
export class MicroBatcher<Item> implements WorkSource {
  readonly #options: MicroBatcherOptions<Item>;
  #waiting: Item[] = [];
  #taken = 0;

  constructor(options: MicroBatcherOptions<Item>) {
    this.#options = options;
    options.lane.add(this);
  }

  /** @returns false when too many wait already; nothing will happen to the item then. */
  offer(item: Item): boolean {
    if (this.#waiting.length >= this.#options.maxWaiting) return false;
    this.#waiting.push(item);
    this.#options.lane.wake();
    return true;
  }

  /** Items that wait. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** Items that have had their turn. */
  get taken(): number {
    return this.#taken;
  }

  hasWork(): boolean {
    return this.#waiting.length > 0;
  }

  takeTurn(): Promise<() => void> {
    const batch = this.#waiting.slice(0, this.#options.maxBatch);
    this.#waiting = this.#waiting.slice(this.#options.maxBatch);
    this.#taken += batch.length;
    return this.#options.process(batch);
  }
}
