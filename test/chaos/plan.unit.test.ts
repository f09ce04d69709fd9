import { describe, expect, test } from '@jest/globals';
import { faultKinds, plan, type Episode } from './plan.ts';
import { Random } from './random.ts';

const shape = { gateway: 2, ledger: 3, settler: 2 };

function episodes(seed: number, count: number, kinds = faultKinds): Episode[] {
  const schedule = plan(new Random(seed), shape, kinds);
  return Array.from({ length: count }, () => schedule.next().value as Episode);
}

describe('a plan', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(episodes(7, 50)).toEqual(episodes(7, 50));
    expect(episodes(8, 50)).not.toEqual(episodes(7, 50));
  });

  test('begins with each kind alone, on both servers, and some together', () => {
    const first = episodes(1, 28);
    const alone = first.flatMap(({ faults: [only, ...more] }) =>
      only === undefined || more.length > 0 ? [] : [only.fault],
    );
    expect(new Set(alone.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
    expect(alone.filter(({ kind }) => kind === 'full disk')).toHaveLength(2);
    expect(first.filter(({ faults }) => faults.length > 1)).toHaveLength(9);
  });

  test('has no faults but those it is given', () => {
    const faults = episodes(1, 300, ['cut line', 'kill server']).flatMap((episode) => episode.faults);
    expect(new Set(faults.map(({ fault }) => fault.kind))).toEqual(new Set(['cut line', 'kill server']));
  });
});
