import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import type { Span } from '../../shared/telemetry/tracing.ts';

/** The ledger answers within half a second and a turn. Short enough to wait for when the service is asked to stop. */
const answerDeadlineMs = 4_000;

/** After an answer that says nothing about when, such as `unavailable`. */
const retryDelayMs = 250;

/**
 * No wait is longer, whatever the ledger says: it goes by the database's clock, and when that was put back by minutes and is
 * right again a worker must not wait them out. To ask too early costs one answer.
 */
const maxWaitMs = 2_000;

interface SettleDueOptions {
  readonly client: LedgerClient;
  /** Settle what is due at or before this time, RFC 3339; left out, it is now by the ledger's clock. */
  readonly until?: string;
  /** The once-a-minute turn: see the command's schema. */
  readonly sweep?: boolean;
  readonly stopping: AbortSignal;
  readonly parentSpan?: Span | undefined;
}

/**
 * Has the ledger settle what is due, half a second of turns at a time, until nothing is left. Tries on through faults:
 * settling is idempotent, and the hold is the truth.
 *
 * @returns how many holds were settled.
 * @throws the reason of `stopping`, when the service is asked to stop before all is settled.
 */
export async function settleDue(options: SettleDueOptions): Promise<number> {
  const { client, until, sweep = false, stopping, parentSpan } = options;
  let settled = 0;
  let first = true;
  for (;;) {
    stopping.throwIfAborted();
    const outcome = await client.send(
      'settle-due',
      // Only the first request looks from the very beginning; the ledger remembers how far it came.
      { id: randomUUID(), ...(until !== undefined && { until }), sweep: sweep && first },
      { deadlineMs: answerDeadlineMs, parentSpan },
    );
    if (outcome.ok) {
      first = false;
      settled += outcome.settled;
      if (!outcome.more && outcome.notBefore === undefined) return settled;
    }
    const waitMs = outcome.ok ? Math.min(outcome.waitMs, maxWaitMs) : retryDelayMs;
    // A timer of 0 ms would take 1 ms, with the ledger idle.
    if (waitMs > 0) await delay(waitMs, undefined, { signal: stopping });
  }
}
