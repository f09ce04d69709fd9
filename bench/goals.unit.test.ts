import { describe, expect, test } from '@jest/globals';
import { standingOf, verdictsOf } from './goals.ts';
import { names, type Sample } from './sample.ts';

const sample = (name: string, round: number, perSecond: number): Sample => ({ name, round, perSecond });

const latency = (p50Ms: number, p99Ms: number) => ({ p50Ms, p99Ms, maxMs: p99Ms, curve: [] });

describe('goals', () => {
  test('are ratios of one round, and the median of them', () => {
    const samples = [1, 2, 3].flatMap((round) => [
      // The machine was twice as fast in the second round: the ratio is the same.
      sample(names.spread(64), round, round === 2 ? 8000 : 4000),
      sample(names.tpcb(64), round, round === 2 ? 2000 : round === 3 ? 800 : 1000),
    ]);
    const [verdict, ...others] = verdictsOf(samples);
    expect(others).toEqual([]);
    expect(verdict).toMatchObject({ measured: 4, lowest: 4, highest: 5, floor: 2.5, goal: 4 });
    expect(verdict && standingOf(verdict)).toBe('goal');
  });

  test('less is better for times', () => {
    const samples = [{ ...sample(names.openLoop(50), 1, 1000), latency: latency(2, 12) }];
    const [verdict] = verdictsOf(samples);
    expect(verdict).toMatchObject({ measured: 12, floor: 15, goal: 8 });
    expect(verdict && standingOf(verdict)).toBe('floor');
  });

  test.each([20_000, 50_000, 1_000_000])(
    'settling is judged with %i holds as with any other number',
    (holds) => {
      const settled = { ...sample(names.settle('spread', holds), 1, 7000), bytesPerHold: 950 };
      const samples = [sample(names.tpcb(64), 1, 1000), settled, sample(names.settle('hot', holds), 1, 9000)];
      expect(verdictsOf(samples).map(({ measured }) => measured)).toEqual([7, 9, 950]);
      expect(
        verdictsOf([sample(names.tpcb(64), 1, 1000), sample(names.settleUnderLoad(holds), 1, 1)]),
      ).toEqual([]);
    },
  );

  test('what was measured only in part has no verdict', () => {
    expect(verdictsOf([sample(names.spread(64), 1, 1000)])).toEqual([]);
    expect(verdictsOf([sample(names.spread(64), 1, 1000), sample(names.tpcb(64), 2, 1000)])).toEqual([]);
  });
});
