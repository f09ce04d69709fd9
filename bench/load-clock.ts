import { createLatencies, recordMs, summaryOf } from './latency.ts';
import { warmUpSeconds, type LoadResult, type RequestKind } from './load-order.ts';

/** Enough of an answer to see what is wrong. */
const toldCharacters = 500;

/** Counts what a generator does, and says when it is over. */
export class LoadClock {
  readonly #latencies = createLatencies();
  readonly #answered: Record<RequestKind, number> = { ping: 0, status: 0, substract: 0, add: 0 };
  readonly #cpuBefore = process.cpuUsage();
  readonly #beganMs = performance.now();
  readonly #countFromMs: number;
  readonly #bellMs: number;
  #counted = 0;
  #failed = 0;
  #firstFailure: string | undefined;

  constructor(seconds: number) {
    this.#countFromMs = this.#beganMs + warmUpSeconds * 1000;
    this.#bellMs = this.#countFromMs + seconds * 1000;
  }

  /** Whether no further request is to start. */
  isOver(): boolean {
    return performance.now() >= this.#bellMs;
  }

  /** `count` requests of a kind that started together were answered well just now. */
  answered(kind: RequestKind, startedMs: number, count = 1): void {
    this.#answered[kind] += count;
    const now = performance.now();
    if (now >= this.#countFromMs && now < this.#bellMs) this.#counted += count;
    // By their start: an open loop's slowest may be answered after the bell.
    if (startedMs >= this.#countFromMs) recordMs(this.#latencies, now - startedMs);
  }

  failed(why: string, count = 1): void {
    this.#failed += count;
    this.#firstFailure ??= why.slice(0, toldCharacters);
  }

  /** When the last answer is there. */
  result(): LoadResult {
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    const cpuSeconds = (user + system) / 1_000_000;
    return {
      perSecond: this.#counted / ((this.#bellMs - this.#countFromMs) / 1000),
      latency: summaryOf(this.#latencies),
      answered: this.#answered,
      failed: this.#failed,
      ...(this.#firstFailure !== undefined && { firstFailure: this.#firstFailure }),
      cpuSeconds,
      cpuShare: cpuSeconds / ((performance.now() - this.#beganMs) / 1000),
    };
  }
}
