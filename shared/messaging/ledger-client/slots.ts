/** Far more than are ever under way at once. */
const maxSlots = 2 ** 20;

/** A key is its slot and how many came before it, counted anew after so many: both fit into a number's 53 bits. */
const countsPerCycle = 2 ** 33;

interface Filled<Value> {
  readonly key: number;
  readonly value: Value;
}

/**
 * Values that come and go by the thousand each second, by keys of their own, each greater than the one before. After
 * eight billion they begin anew.
 *
 * This is no Map or Set because of what V8 (11.3, in Node.js 20) does with theirs: after some additions it makes a new
 * table, to which the old one points. Once one of these tables has got into the part of the heap that is seldom
 * collected, it keeps all later ones and what is in them from being collected with the short-lived objects, and makes
 * these collections many times as long: see docs/performance.md.
 */
export class Slots<Value> {
  #slots: (Filled<Value> | undefined)[] = [];
  #free: number[] = [];
  #given = 0;

  /** How many values are there. */
  get size(): number {
    return this.#slots.length - this.#free.length;
  }

  /** @throws RangeError when more than a million are there. */
  add(value: Value): number {
    const slot = this.#free.pop() ?? this.#slots.length;
    if (slot === maxSlots) throw new RangeError(`there are ${maxSlots} values already`);
    const key = this.#given * maxSlots + slot;
    this.#given = (this.#given + 1) % countsPerCycle;
    this.#slots[slot] = { key, value };
    return key;
  }

  has(key: number): boolean {
    return this.#slots[key % maxSlots]?.key === key;
  }

  /** The value, which is gone from here then; undefined when it has gone before, and for anything that is no key. */
  take(key: number): Value | undefined {
    const slot = key % maxSlots;
    const filled = this.#slots[slot];
    if (filled?.key !== key) return undefined;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    // After a burst nobody should look through its empty slots for ever.
    if (this.size === 0) [this.#slots, this.#free] = [[], []];
    return filled.value;
  }

  /** Each key with its value, in no order. Any may be taken meanwhile. */
  *[Symbol.iterator](): IterableIterator<[key: number, value: Value]> {
    for (const filled of this.#slots) if (filled !== undefined) yield [filled.key, filled.value];
  }
}
