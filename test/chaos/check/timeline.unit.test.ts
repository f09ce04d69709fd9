import { describe, expect, test } from '@jest/globals';
import type { JournalEntry } from './books.ts';
import { Timeline, type EntryWindow } from './timeline.ts';

function timeline(...windows: readonly EntryWindow[]): Timeline {
  const journal = windows.map((_, index) => ({ seq: index + 1 }) as JournalEntry);
  return new Timeline(journal, ({ seq }) => windows[seq - 1] ?? { fromMs: -Infinity, untilMs: Infinity });
}

describe('the order of versions', () => {
  test('may be any where calls overlap', () => {
    expect(timeline({ fromMs: 5, untilMs: 9 }, { fromMs: 0, untilMs: 6 }).contradictions).toEqual([]);
  });

  test('contradicts time when the later version was answered before the earlier one was asked for', () => {
    const { contradictions } = timeline({ fromMs: 5, untilMs: 9 }, { fromMs: 0, untilMs: 4 });
    expect(contradictions).toEqual([{ version: 2, byMs: 1 }]);
  });

  test('contradicts time also past versions whose time nobody knows', () => {
    const anyTime = { fromMs: -Infinity, untilMs: Infinity };
    const { contradictions } = timeline({ fromMs: 5, untilMs: 9 }, anyTime, { fromMs: 0, untilMs: 4 });
    expect(contradictions).toEqual([{ version: 3, byMs: 1 }]);
  });
});

describe('who looks', () => {
  const line = timeline(
    { fromMs: 0, untilMs: 2 },
    { fromMs: 3, untilMs: 6 },
    { fromMs: 4, untilMs: Infinity },
  );

  test('sees all that was answered before, and nothing that was asked for later', () => {
    expect(line.versionsBetween(-2, -1)).toEqual({ oldest: 0, newest: 0 });
    expect(line.versionsBetween(2.5, 2.5)).toEqual({ oldest: 1, newest: 1 });
    expect(line.versionsBetween(3, 3.5)).toEqual({ oldest: 1, newest: 2 });
    expect(line.versionsBetween(5, 5)).toEqual({ oldest: 1, newest: 3 });
    expect(line.versionsBetween(7, 8)).toEqual({ oldest: 2, newest: 3 });
  });
});
