import { expect, test } from '@jest/globals';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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

test('what was taken does not live on among long-lived objects, also after a full collection', () => {
  setFlagsFromString('--expose-gc');
  // As in the services, see run-service.ts.
  setFlagsFromString('--no-allocation-site-pretenuring');
  const collect = runInNewContext('gc') as () => void;
  const slots = new Slots<{ readonly text: string; readonly numbers: number[] }>();
  const underWay: number[] = [];
  const pass = (times: number): void => {
    for (let time = 0; time < times; time += 1) {
      underWay.push(slots.add({ text: `${time}`, numbers: Array.from({ length: 20 }, () => time) }));
      if (underWay.length > 20) slots.take(underWay.shift() ?? NaN);
    }
  };
  pass(1_000);
  collect();
  const before = longLivedBytes();
  pass(200_000);
  // All that passed is some 50 MB, of which a Set leaves 20.
  expect(longLivedBytes() - before).toBeLessThan(4 * 1024 * 1024);
});

function longLivedBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space');
  return space?.space_used_size ?? NaN;
}
