import type { JournalEntry } from './books.ts';

/** When an entry can have been made, as far as its callers know. */
export interface EntryWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * An account's versions against real time. Version v can't be older than what any version before it is, nor younger
 * than any version after it: so both bounds only ever grow with the version, and where they cross, the order of versions
 * contradicts the order in which callers saw things happen.
 */
export class Timeline {
  /** Not there before; at index v − 1 for version v. */
  readonly #fromMs: number[] = [];
  readonly #untilMs: number[] = [];
  /** Versions that can't be where they are. */
  readonly contradictions: { readonly version: number; readonly byMs: number }[] = [];

  constructor(journal: readonly JournalEntry[], windowOf: (entry: JournalEntry) => EntryWindow) {
    let latestFromMs = -Infinity;
    for (const entry of journal) {
      const { fromMs, untilMs } = windowOf(entry);
      latestFromMs = Math.max(latestFromMs, fromMs);
      this.#fromMs.push(latestFromMs);
      this.#untilMs.push(untilMs);
      if (untilMs < latestFromMs) {
        this.contradictions.push({ version: entry.seq, byMs: latestFromMs - untilMs });
      }
    }
    for (let index = this.#untilMs.length - 2; index >= 0; index -= 1) {
      this.#untilMs[index] = Math.min(this.#untilMs[index] ?? Infinity, this.#untilMs[index + 1] ?? Infinity);
    }
  }

  /** The versions that somebody can have met who came at `fromMs` and left at `untilMs`; 0 is no account yet. */
  versionsBetween(fromMs: number, untilMs: number): { readonly oldest: number; readonly newest: number } {
    return {
      oldest: countUpTo(this.#untilMs, (ms) => ms < fromMs),
      newest: countUpTo(this.#fromMs, (ms) => ms <= untilMs),
    };
  }
}

/** How many of a list, from its beginning, are so; once one is not, none is. */
function countUpTo(list: readonly number[], isSo: (value: number) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isSo(list[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}
