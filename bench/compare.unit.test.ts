import { describe, expect, test } from '@jest/globals';
import { tellChanges } from './compare.ts';
import type { Sample } from './sample.ts';

const rounds = (...rates: number[]): Sample[] =>
  rates.map((perSecond, index) => ({ name: 'a load', round: index + 1, perSecond }));

describe('a comparison', () => {
  test('tells what is better or worse in all rounds', () => {
    expect(
      tellChanges(rounds(100, 110, 105), rounds(120, 125, 130))
        .split('\n')
        .at(-1),
    ).toMatch(/^a load +per second +105 +125 +\+19 %$/);
    expect(tellChanges(rounds(120, 125, 130), rounds(100, 110, 105))).toContain('−16 %');
  });

  test('is silent about noise and about trifles', () => {
    expect(tellChanges(rounds(100, 110, 121), rounds(120, 125, 130))).toBe('Nothing changed beyond noise.');
    expect(tellChanges(rounds(1000, 1001), rounds(1002, 1003))).toBe('Nothing changed beyond noise.');
  });

  test('is silent about what only one of the runs measured', () => {
    expect(tellChanges([], rounds(1, 2))).toBe('Nothing changed beyond noise.');
  });
});
