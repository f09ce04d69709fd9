import { setTimeout as delay } from 'node:timers/promises';

/** How long a fault lasts is what the seed says: here time itself is the condition. */
export function lasting(ms: number): Promise<void> {
  return delay(ms);
}
