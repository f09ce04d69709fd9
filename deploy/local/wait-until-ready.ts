import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Logger } from '../../shared/telemetry/logger.ts';

const pollMs = 100;
const answerMs = 2_000;
const tellAfterMs = 5_000;

const notReadySchema = z.object({ missing: z.array(z.string()).min(1) });

/**
 * Waits until `GET <origin>/readyz` answers 200, for as long as that takes; the log says every few seconds what is
 * missing. Throws when `stopping` is aborted.
 */
export async function waitUntilReady(
  name: string,
  origin: () => string,
  { logger, stopping }: { logger: Logger; stopping: AbortSignal },
): Promise<void> {
  let toldAtMs = performance.now();
  for (;;) {
    const missing = await askWhatIsMissing(origin());
    stopping.throwIfAborted();
    if (missing === undefined) return;
    if (performance.now() - toldAtMs > tellAfterMs) {
      toldAtMs = performance.now();
      logger.warn(`waiting for ${name}: ${missing}`);
    }
    await delay(pollMs, undefined, { signal: stopping });
  }
}

async function askWhatIsMissing(origin: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${origin}/readyz`, { signal: AbortSignal.timeout(answerMs) });
    const body: unknown = await answer.json();
    if (answer.status === 200) return undefined;
    return notReadySchema.safeParse(body).data?.missing.join(', ') ?? 'it is not ready yet';
  } catch {
    return 'it does not answer yet';
  }
}
