import { expect, test } from '@jest/globals';
import { readProgress, sumOf } from './pgbench-progress.ts';

test('reads what pgbench says, and nothing else', () => {
  const said = 'progress: 4.0 s, 1215.3 tps, lat 51.115 ms stddev 35.687, 0 failed';
  expect(readProgress(said)).toEqual({ atS: 4, perSecond: 1215.3, meanMs: 51.115 });
  expect(readProgress('pgbench (15.18, server 18.1)')).toBeUndefined();
});

test('sums what came after the first report, however long apart the reports are', () => {
  const reports = [
    { atS: 3, perSecond: 10, meanMs: 900 },
    { atS: 4, perSecond: 100, meanMs: 50 },
    { atS: 6, perSecond: 200, meanMs: 40 },
  ];
  expect(sumOf(reports)).toEqual({ transactions: 500, perSecond: 500 / 3, meanMs: 42 });
});
