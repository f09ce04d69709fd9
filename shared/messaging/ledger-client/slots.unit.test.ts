import { expect, test } from '@jest/globals';
import { Slots } from './slots.ts';

test('a value is there until it is taken, and its key never comes again', () => {
  const slots = new Slots<string>();
  const first = slots.add('first');
  const second = slots.add('second');
  expect(slots.size).toBe(2);
  expect(slots.take(first)).toBe('first');
  expect([slots.has(first), slots.take(first)]).toEqual([false, undefined]);
  const third = slots.add('third');
  expect(third).not.toBe(first);
  expect([slots.has(first), slots.take(first)]).toEqual([false, undefined]);
  expect(new Map(slots)).toEqual(
    new Map([
      [second, 'second'],
      [third, 'third'],
    ]),
  );
  expect(slots.size).toBe(2);
});

test('what is no key finds nothing', () => {
  const slots = new Slots<string>();
  slots.add('only');
  for (const key of [NaN, -1, 0.5, Infinity, 7, 2 ** 53]) expect(slots.take(key)).toBeUndefined();
  expect(slots.size).toBe(1);
});

test('values may be taken and come while all are looked at', () => {
  const slots = new Slots<number>();
  for (let value = 0; value < 10; value += 1) slots.add(value);
  const seen: number[] = [];
  for (const [key, value] of slots) {
    seen.push(value);
    slots.take(key);
    if (value < 10) slots.add(value + 10);
  }
  expect(seen.slice(0, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(slots.size).toBe(10);
});
