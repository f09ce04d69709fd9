import { jetstream } from '@nats-io/jetstream';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { holdDueSubject } from '../../../shared/contracts/subjects.ts';
import type { Scene } from './perform.ts';
import { lasting } from './lasting.ts';

/** Seconds around now: some whose holds are settled, some that have not come. */
const dueSeconds = { from: -10, to: 5 };
const publishMs = 2_000;

/** Messages that say what others have said before: holds fall due at a second. */
export async function deliverDueAgain({ evidence }: Scene, times: number): Promise<boolean> {
  const client = jetstream(evidence.connection);
  const nowS = Math.floor(Date.now() / 1_000);
  const span = dueSeconds.to - dueSeconds.from + 1;
  try {
    for (let index = 0; index < times; index += 1) {
      const second = new Date((nowS + dueSeconds.from + (index % span)) * 1_000);
      const dueAt = second.toISOString().replace('.000Z', 'Z');
      await client.publish(holdDueSubject, JSON.stringify({ dueAt }), { timeout: publishMs });
    }
    return true;
  } catch {
    // The broker is away: another fault was faster.
    return false;
  }
}

/** The broker comes back without anything that it had. What it had is kept as evidence. */
export async function loseBrokerData({ stack, evidence }: Scene, downMs: number): Promise<boolean> {
  const { nats, jetStreamFolder } = stack.servers;
  if (!nats.isRunning) return false;
  const mayStart = nats.keepDown();
  try {
    await nats.kill();
    const lost = await mkdtemp(join(evidence.folder, 'lost-broker-'));
    // Copied: it may go to another file system.
    await cp(jetStreamFolder, join(lost, 'nats/jetstream'), { recursive: true });
    await rm(jetStreamFolder, { recursive: true });
    evidence.brokerDataLost(lost);
    await lasting(downMs);
  } finally {
    mayStart();
  }
  return true;
}
