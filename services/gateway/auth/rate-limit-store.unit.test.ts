import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RateLimitStore } from './rate-limit-store.ts';

const windowMs = 1_000;

describe('the callers that are counted', () => {
  let callers: RateLimitStore;
  let nowMs: number;
  beforeEach(() => {
    callers = new RateLimitStore();
    nowMs = 5_000.25;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** Requests of the caller's window, with this one, and how long it still lasts. */
  function count(caller: string): [current: number, ttl: number] {
    let answer: [number, number] = [0, 0];
    callers.incr(caller, (_, { current, ttl }) => (answer = [current, ttl]), windowMs);
    return answer;
  }

  test('are counted each by itself, and begin anew when their window is over', () => {
    expect(count('a')).toEqual([1, 1_000]);
    nowMs += 400;
    expect(count('a')).toEqual([2, 600]);
    expect(count('b')).toEqual([1, 1_000]);
    nowMs += 599;
    expect(count('a')).toEqual([3, 1]);
    nowMs += 1;
    expect(count('a')).toEqual([1, 1_000]);
    expect(count('b')).toEqual([2, 400]);
  });

  test.each([
    ['back', -600_000],
    ['forward', 600_000],
  ])('are counted the same when the clock is put %s', (_, byMs) => {
    const trueNow = Date.now;
    expect(count('a')).toEqual([1, 1_000]);
    jest.spyOn(Date, 'now').mockImplementation(() => trueNow() + byMs);
    nowMs += 400;
    expect(count('a')).toEqual([2, 600]);
    nowMs += 600;
    expect(count('a')).toEqual([1, 1_000]);
  });

  test('are 20,000 at most: the one whose window began first begins anew', () => {
    count('first');
    count('second');
    nowMs += windowMs;
    count('first');
    for (let i = 2; i < 20_000; i += 1) count(`another ${i}`);
    nowMs += 1;
    // This takes the place of the second, whose window was over longest ago.
    count('one more');
    expect(count('first')).toEqual([2, 999]);
    count('and one more');
    expect(count('first')).toEqual([1, 1_000]);
  });

  test('are not those of a route with a limit of its own', () => {
    count('a');
    const own = callers.child();
    own.incr('a', (_, { current }) => expect(current).toBe(1), windowMs);
    expect(count('a')).toEqual([2, 1_000]);
  });
});
