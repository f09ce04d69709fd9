import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { ErrorView } from '../../contracts/outcomes.ts';
import { Attempts } from './attempts.ts';

const notSent: ErrorView = { code: 'unavailable', detail: 'not sent' };
const overloaded: ErrorView = { code: 'overloaded', detail: 'busy' };

/** What can happen to the attempts of one request, in the order in which it is heard of. */
type Step = 'publish' | 'answered' | 'lost' | 'held back';
const steps = fc.array(fc.constantFrom<Step>('publish', 'answered', 'lost', 'held back'), { maxLength: 30 });

/** Plays the steps; answers how many published attempts nobody answered. */
function play(attempts: Attempts, history: readonly Step[]): number {
  let open = 0;
  let lost = 0;
  for (const step of history) {
    switch (step) {
      case 'publish':
        attempts.published();
        open += 1;
        break;
      case 'answered':
        if (open === 0) break;
        attempts.changedNothing(overloaded);
        open -= 1;
        break;
      case 'lost':
        if (open === 0) break;
        open -= 1;
        lost += 1;
        break;
      case 'held back':
        attempts.heldBack(notSent);
        break;
    }
  }
  return open + lost;
}

describe('what may be said at the deadline', () => {
  test('"unknown" exactly when a published attempt has no answer', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const attempts = new Attempts(notSent);
        const unanswered = play(attempts, history);
        expect(attempts.atDeadline().code === 'outcome_unknown').toBe(unanswered > 0);
      }),
    );
  });

  test('the last word when nothing was changed', () => {
    const attempts = new Attempts(notSent);
    expect(attempts.atDeadline()).toBe(notSent);
    attempts.published();
    attempts.changedNothing(overloaded);
    expect(attempts.atDeadline()).toBe(overloaded);
    attempts.heldBack(notSent);
    expect(attempts.atDeadline()).toBe(notSent);
  });

  test('a fault says nothing about another attempt that is still open', () => {
    const fault: ErrorView = { code: 'internal', detail: 'a bug' };
    const alone = new Attempts(notSent);
    alone.published();
    expect(alone.failed(fault)).toBe(fault);

    const second = new Attempts(notSent);
    second.published();
    second.published();
    expect(second.failed(fault).code).toBe('outcome_unknown');
  });
});
