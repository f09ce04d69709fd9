/** The estimate is the best of the last few answers: a minute's drift between two clocks is far below a millisecond. */
const samplesKept = 8;

/** Disagreement beyond what the travel times explain, in milliseconds: one of the clocks has been set. */
const jumpMs = 100;

interface Sample {
  offsetMs: number;
  roundTripMs: number;
}

/**
 * The ledger's clock as seen from here, so that a deadline means the same at both ends also where this machine's clock
 * is minutes wrong. All times in milliseconds; *own* times are of a clock that is never set (`performance.now()`).
 *
 * An answer's `now` was read somewhere between asking and hearing; taking the middle is wrong by at most half the round
 * trip, so the shortest round trip is the best estimate.
 */
export class LedgerClock {
  #samples: Sample[] = [];
  #offsetMs: number | undefined;

  observe(answer: { askedAtMs: number; heardAtMs: number; ledgerNowMs: number }): void {
    const roundTripMs = answer.heardAtMs - answer.askedAtMs;
    const sample = { offsetMs: answer.ledgerNowMs - (answer.askedAtMs + answer.heardAtMs) / 2, roundTripMs };
    if (this.#samples.some((earlier) => hasJumped(earlier, sample))) this.#samples = [];
    this.#samples = [...this.#samples, sample].slice(-samplesKept);
    const best = this.#samples.reduce((a, b) => (b.roundTripMs <= a.roundTripMs ? b : a));
    this.#offsetMs = best.offsetMs;
  }

  /** The ledger's time at an own time; undefined before the first answer. */
  at(ownMs: number): number | undefined {
    return this.#offsetMs === undefined ? undefined : ownMs + this.#offsetMs;
  }
}

function hasJumped(earlier: Sample, later: Sample): boolean {
  const explained = (earlier.roundTripMs + later.roundTripMs) / 2 + jumpMs;
  return Math.abs(later.offsetMs - earlier.offsetMs) > explained;
}
