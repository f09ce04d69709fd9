import { describe, expect, test } from '@jest/globals';
import { money } from '../../shared/money/money.ts';
import { addTotals, describeTally, isComplete, noTotals, type Totals } from './tally.ts';

const totals = (rows: number, balance: bigint, held: bigint): Totals => ({
  rows,
  balance: money(balance),
  held: money(held),
});

describe('a tally', () => {
  const opened = totals(4, 100_221_000n, 80_100n);
  const leftOut = totals(2, -500n, 30_000n);
  const tally = { source: addTotals(opened, leftOut), opened, leftOut };

  test('is complete when what was read was opened or left out', () => {
    expect(isComplete(tally)).toBe(true);
    expect(isComplete({ source: opened, opened, leftOut: noTotals })).toBe(true);
  });

  test.each([
    ['row', totals(1, 0n, 0n)],
    ['cent', totals(0, 1n, 0n)],
    ['held cent', totals(0, 0n, 1n)],
  ])('is not complete for want of a %s', (_what, more) => {
    expect(isComplete({ ...tally, source: addTotals(tally.source, more) })).toBe(false);
    expect(isComplete({ ...tally, opened: addTotals(tally.opened, more) })).toBe(false);
    expect(describeTally({ ...tally, opened: addTotals(tally.opened, more) }, 'opened', 2)).toContain(
      'NOT equal',
    );
  });

  test('is told as a table', () => {
    expect(describeTally(tally, 'opened', 2)).toBe(
      [
        '          rows     balance     held',
        'read         6  1002205.00  1101.00',
        'left out     2       -5.00   300.00',
        'opened       4  1002210.00   801.00',
        'The totals are equal, but rows were left out (2), and their money is not here.',
      ].join('\n'),
    );
    const whole = { ...tally, source: tally.opened, leftOut: noTotals };
    expect(describeTally(whole, 'opened', 2)).toContain('\nThe totals are equal, and no row was left out.');
  });
});
