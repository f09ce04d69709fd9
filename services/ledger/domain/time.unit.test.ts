import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseTimestamp } from '../store/session.ts';
import { addMillis, ceilToSecond, formatMicros, formatSecond, parseTime, type Micros } from './time.ts';

/** 1970 to 2255: as far as microseconds are exact in a number. */
const micros = fc.integer({ min: 0, max: 9_000_000_000_000_000 }).map((value) => value as Micros);

describe('times', () => {
  test('read back what they write, to the microsecond', () => {
    fc.assert(
      fc.property(micros, (time) => {
        const text = formatMicros(time);
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        // As Postgres writes it, which leaves out zeros at the end.
        const [seconds, fraction = ''] = text.slice(0, -1).replace('T', ' ').split('.');
        const trimmed = fraction.replace(/0+$/, '');
        expect(parseTimestamp(`${seconds}${trimmed === '' ? '' : `.${trimmed}`}+00`)).toBe(time);
        expect(parseTime(text)).toBe(time - (time % 1000));
      }),
    );
  });

  test('are rounded up to whole seconds, never down and never by a second or more', () => {
    fc.assert(
      fc.property(micros, (time) => {
        const second = ceilToSecond(time);
        expect(second % 1_000_000).toBe(0);
        expect(second - time).toBeGreaterThanOrEqual(0);
        expect(second - time).toBeLessThan(1_000_000);
        expect(parseTime(formatSecond(second))).toBe(second);
      }),
    );
  });

  test('take fractions of a millisecond', () => {
    expect(addMillis(1_000_000 as Micros, 0.5)).toBe(1_000_500);
  });
});
