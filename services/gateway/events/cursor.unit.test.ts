import { describe, expect, test } from '@jest/globals';
import { afterSchema, endOf, formatCursor, goOn, oldest, type Cursor } from './cursor.ts';

const since = Date.UTC(2026, 0, 31);
const state = { since, first: 5, last: 9 };
const at = (sequence: number, index = 0): Cursor => ({ sequence, index, since });

describe('the id of an event', () => {
  test.each([at(1), at(1_234, 7), { sequence: 999_999_999_999_999, index: 999_999, since: 1 }])(
    'is read as it was written: %j',
    (cursor) => {
      expect(afterSchema.parse(formatCursor(cursor))).toEqual(cursor);
    },
  );

  test.each([
    '',
    '1',
    '1-0',
    '1-0-',
    '-1-0-a',
    '1-0-A',
    '1-0-a ',
    '1-0-a-b',
    '1234567890123456-0-a',
    'newest',
  ])('is not %j', (text) => {
    expect(afterSchema.safeParse(text).success).toBe(false);
  });

  test('may be the word for the beginning', () => {
    expect(afterSchema.parse('oldest')).toBe(oldest);
  });
});

describe('going on', () => {
  test('behind what was had, within what there is', () => {
    for (const cursor of [at(5), at(7), at(7, 3), at(10)]) {
      expect(goOn(cursor, state)).toEqual({ next: cursor, gap: undefined });
    }
  });

  test('behind the end of a stream of which nothing is left is no gap', () => {
    expect(goOn(at(10), { since, first: 10, last: 9 })).toEqual({ next: at(10), gap: undefined });
  });

  test('with what is no longer kept is a gap, from the oldest on', () => {
    for (const cursor of [at(4), at(4, 1), at(1)]) {
      expect(goOn(cursor, state)).toEqual({ next: at(5), gap: expect.stringContaining('no longer kept') });
    }
  });

  test('behind more than the broker has is a gap, from the end on', () => {
    for (const cursor of [at(11), at(10, 1)]) {
      expect(goOn(cursor, state)).toEqual({ next: at(10), gap: expect.stringContaining('lost') });
    }
  });

  test('in a stream that was made anew is a gap, from its beginning on', () => {
    for (const sequence of [3, 7, 20]) {
      const { next, gap } = goOn({ ...at(sequence), since: since - 1 }, state);
      expect([next, gap]).toEqual([at(5), expect.stringContaining('lost')]);
    }
  });

  test('from the beginning is no gap, also where there is nothing yet', () => {
    expect(goOn(oldest, state)).toEqual({ next: at(5), gap: undefined });
    const empty = { since, first: 0, last: 0 };
    expect(goOn(oldest, empty)).toEqual({ next: at(1), gap: undefined });
    expect(goOn(endOf(empty), empty)).toEqual({ next: at(1), gap: undefined });
  });
});
