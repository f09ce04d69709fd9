import { describe, expect, test } from '@jest/globals';
import { plan, type Episode } from './plan.ts';
import { Random } from './random.ts';

const shape = { gateway: 2, ledger: 3, settler: 2 };

function episodes(seed: number, count: number, withDisks = true): Episode[] {
  const schedule = plan(new Random(seed), shape, withDisks);
  return Array.from({ length: count }, () => schedule.next().value as Episode);
}

describe('a plan', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(episodes(7, 50)).toEqual(episodes(7, 50));
    expect(episodes(8, 50)).not.toEqual(episodes(7, 50));
  });

  test('begins with each kind alone, on both servers, and some together', () => {
    const first = episodes(1, 27);
    const alone = first.flatMap(({ faults: [only, ...more] }) =>
      only === undefined || more.length > 0 ? [] : [only.fault],
    );
    expect(new Set(alone.map(({ kind }) => kind)).size).toBe(15);
    expect(alone.filter(({ kind }) => kind === 'full disk')).toHaveLength(2);
    expect(first.filter(({ faults }) => faults.length > 1)).toHaveLength(9);
  });

  test('fills no disk where none can be filled', () => {
    const faults = episodes(1, 300, false).flatMap((episode) => episode.faults);
    expect(faults.filter(({ fault }) => fault.kind === 'full disk')).toEqual([]);
  });
});
