import { expect, test } from '@jest/globals';
import type { Answer, Operation } from '../chaos/history.ts';
import { outagesBetween } from './outage.ts';

const accepted: Answer = { is: 'accepted' };
const unknown: Answer = { is: 'unknown', reason: 'no answer' };

function calls(door: string, ...ends: readonly [number, Answer][]): Operation {
  const common = { id: '', key: '', accountId: '', kind: 'add', amount: 1 } as const;
  const all = ends.map(([endMs, answer]) => ({ door, startMs: 0, endMs, deadlineMs: undefined, answer }));
  return { ...common, calls: all };
}

test('an outage is the longest time without an outcome that touches the fault, at each door', () => {
  const operations = [
    calls('one', [0, accepted], [900, accepted], [1_000, accepted], [1_400, accepted], [9_000, accepted]),
    // What is no outcome does not count, and order does not matter.
    calls('other', [2_000, accepted], [1_200, unknown], [990, accepted]),
  ];
  expect(outagesBetween(operations, 1_000, 1_400)).toEqual([
    { door: 'other', ms: 1_010 },
    { door: 'one', ms: 400 },
  ]);
});
