import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { LedgerClock } from './ledger-clock.ts';

describe('the ledger’s clock', () => {
  test('is unknown before the first answer', () => {
    expect(new LedgerClock().at(0)).toBeUndefined();
  });

  test('is known to within half the shortest round trip, however wrong the own clock is', () => {
    const trip = fc.record({ thereMs: fc.nat(2_000), backMs: fc.nat(2_000), pauseMs: fc.nat(5_000) });
    fc.assert(
      fc.property(
        fc.integer({ min: -1e12, max: 1e12 }),
        fc.array(trip, { minLength: 1, maxLength: 8 }),
        (offsetMs, trips) => {
          const clock = new LedgerClock();
          let ownMs = 0;
          for (const { thereMs, backMs, pauseMs } of trips) {
            ownMs += pauseMs;
            const askedAtMs = ownMs;
            const ledgerNowMs = askedAtMs + thereMs + offsetMs;
            ownMs += thereMs + backMs;
            clock.observe({ askedAtMs, heardAtMs: ownMs, ledgerNowMs });
          }
          const shortestMs = Math.min(...trips.map(({ thereMs, backMs }) => thereMs + backMs));
          expect(Math.abs((clock.at(ownMs) ?? NaN) - (ownMs + offsetMs))).toBeLessThanOrEqual(shortestMs / 2);
        },
      ),
    );
  });

  test('follows at once when one of the clocks is set', () => {
    const clock = new LedgerClock();
    clock.observe({ askedAtMs: 0, heardAtMs: 1, ledgerNowMs: 1_000 });
    clock.observe({ askedAtMs: 1_000, heardAtMs: 1_010, ledgerNowMs: 602_000 });
    expect(clock.at(2_000)).toBe(602_995);
  });

  test('forgets old answers, so that drift does not add up', () => {
    const clock = new LedgerClock();
    clock.observe({ askedAtMs: 0, heardAtMs: 0, ledgerNowMs: 0 });
    for (let second = 1; second <= 8; second++) {
      clock.observe({
        askedAtMs: second * 1_000,
        heardAtMs: second * 1_000 + 2,
        ledgerNowMs: second * 1_000 + 51,
      });
    }
    expect(clock.at(10_000)).toBe(10_050);
  });
});
