import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { warningThrottle } from './warning-throttle.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('each text is due at once, and again when its time is over', () => {
  const isDue = warningThrottle(5_000);
  expect([isDue('a'), isDue('a'), isDue('b')]).toEqual([true, false, true]);
  jest.advanceTimersByTime(4_999);
  expect(isDue('a')).toBe(false);
  jest.advanceTimersByTime(1);
  expect([isDue('a'), isDue('a')]).toEqual([true, false]);
});
